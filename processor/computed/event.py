"""Events as definitions see them: type, name, time, and the values that a path leads to."""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Raw, Struct

from processor.computed.number import Scalar, scalar_of
from processor.records import EventType

EVENT_TYPES: Final = get_args(EventType)
NAMED: Final[Mapping[str, str]] = {"custom_event": "event_name", "screen_view": "screen_name"}
"""The types whose events have a name, and the field of ``data`` that holds it."""

Place = Literal["custom", "data", "action", "product", "promotion", "device"]
_PLACES: Final[Mapping[str, Place]] = {
    "custom": "custom",
    "data": "data",
    "action": "action",
    "product": "product",
    "promotion": "promotion",
    "device": "device",
}

Object = Mapping[str, Any]
_NOTHING: Final[Object] = {}
_NULL: Final = Raw(b"null")
_INT_DIGITS: Final = 20
"""Integers of more characters are beyond 64 bits, so texts; Python reads 4,300 digits at most."""


class Head(Struct, gc=False):
    """What is read of every event: enough to see whether any selector could want it."""

    event_type: str
    data: Raw = _NULL


class Event(Struct, frozen=True, gc=False):
    """An event that some selector could want."""

    type: str
    data: Object
    time_ms: int
    """When it happened; never later than its record."""
    device: Object = _NOTHING
    """``device_info`` of its batch."""

    @property
    def name(self) -> str | None:
        """The name of a custom event or screen view, None for other types."""
        field = NAMED.get(self.type)
        return None if field is None else _text(self.data.get(field))

    @property
    def action(self) -> Object:
        """``product_action`` or ``promotion_action`` of a commerce event; empty where neither."""
        return _object(self.data.get("product_action") or self.data.get("promotion_action"))

    @property
    def action_name(self) -> str | None:
        """What was done with the products or promotions, such as purchase."""
        return _text(self.action.get("action"))

    @property
    def products(self) -> list[Object]:
        """The products of the action and of the impressions, in order."""
        found = _objects(_object(self.data.get("product_action")).get("products"))
        for impression in _objects(self.data.get("product_impressions")):
            found += _objects(impression.get("products"))
        return found

    @property
    def promotions(self) -> list[Object]:
        """The promotions of the action, in order."""
        return _objects(_object(self.data.get("promotion_action")).get("promotions"))


class Path(Struct, frozen=True, gc=False):
    """Where in an event a value stands: ``NAME``, ``custom.NAME``, ``product.price`` and so on."""

    place: Place
    field: str
    is_custom: bool = False
    """Of a product: one of its custom attributes."""

    @property
    def text(self) -> str:
        """The path in one spelling."""
        return f"{self.place}.{'custom.' if self.is_custom else ''}{self.field}"

    def of_item(self, item: Object) -> object:
        """Return the value that a product or promotion has, None where it has none."""
        if self.is_custom:
            return _object(item.get("custom_attributes")).get(self.field)
        return item.get(self.field)

    def of_event(self, event: Event) -> object:
        """Return the value that stands once in *event*, None where it is missing."""
        if self.place == "custom":
            return _object(event.data.get("custom_attributes")).get(self.field)
        if self.place == "data":
            return event.data.get(self.field)
        if self.place == "action":
            return event.action.get(self.field)
        return event.device.get(self.field)


def path_of(text: str) -> Path:
    """Return the path that *text* writes; ValueError says what is wrong with it."""
    head, dot, rest = text.partition(".")
    place = _PLACES.get(head) if dot else None
    if place is None:
        place, rest = "custom", text
    if not rest:
        raise ValueError("is no path; name a field, as custom.NAME or product.price")
    if place == "product" and rest.startswith("custom."):
        rest = rest.removeprefix("custom.")
        if not rest:
            raise ValueError("is no path; name a field, as product.custom.NAME")
        return Path("product", rest, is_custom=True)
    return Path(place, rest)


def entries(raw: object) -> list[Scalar]:
    """Return the scalars that a value stands for: its own, or a list's; null is missing."""
    if isinstance(raw, list | tuple):
        return [scalar for one in raw if (scalar := scalar_of(one)) is not None]
    scalar = scalar_of(raw)
    return [] if scalar is None else [scalar]


def event_time_ms(own: object, batch_ms: int | None, record_ms: int) -> int:
    """Return when an event happened: its own time, else its batch's, else its record's.

    It is never later than its record: a client's clock that is ahead would keep people in windows.
    """
    if isinstance(own, int | float) and not isinstance(own, bool) and own - own == 0:
        return min(max(int(own), 0), record_ms)
    return record_ms if batch_ms is None else min(max(batch_ms, 0), record_ms)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else _NOTHING


def _objects(value: object) -> list[Object]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


_decode_heads = msgspec.json.Decoder(list[Head] | None).decode
_decode_fields = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_decode_type = msgspec.json.Decoder(str).decode
_decode_data = msgspec.json.Decoder(dict[str, Any] | None).decode


def read_heads(events: bytes | Raw) -> list[Head]:
    """Return the heads of a batch's ``events``, the JSON array that its codec has accepted.

    Of several values under one name the last counts, whatever stands in those before it.
    """
    try:
        return _decode_heads(events) or []
    except msgspec.ValidationError:
        found = _decode_fields(events)
    return [Head(_decode_type(one["event_type"]), one.get("data", _NULL)) for one in found]


class _Names(Struct, gc=False):
    """What names an event; values that are no text are left to :func:`read_data`."""

    event_name: Raw = _NULL
    screen_name: Raw = _NULL


_decode_names = msgspec.json.Decoder(_Names | None).decode
_decode_name = msgspec.json.Decoder(str | None).decode


def read_name(head: Head) -> str | None:
    """Return the name of an event of a type in ``NAMED``, None where it has none.

    That is a fraction of the work of reading its data.
    """
    try:
        names = _decode_names(head.data)
        if names is None:
            return None
        raw = names.event_name if head.event_type == "custom_event" else names.screen_name
        name: str | None = _decode_name(raw)
    except msgspec.DecodeError:
        return None
    return name


def read_data(head: Head) -> Object | None:
    """Return ``data`` of an event; None where nothing can be read of it.

    A number beyond the range of a double is no value, an integer of however many digits is its
    text (:func:`~processor.computed.number.scalar_of`): neither spoils anything beside it.
    """
    try:
        return _decode_data(head.data) or _NOTHING
    except msgspec.DecodeError:
        pass
    try:
        return _object(json.loads(bytes(head.data), parse_int=_whole, parse_float=_fraction))
    except ValueError:
        return None


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= _INT_DIGITS else digits


def _fraction(digits: str) -> float | None:
    number = float(digits)
    return number if number - number == 0 else None

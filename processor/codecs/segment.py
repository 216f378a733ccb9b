"""Segment's calls as event batches (docs/messages.md, "Segment's messages").

Names are read in camelCase and in snake_case. The result is read like any other batch, so a
Segment user can point an existing stream at an input.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Raw

from processor.codecs.envelope import Fields, Opened, open_object
from processor.codecs.fault import Fault
from processor.codecs.misfit import check_call, no_call
from processor.codecs.moment import milliseconds_of
from processor.codecs.repair import is_empty, is_nested
from processor.records import Ignored

Place = tuple[str, ...]
"""Where a call has an identifier: names of fields, from the call inwards."""
Places = Mapping[str, tuple[Place, ...]]
"""The places of identifiers, by their names."""

_NULL: Final = Raw(b"null")
_DEVICES: Final = MappingProxyType({"ios": "ios", "android": "android"})
_PLACED: Final = frozenset({"properties", "traits"})
"""Fields of a call that have a place of their own in the batch; the others become ``segment``."""
_ANALYTICS: Final = ("integrations", "Google Analytics", "clientId")
_EXTERNAL: Final = ("context", "externalIds")
_PLACES: Final[Places] = MappingProxyType(
    {
        "user_id": (("userId",),),
        "anonymous_id": (("anonymousId",),),
        "group_id": (("groupId",),),
        "email": (("traits", "email"), ("context", "traits", "email")),
        "cross_domain_id": (("crossDomainId",), ("context", "crossDomainId")),
        "ga_client_id": (("context", *_ANALYTICS), _ANALYTICS),
    }
)
"""Segment's places of its default identifiers; those of phones depend on ``context.device``."""
FIRST_PLACES: Final = tuple(_PLACES)
"""The order in which identifiers are taken from a call: these first, others as configured."""
_OF_PHONES: Final = frozenset(
    f"{platform}.{name}" for platform in _DEVICES for name in ("id", "push_token", "idfa")
)

_encode = msgspec.json.Encoder().encode
_decode_map = msgspec.json.Decoder(dict[str, Raw] | None).decode
_decode_list = msgspec.json.Decoder(list[Raw] | None).decode
_decode_any = msgspec.json.Decoder().decode


def places_of(name: str, written: Iterable[str]) -> tuple[Place, ...]:
    """Return where calls have the identifier *name*: where *written* says, else Segment's places.

    An identifier of one's own is looked for by its name among the traits and properties.
    """
    places = tuple(tuple(place.split(".")) for place in written)
    if places or name in _OF_PHONES:
        return places
    own = (("traits", name), ("context", "traits", name), ("properties", name))
    return _PLACES.get(name, own)


def open_segment(value: bytes | None, max_bytes: int, places: Places = _PLACES) -> Fields:
    """Return the fields of the batch that a call makes, or raise Fault.

    *places* say where its identifiers are.
    """
    fields = open_object(value, max_bytes)
    ignored: list[Ignored] = []
    call = _Call(fields, ignored)
    kind = call.text("type")
    make = _EVENTS.get(kind)
    if make is None:
        raise no_call(fields)
    check_call(fields)
    time_ms = _time_ms(call)
    event = make(call)
    batch: dict[str, Any] = {
        "environment": call.get("environment") or "production",
        "source_request_id": call.label("messageId") or None,
        "timestamp_unixtime_ms": time_ms,
        "user_identities": {} if kind == "alias" else _identities(call, places),
        "user_attributes": _attributes(call) if kind == "identify" else {},
        "events": [] if event is None else [_stamped(event, time_ms)],
        "segment": {name: raw for name, raw in call.fields.items() if name not in _PLACED},
    }
    made = {name: Raw(_encode(one)) for name, one in batch.items() if one is not None}
    return Opened(made, tuple(dict.fromkeys(ignored))) if ignored else made


class _Call:
    """A call, or an object within one; its fields may be spelt in either case."""

    def __init__(self, fields: Mapping[str, Raw], ignored: list[Ignored], path: str = "") -> None:
        self.fields = fields
        self._ignored = ignored
        self._path = path
        self._inner: dict[str, _Call] = {}
        """The objects in it that were asked for, each read once."""

    def get(self, name: str) -> Raw | None:
        """Return the field *name*, given in camelCase; None where it is missing or null."""
        raw = self.fields.get(name)
        if raw is None:
            raw = self.fields.get(_snake(name))
        return None if raw is None or raw == _NULL else raw

    def text(self, name: str) -> str:
        """Return the text in a field, '' where there is none."""
        raw = self.get(name)
        return _decode_any(raw) if raw is not None and bytes(raw)[:1] == b'"' else ""

    def label(self, name: str) -> str:
        """Return the text in a field; a number as its text."""
        raw = self.get(name)
        if raw is None or bytes(raw)[:1] in (b'"', b"[", b"{", b"t", b"f"):
            return self.text(name)
        return bytes(raw).decode()

    def object(self, name: str) -> "_Call":
        """Return the object in a field, an empty one where there is none; Fault for another type.

        An empty list or text is what some languages send for an empty object.
        """
        inner = self._inner.get(name)
        if inner is None:
            inner = self._inner[name] = self._open(name)
        return inner

    def _open(self, name: str) -> "_Call":
        raw, path = self.get(name), self._at(name)
        if raw is None:
            return _Call({}, self._ignored)
        try:
            return _Call(_decode_map(raw) or {}, self._ignored, path)
        except msgspec.ValidationError:
            if is_empty(raw):
                return self._nothing(path)
            raise Fault(f"{path}: must be an object") from None

    def any_object(self, name: str) -> "_Call":
        """Return the object in a field, an empty one where it holds anything else."""
        raw = self.get(name)
        if raw is None or bytes(raw)[:1] == b"{" or name in self._inner:
            return self.object(name)
        is_switch = bytes(raw)[:1] in (b"t", b"f")  # an integration may be one
        inner = _Call({}, self._ignored) if is_switch else self._nothing(self._at(name))
        self._inner[name] = inner
        return inner

    def objects(self, name: str) -> "list[_Call]":
        """Return the objects of a list in a field; other entries are left out."""
        raw, path = self.get(name), self._at(name)
        try:
            entries = (_decode_list(raw) if raw is not None else None) or ()
        except msgspec.ValidationError:
            if raw is None or not is_empty(raw):
                raise Fault(f"{path}: must be a list of objects") from None
            self.ignore(path, "type")
            return []
        found = [entry for entry in entries if bytes(entry)[:1] == b"{"]
        if len(found) < len(entries):
            self.ignore(f"{path}[...]", "type")
        return [_Call(_decode_map(entry) or {}, self._ignored, path) for entry in found]

    def ignore(self, field: str, reason: str) -> None:
        """Note that a value is left out; *field* is made of names of ours."""
        self._ignored.append(Ignored(field, reason))

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _nothing(self, path: str) -> "_Call":
        self.ignore(path, "type")
        return _Call({}, self._ignored)


@lru_cache(maxsize=1024)
def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _identities(call: _Call, places: Places) -> dict[str, list[Raw]]:
    """Return the identifiers of a call by Segment's names for them."""
    found: dict[str, list[Raw]] = {}
    for name, raw in _named(call, places):
        if raw is not None and raw not in found.setdefault(name, []):
            found[name].append(raw)
    return found


def _named(call: _Call, places: Places) -> Iterator[tuple[str, Raw | None]]:
    yield from _placed(call, places)
    context = call.object("context")
    for name, raw in _device(context.object("device")):
        if not places.get(name):
            yield name, raw
    for external in context.objects("externalIds"):
        kind = external.text("type")
        if kind and external.text("collection") in {"", "users"}:
            yield from ((name, external.get("id")) for name in _external_names(kind, places))


def _placed(call: _Call, places: Places) -> Iterator[tuple[str, Raw]]:
    is_group = call.text("type") == "group"  # whose traits are the group's, as an info@ address is
    for name, its in places.items():
        for place in its:
            if len(place) == 1:
                if (raw := call.get(place[0])) is not None:
                    yield name, raw
            elif not (is_group and place[0] == "traits") and place[:2] != _EXTERNAL:
                for raw in _at(call, place, name):
                    yield name, raw


def _external_names(kind: str, places: Places) -> Iterator[str]:
    """Yield the names of the identifiers that an external id of the type *kind* is a value of."""
    its = places.get(kind)
    if its is None or its == places_of(kind, ()):
        yield kind
    for name, listed in places.items():
        if (*_EXTERNAL, kind) in listed or (name == kind and _EXTERNAL in listed):
            yield name


def _at(call: _Call, place: Place, name: str) -> Sequence[Raw]:
    """Return the value at *place*, or those of a list.

    Odd values of an identifier of one's own are left out: its name may mean something else there.
    """
    *path, last = place
    holder = call
    for step in path:
        is_open = step in _ODD_ARE_NONE or path[0] in _ODD_ARE_NONE
        holder = holder.any_object(step) if is_open else holder.object(step)
    raw = holder.get(last)
    if raw is None:
        return ()
    first = bytes(raw)[:1]
    if first not in (b"[", b"{"):
        return (raw,)
    if is_empty(raw):
        return ()
    values = (_decode_list(raw) or ()) if first == b"[" else (raw,)
    if name in _PLACES:
        return values
    flat = [value for value in values if bytes(value)[:1] not in (b"[", b"{")]
    if len(flat) < len(values):
        call.ignore("identifiers[...]", "type")
    return flat


_ODD_ARE_NONE: Final = frozenset({"integrations", "Google Analytics", "properties"})
"""Objects that come in many forms. One that is no object counts as empty."""


def _device(device: _Call) -> Iterator[tuple[str, Raw | None]]:
    """Yield the ids of a phone; its advertising id only where tracking is allowed."""
    platform = _DEVICES.get(device.text("type").lower())
    if platform is None:
        return
    yield f"{platform}.id", device.get("id")
    yield f"{platform}.push_token", device.get("token")
    if device.get("adTrackingEnabled") == Raw(b"true"):
        yield f"{platform}.idfa", device.get("advertisingId")


def _attributes(call: _Call) -> dict[str, Any]:
    """Return the traits; objects, and lists that hold objects or lists, as their JSON text."""
    return {
        name: bytes(raw).decode() if is_nested(raw) else raw
        for name, raw in call.object("traits").fields.items()
    }


def _time_ms(call: _Call) -> int | None:
    """Return the time of a call; None where it has none that can be read."""
    for name in ("timestamp", "originalTimestamp"):
        raw = call.get(name)
        if raw is None or is_empty(raw):
            continue
        try:
            time_ms = milliseconds_of(_decode_any(raw))
        except msgspec.ValidationError:  # a number that is too large for any time
            time_ms = None
        if time_ms is not None:
            return time_ms
        call.ignore(name, "time")
    return None


def _track(call: _Call) -> dict[str, Any]:
    name = call.label("event")
    if not name:
        raise Fault("event: is required, the name of what was done")
    data = {"event_name": name, "custom_event_type": "other"}
    return _event("custom_event", data, call)


def _view(call: _Call) -> dict[str, Any]:
    properties = call.any_object("properties")
    name = call.text("name") or properties.text("title") or properties.text("url")
    return _event("screen_view", {"screen_name": name or call.text("type")}, call)


def _nothing(_: _Call) -> None:
    """Return no event: the call only says who the user is."""


def _event(kind: str, data: dict[str, Any], call: _Call) -> dict[str, Any]:
    properties, message_id = call.any_object("properties").fields, call.label("messageId")
    if properties:
        data = {**data, "custom_attributes": properties}
    if message_id:
        data = {**data, "source_message_id": message_id}
    return {"event_type": kind, "data": data}


def _stamped(event: dict[str, Any], time_ms: int | None) -> dict[str, Any]:
    if time_ms is None:
        return event
    return {**event, "data": {**event["data"], "timestamp_unixtime_ms": time_ms}}


_EVENTS: Final[Mapping[str, Callable[[_Call], dict[str, Any] | None]]] = MappingProxyType(
    {
        "identify": _nothing,
        "track": _track,
        "page": _view,
        "screen": _view,
        "group": _nothing,
        "alias": _nothing,
    }
)
"""What makes the event of a call, by the call's type."""

"""Segment's calls as event batches (docs/messages.md, "Segment's messages").

Names are read in camelCase and in snake_case. The result is read like any other batch, so a
Segment user can point an existing stream at an input.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Raw

from processor.codecs.envelope import Fields, open_object
from processor.codecs.fault import Fault

_NULL: Final = Raw(b"null")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DEVICES: Final = MappingProxyType({"ios": "ios", "android": "android"})
_PLACED: Final = frozenset({"properties", "traits"})
"""Fields of a call that have a place of their own in the batch; the others become ``segment``."""

_encode = msgspec.json.Encoder().encode
_decode_map = msgspec.json.Decoder(dict[str, Raw] | None).decode
_decode_maps = msgspec.json.Decoder(list[dict[str, Raw]] | None).decode
_decode_any = msgspec.json.Decoder().decode


def open_segment(value: bytes | None, max_bytes: int) -> Fields:
    """Return the fields of the batch that a call makes, or raise Fault."""
    call = _Call(open_object(value, max_bytes))
    kind = call.text("type")
    make = _EVENTS.get(kind)
    if make is None:
        raise Fault("type: must be identify, track, page, screen, group or alias")
    time_ms = _time_ms(call)
    event = make(call)
    batch: dict[str, Any] = {
        "environment": call.get("environment") or "production",
        "source_request_id": call.text("messageId") or None,
        "timestamp_unixtime_ms": time_ms,
        "user_identities": {} if kind == "alias" else _identities(call),
        "user_attributes": _attributes(call) if kind == "identify" else {},
        "events": [] if event is None else [_stamped(event, time_ms)],
        "segment": {name: raw for name, raw in call.fields.items() if name not in _PLACED},
    }
    return {name: Raw(_encode(one)) for name, one in batch.items() if one is not None}


class _Call:
    """A call, or an object within one; its fields may be spelt in either case."""

    def __init__(self, fields: Mapping[str, Raw], path: str = "") -> None:
        self.fields = fields
        self._path = path

    def get(self, name: str) -> Raw | None:
        """Return the field *name*, given in camelCase; None where it is missing or null."""
        raw = self.fields.get(name)
        if raw is None:
            raw = self.fields.get(_snake(name))
        return None if raw is None or raw == _NULL else raw

    def text(self, name: str) -> str:
        """Return the text in a field, '' where there is none."""
        raw = self.get(name)
        value = None if raw is None else _decode_any(raw)
        return value if isinstance(value, str) else ""

    def object(self, name: str) -> "_Call":
        """Return the object in a field, an empty one where there is none."""
        raw = self.get(name)
        if raw is None:
            return _Call({})
        path = f"{self._path}.{name}" if self._path else name
        try:
            return _Call(_decode_map(raw) or {}, path)
        except msgspec.ValidationError:
            raise Fault(f"{path}: must be an object") from None

    def objects(self, name: str) -> "list[_Call]":
        """Return the objects of a list in a field."""
        raw = self.get(name)
        try:
            return [_Call(one) for one in (_decode_maps(raw) if raw is not None else None) or ()]
        except msgspec.ValidationError:
            raise Fault(f"{self._path}.{name}: must be a list of objects") from None


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _identities(call: _Call) -> dict[str, list[Raw]]:
    """Return the identifiers of a call by Segment's names for them."""
    found: dict[str, list[Raw]] = {}
    for name, raw in _named(call):
        if raw is not None and raw not in found.setdefault(name, []):
            found[name].append(raw)
    return found


def _named(call: _Call) -> Iterator[tuple[str, Raw | None]]:
    context = call.object("context")
    yield "user_id", call.get("userId")
    yield "anonymous_id", call.get("anonymousId")
    yield "group_id", call.get("groupId")
    if call.text("type") != "group":  # whose traits are the group's, as an info@ address is
        yield "email", call.object("traits").get("email")
    yield "email", context.object("traits").get("email")
    yield "cross_domain_id", call.get("crossDomainId")
    yield "cross_domain_id", context.get("crossDomainId")
    for holder in (context, call):
        yield (
            "ga_client_id",
            holder.object("integrations").object("Google Analytics").get("clientId"),
        )
    yield from _device(context.object("device"))
    for external in context.objects("externalIds"):
        if external.text("collection") in {"", "users"} and external.text("type"):
            yield external.text("type"), external.get("id")


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
    attributes: dict[str, Any] = {}
    for name, raw in call.object("traits").fields.items():
        value = _decode_any(raw) if bytes(raw)[:1] in (b"[", b"{") else None
        is_nested = isinstance(value, dict) or (
            isinstance(value, list) and any(isinstance(entry, list | dict) for entry in value)
        )
        attributes[name] = bytes(raw).decode() if is_nested else raw
    return attributes


def _time_ms(call: _Call) -> int | None:
    """Return the time of a call; None where it has none."""
    for name in ("timestamp", "originalTimestamp"):
        raw = call.get(name)
        value = None if raw is None else _decode_any(raw)
        if value not in (None, ""):
            return _milliseconds(value)
    return None


def _milliseconds(value: object) -> int:
    try:
        time = datetime.fromisoformat(value.upper())  # type: ignore[attr-defined]  # as caught below
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        return max((time - _EPOCH) // timedelta(milliseconds=1), 0)
    except (AttributeError, ValueError, OverflowError):
        raise Fault("timestamp: must be a time in ISO 8601") from None


def _track(call: _Call) -> dict[str, Any]:
    name = call.text("event")
    if not name:
        raise Fault("event: is required, the name of what was done")
    data = {"event_name": name, "custom_event_type": "other"}
    return _event("custom_event", data, call)


def _view(call: _Call) -> dict[str, Any]:
    properties = call.object("properties")
    name = call.text("name") or properties.text("title") or properties.text("url")
    return _event("screen_view", {"screen_name": name or call.text("type")}, call)


def _nothing(_: _Call) -> None:
    """Return no event: the call only says who the user is."""


def _event(kind: str, data: dict[str, Any], call: _Call) -> dict[str, Any]:
    properties, message_id = call.object("properties").fields, call.text("messageId")
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

"""What is left of a batch with odd values: those that decide nothing are left out and noted.

Only for batches that do not fit their types. What decides who is meant, where a batch belongs and
what was consented to is not touched here, so it stays a fault.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Raw

from processor.codecs.envelope import Fields
from processor.codecs.moment import milliseconds_of
from processor.records import Ignored

_EMPTY: Final = frozenset({b"[]", b"{}", b'""'})
"""What languages write for an empty object or list of either kind (PHP has one type for both)."""
_BLANKS: Final = b" \t\r\n"
_SHORT: Final = 16

_encode = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode
_decode_map = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_time = msgspec.json.Decoder(int | float | None).decode
_decode_text = msgspec.json.Decoder(str | None).decode


def is_empty(raw: Raw) -> bool:
    """Whether *raw* is an empty list, object or text, which stands for none where one is meant."""
    text = bytes(raw)
    return len(text) < _SHORT and text.translate(None, _BLANKS) in _EMPTY


class Repair:
    """Goes through the fields of one batch and notes what it leaves out."""

    def __init__(self, fields: Fields) -> None:
        self.fields = dict(fields)
        """The batch without odd values, to be sent on; the bytes of its events as they came."""
        self.heads: Raw | None = None
        """What is read of the events."""
        self.ignored: list[Ignored] = []
        for name, repair in _REPAIRS.items():
            raw = fields.get(name)
            if raw is not None:
                self._mend(name, raw, repair)

    def read(self) -> Fields:
        """Return the fields as they are to be read."""
        return self.fields if self.heads is None else {**self.fields, "events": self.heads}

    def note(self, field: str, reason: str, name: str = "") -> None:
        """Note that a value is left out."""
        self.ignored.append(Ignored(field, reason, name))

    def _mend(self, name: str, raw: Raw, repair: "Mend") -> None:
        mended = repair(self, raw)
        if mended is None:
            del self.fields[name]
        elif mended is not raw:
            self.fields[name] = mended


Mend = Callable[[Repair, Raw], Raw | None]
"""Returns the value as it is to be read: itself where it is right, None where it is left out."""


def _object(name: str) -> Mend:
    """Return the mend that leaves out an empty value of another type; an empty object is right."""

    def mend(repair: Repair, raw: Raw) -> Raw | None:
        if bytes(raw)[:1] == b"{" or not is_empty(raw):
            return raw
        repair.note(name, "type")
        return None

    return mend


def _events(repair: Repair, raw: Raw) -> Raw | None:
    if is_empty(raw) and bytes(raw)[:1] != b"[":
        repair.note("events", "type")
        return None
    try:
        events = _decode_list(raw)
    except msgspec.ValidationError:
        return raw
    repair.heads = Raw(_encode([_head(repair, event) for event in events]))
    return raw


def _head(repair: Repair, raw: Raw) -> Raw | dict[str, Any]:
    """Return the fields of an event that are read; what is no object comes back as it is."""
    try:
        event = _decode_map(raw)
    except msgspec.ValidationError:
        return raw
    head: dict[str, Any] = {name: event[name] for name in ("event_type",) if name in event}
    data = event.get("data")
    if data is None:
        return head
    try:
        found = _decode_map(data)
    except msgspec.ValidationError:
        if bytes(data) != b"null":
            repair.note("events[...].data", "type")
        return head
    read: dict[str, Raw] = {}
    time = found.get("timestamp_unixtime_ms")
    if time is not None:
        mended = as_milliseconds(time, "events[...].data.timestamp_unixtime_ms", repair.ignored)
        read["timestamp_unixtime_ms"] = Raw(b"null") if mended is None else mended
    kind = found.get("custom_event_type")
    if kind is not None:
        read["custom_event_type"] = _text(repair, kind, "events[...].data.custom_event_type")
    return {**head, "data": read}


def _text(repair: Repair, raw: Raw, field: str) -> Raw:
    try:
        _decode_text(raw)
    except msgspec.ValidationError:
        repair.note(field, "type")
        return Raw(b"null")
    return raw


def as_milliseconds(raw: Raw, field: str, ignored: list[Ignored]) -> Raw | None:
    """Return a time as a number of milliseconds; None, noted in *ignored*, where it is none."""
    try:
        _decode_time(raw)
    except msgspec.ValidationError:
        pass
    else:
        return raw
    try:
        time_ms = milliseconds_of(_decode_text(raw))
    except msgspec.ValidationError:
        time_ms = None
    if time_ms is None:
        ignored.append(Ignored(field, "time"))
        return None
    return Raw(b"%d" % time_ms)


def _batch_time(repair: Repair, raw: Raw) -> Raw | None:
    return as_milliseconds(raw, "timestamp_unixtime_ms", repair.ignored)


def _attributes(repair: Repair, raw: Raw) -> Raw | None:
    raw_or_none = _object("user_attributes")(repair, raw)
    try:
        values = _decode_map(raw_or_none or b"{}")
    except msgspec.ValidationError:
        return raw_or_none
    odd = [name for name, value in values.items() if is_nested(value)]
    for name in odd:
        repair.note("user_attributes[...]", "type", name)
        del values[name]
    return Raw(_encode(values)) if odd else raw_or_none


def is_nested(raw: Raw) -> bool:
    """Whether *raw* is an object, or a list that holds objects or lists."""
    first = bytes(raw)[:1]
    if first == b"[":
        return any(bytes(entry)[:1] in (b"[", b"{") for entry in _decode_list(raw))
    return first == b"{"


def _deleted(repair: Repair, raw: Raw) -> Raw | None:
    """Keep those names to delete that are text."""
    try:
        names = _decode_list(raw)
    except msgspec.ValidationError:
        if bytes(raw) == b"null":
            return raw
        repair.note("deleted_user_attributes", "type")
        return None
    kept = [name for name in names if bytes(name)[:1] == b'"']
    if len(kept) < len(names):
        repair.note("deleted_user_attributes[...]", "type")
        return Raw(_encode(kept))
    return raw


def _request_id(repair: Repair, raw: Raw) -> Raw | None:
    """Keep text, and numbers as their text."""
    text = bytes(raw)
    if text[:1] in (b'"', b"n"):
        return raw
    if text[:1].isdigit() or text[:1] == b"-":
        return Raw(b'"%b"' % text)
    repair.note("source_request_id", "type")
    return None


def _consent(repair: Repair, raw: Raw) -> Raw | None:
    """Leave out empty values where an object is meant, and facts of an answer that are nested."""
    regulations = _objects(repair, raw, "consent_state")
    if regulations is None:
        return None if is_empty(raw) else raw
    out: dict[str, Any] = {}
    for regulation, one in regulations.items():
        purposes = _objects(repair, one, "consent_state[...]")
        out[regulation] = None if is_empty(one) else one
        if purposes is not None:
            out[regulation] = {n: _answer(repair, entry) for n, entry in purposes.items()}
    return Raw(_encode(out))


def _answer(repair: Repair, raw: Raw) -> Any:  # noqa: ANN401 - any JSON value
    facts = _objects(repair, raw, "consent_state[...][...]")
    if facts is None:
        return None if is_empty(raw) else raw
    nested = [n for n, one in facts.items() if bytes(one)[:1] in (b"[", b"{") and n != "consented"]
    for name in nested:
        repair.note("consent_state[...][...][...]", "type", name)
        del facts[name]
    return facts


def _objects(repair: Repair, raw: Raw, field: str) -> dict[str, Raw] | None:
    try:
        return _decode_map(raw)
    except msgspec.ValidationError:
        if is_empty(raw):
            repair.note(field, "type")
        return None


_REPAIRS: Final[Mapping[str, Mend]] = MappingProxyType(
    {
        "events": _events,
        "timestamp_unixtime_ms": _batch_time,
        "device_info": _object("device_info"),
        "user_attributes": _attributes,
        "deleted_user_attributes": _deleted,
        "consent_state": _consent,
        "source_request_id": _request_id,
    }
)
"""The mend of each field, by its name."""

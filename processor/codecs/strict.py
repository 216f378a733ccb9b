"""Strict validation: batches as mParticle's published JSON Schema wants them (semantics §6, A-27).

Beyond the lenient rules: no unknown field at the top level, in ``device_info`` and in consent, the
fields that each type of event requires, the type of every known field, UUIDs and addresses that are
some. A field that is null counts as missing.
"""

import re
from ipaddress import ip_address
from typing import Final

import msgspec
from msgspec import Raw

from processor.codecs.envelope import Fields
from processor.codecs.fault import Fault
from processor.codecs.json import Opener
from processor.codecs.published import EVENT_DATA, FIELDS, Event

_DECODERS: Final = {name: msgspec.json.Decoder(kind).decode for name, kind in FIELDS.items()}
_EVENTS: Final = {name: msgspec.json.Decoder(kind).decode for name, kind in EVENT_DATA.items()}

_NULL: Final = Raw(b"null")
_AT: Final = re.compile(r" - at `\$([\w.\[\]]*)`$|$", re.ASCII)
_TYPE: Final = re.compile(r"Expected `([a-z0-9 |]+)`, got `([a-z0-9]+)`", re.ASCII)
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`", re.ASCII)


def strictly(opener: Opener) -> Opener:
    """Return *opener* with the strict rules behind it."""

    def opened(value: bytes | None, max_bytes: int) -> Fields:
        fields = opener(value, max_bytes)
        check(fields)
        return fields

    return opened


def check(fields: Fields) -> None:
    """Raise Fault, with the path, where a batch breaks a strict rule."""
    for name, raw in fields.items():
        decode = _DECODERS.get(name)
        if decode is None:
            raise Fault("the batch holds a top-level field that the schema does not know")
        try:
            found = decode(raw)
        except msgspec.ValidationError as error:
            raise _fault(error, name) from None
        if name == "events":
            _check_events(found or [])
        elif name == "ip" and found is not None:
            _check_ip(found)


def _check_events(events: list[Event]) -> None:
    for place, event in enumerate(events):
        path = f"events[{place}]"
        decode = _EVENTS.get(event.event_type)
        if decode is None:
            raise Fault(f"{path}.event_type: is not one of the values allowed here")
        data = b"{}" if event.data == _NULL else event.data
        try:
            decode(data)
        except msgspec.ValidationError as error:
            raise _fault(error, f"{path}.data") from None


def _check_ip(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise Fault("ip: must be an IPv4 or IPv6 address") from None


def _fault(error: msgspec.ValidationError, field: str) -> Fault:
    """Return the fault that *error* found: the path and the rule, nothing of the record."""
    message = str(error)
    at = _AT.search(message)
    path = field + ((at.group(1) or "") if at else "")
    if missing := _MISSING.match(message):
        return Fault(f"{path}.{missing.group(1)}: is required")
    if "matching regex" in message:
        return Fault(f"{path}: must be a UUID")
    if "unknown field" in message:
        return Fault(f"{path}: holds a field that the schema does not know")
    if expected := _TYPE.match(message):
        return Fault(f"{path}: must be {expected.group(1)}, not {expected.group(2)}")
    return Fault(f"{path}: is not one of the values allowed here")

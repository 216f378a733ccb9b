"""Strict validation: batches as mParticle's published JSON Schema wants them (semantics §6).

Beyond the lenient rules: no unknown field in the objects that are closed there, the fields that
each type of event requires, the type of every known field, UUIDs and addresses that are some. What
that schema takes is taken; where it is silent, so are we. An outgoing batch is taken as well if the
batch it comes of was: outputs can be fed back in (docs/messages.md "Strict validation").
"""

import re
from ipaddress import ip_address
from typing import Any, Final

import msgspec
from msgspec import Raw

from processor.codecs.envelope import Fields, Opener
from processor.codecs.fault import Fault, missing, not_allowed
from processor.codecs.strict.published import FIELDS, Event
from processor.codecs.strict.published_events import EVENT_DATA

_Decoder = msgspec.json.Decoder[Any]

_DECODERS: Final[dict[str, _Decoder]] = {
    name: msgspec.json.Decoder(kind) for name, kind in FIELDS.items()
}
_EVENTS: Final[dict[str, _Decoder]] = {
    name: msgspec.json.Decoder(kind) for name, kind in EVENT_DATA.items()
}

_AT: Final = re.compile(r".* - at `\$\[\.\.\.\]([\w.\[\]]*)`\Z", re.ASCII | re.DOTALL)
_TYPE: Final = re.compile(r"Expected `([a-z0-9 |]+)`, got `([a-z0-9]+)`", re.ASCII)


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
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise Fault("the batch holds a top-level field that the schema does not know")
        found = _read(decoder, raw, name)
        if name == "events":
            _check_events(found or [])
        elif name == "ip" and found is not None:
            _check_ip(found)


def _check_events(events: list[Event]) -> None:
    for place, event in enumerate(events):
        path = f"events[{place}]"
        decoder = _EVENTS.get(event.event_type)
        if decoder is None:
            raise not_allowed(f"{path}.event_type")
        _read(decoder, event.data, f"{path}.data")


def _check_ip(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise Fault("ip: must be an IPv4 or IPv6 address") from None


def _read(decoder: _Decoder, raw: Raw, path: str) -> Any:  # noqa: ANN401 - what is decoded
    """Return the value, or raise the Fault that says what is wrong with it.

    The library's message quotes names of unknown fields, and says where only below the top. So what
    is wrong is read once more, one level down: what the message ends with is then always its own.
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.json.decode(b'{"":%b}' % bytes(raw), type=dict[str, decoder.type])  # type: ignore[name-defined]
    except msgspec.ValidationError as error:
        raise _fault(str(error), path) from None


def _fault(message: str, path: str) -> Fault:
    """Return the fault that *message* tells of: the path and the rule, nothing of the record."""
    at = _AT.match(message)
    path += at.group(1) if at else ""
    if fault := missing(message, path):
        return fault
    if message.startswith("Object contains unknown field"):
        return Fault(f"{path}: holds a field that the schema does not know")
    if message.startswith("Expected `str` matching regex"):
        return Fault(f"{path}: must be a UUID")
    if expected := _TYPE.match(message):
        return Fault(f"{path}: must be {expected.group(1)}, not {expected.group(2)}")
    return not_allowed(path)

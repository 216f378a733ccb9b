"""Strict validation: batches must be what mParticle's published JSON Schema says.

The rules beyond the lenient ones are in (docs/messages.md, "Strict validation"). An output whose
input batch was accepted is accepted too, so that outputs can be fed back in.
"""

import re
from ipaddress import ip_address
from typing import Any, Final

import msgspec
from msgspec import Raw

from processor.codecs.envelope import Fields, Opener
from processor.codecs.fault import Fault, is_missing, not_allowed, types_in_words
from processor.codecs.mismatch import Mismatch, mismatch_of
from processor.codecs.nearness import hint, ordinal
from processor.codecs.strict.published import FIELDS, Event
from processor.codecs.strict.published_events import EVENT_DATA

_Decoder = msgspec.json.Decoder[Any]

_DECODERS: Final[dict[str, _Decoder]] = {
    name: msgspec.json.Decoder(kind) for name, kind in FIELDS.items()
}
_EVENTS: Final[dict[str, _Decoder]] = {
    name: msgspec.json.Decoder(kind) for name, kind in EVENT_DATA.items()
}

_VALUES: Final = re.compile(r"A\(\?:([\w|]+)\)", re.ASCII)
"""The values in a pattern of ``published_events.exactly``."""


def strictly(opener: Opener) -> Opener:
    """Return *opener* with the strict rules behind it."""

    def opened(value: bytes | None, max_bytes: int) -> Fields:
        fields = opener(value, max_bytes)
        check(fields)
        return fields

    return opened


def check(fields: Fields) -> None:
    """Raise Fault, with the path, where a batch breaks a strict rule."""
    for place, (name, raw) in enumerate(fields.items(), 1):
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise _unknown(name, place)

        found = _read(decoder, raw, name)
        if name == "events":
            _check_events(found or [])
        elif name == "ip" and found is not None:
            _check_ip(found)


def _unknown(name: str, place: int) -> Fault:
    meant = hint(name, FIELDS)
    return Fault(f"the batch: the schema does not know its {ordinal(place)} field{meant}")


def _check_events(events: list[Event]) -> None:
    for place, event in enumerate(events):
        path = f"events[{place}]"
        decoder = _EVENTS.get(event.event_type)
        if decoder is None:
            raise not_allowed(f"{path}.event_type", _EVENTS)
        _read(decoder, event.data, f"{path}.data")


def _check_ip(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise Fault("ip: must be an IPv4 or IPv6 address") from None


def _read(decoder: _Decoder, raw: Raw, path: str) -> Any:  # noqa: ANN401 - what is decoded
    """Return the value; raise the Fault of one that does not fit.

    A message about the top of a value ends with no place, but with data that may look like one. So
    a value that does not fit is read again as the entry of a map: then every message ends with a
    place, which begins with ``[...]``.
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.json.decode(b'{"":%b}' % bytes(raw), type=dict[str, decoder.type])  # type: ignore[name-defined]
    except msgspec.ValidationError as error:
        raise _fault(mismatch_of(error), path) from None


def _fault(found: Mismatch, path: str) -> Fault:
    """Return the fault of the value at *path*: place and rule, nothing of the record."""
    path += found.path.removeprefix("[...]")
    if found.missing is not None:
        return is_missing(path, found.missing)
    if found.unknown is not None:
        return Fault(f"{path}: holds a field that the schema does not know")
    expected = found.expected
    if expected is not None and expected.pattern is not None:
        return _no_match(path, expected.pattern)
    if expected is not None and expected.got is not None:
        return Fault(f"{path}: must be {types_in_words(expected)}")
    return not_allowed(path)


def _no_match(path: str, pattern: str) -> Fault:
    """Return the fault of text that does not match *pattern*: an enumeration's, or one of ids."""
    values = _VALUES.search(pattern)
    if values is not None:
        return not_allowed(path, values[1].split("|"))
    return Fault(f"{path}: must be {'a UUID' if 'a-f' in pattern else 'decimal digits'}")

"""JSON values that keep what they said.

A number that 64 bits cannot hold becomes its text, never another number.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

from processor.codecs.fault import Fault

MAX_NAME: Final = 256
MAX_TEXT: Final = 4096
MAX_ENTRIES: Final = 1000
MAX_ENTRY_TEXT: Final = 512

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Scalar = Int64 | float | str | bool | None
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
_EntryText = Annotated[str, Meta(max_length=MAX_ENTRY_TEXT)]
_Entries = Annotated[list[Int64 | float | _EntryText | bool | None], Meta(max_length=MAX_ENTRIES)]
Value = Int64 | float | Text | bool | _Entries | None
"""A user attribute within the limits of semantics §9.7."""

_decode_string = msgspec.json.Decoder(str).decode
_decode_scalar = msgspec.json.Decoder(Scalar).decode
_decode_value = msgspec.json.Decoder(Value).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_map = msgspec.json.Decoder(dict[str, Raw]).decode

_QUOTE, _LIST, _MAP = b'"', b"[", b"{"


class OverLimit(Exception):
    """A value is over a limit of semantics §9.7: it is not set, the rest of the record goes on."""


def text_of(raw: Raw, field: str) -> str:
    """Return an identity value as text: a number or boolean as its JSON text, null as ''."""
    data = bytes(raw)
    first = data[:1]
    if first == _QUOTE:
        return _decode_string(data)
    if first in (_LIST, _MAP):
        raise Fault(f"{field}: an identity must be text, a number, true, false or null")
    return "" if data == b"null" else data.decode()


def list_of(raw: Raw) -> list[Raw] | None:
    """Return the entries of *raw* if it is a list."""
    return _decode_list(raw) if bytes(raw)[:1] == _LIST else None


def scalar_of(raw: Raw) -> Scalar:
    """Return the value of *raw*, which is no list and no object."""
    try:
        value: Scalar = _decode_scalar(raw)
    except msgspec.ValidationError:
        return bytes(raw).decode()
    return value


def attribute_of(raw: Raw, field: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a user attribute; OverLimit if it is too long, Fault if an object."""
    try:
        return _decode_value(raw)
    except msgspec.ValidationError:
        pass
    entries = list_of(raw)
    if entries is None:
        return _bounded(raw, MAX_TEXT, field)
    if len(entries) > MAX_ENTRIES:
        raise OverLimit
    return [_bounded(entry, MAX_ENTRY_TEXT, field) for entry in entries]


def exact(raw: Raw) -> Any:  # noqa: ANN401 - any JSON value
    """Return any JSON value, its large numbers as text."""
    first = bytes(raw)[:1]
    if first == _LIST:
        return [exact(entry) for entry in _decode_list(raw)]
    if first == _MAP:
        return {name: exact(entry) for name, entry in _decode_map(raw).items()}
    return scalar_of(raw)


def _bounded(raw: Raw, most: int, field: str) -> Scalar:
    if bytes(raw)[:1] in (_LIST, _MAP):
        raise Fault(f"{field}: an attribute must be a scalar or a list of scalars")
    value = scalar_of(raw)
    if isinstance(value, str) and len(value) > most:
        raise OverLimit
    return value

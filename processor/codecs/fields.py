"""JSON values that keep what they said.

A number that 64 bits cannot hold becomes its text, never another number.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from processor.codecs.envelope import Fields
from processor.codecs.fault import Fault, fault_of
from processor.identity.model import Environment, Identifier
from processor.identity.types import DEVICE_INFO_KEYS, MP_DEVICEID_TYPE

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


_Time = int | float | None


_decode_environment = msgspec.json.Decoder(Environment | None).decode


_decode_time = msgspec.json.Decoder(_Time).decode


def _field(fields: Fields, name: str, decode: Callable[[Raw], Any]) -> Any:  # noqa: ANN401 - as *decode* says
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, name) from None


def environment_of(fields: Fields) -> Environment | None:
    """Return the environment that a record names, None where it names none."""
    raw = fields.get("environment")
    if raw is None:
        return None
    try:
        environment: Environment | None = _decode_environment(raw)
    except msgspec.ValidationError:
        raise Fault("environment: must be production or development") from None
    return environment


def time_of(fields: Fields, field: str) -> int | None:
    """Return the time in *field*; one before 1970 counts as 1970."""
    value: _Time = _field(fields, field, _decode_time)
    return None if value is None else max(int(value), 0)


MAX_IDENTIFIERS: Final = 1000
"""Identifiers of one record that are looked up; more are over the limit, once for each type."""


OverLimits = tuple[tuple[Identifier, str], ...]


_MPID: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)


_DEVICE_KEYS: Final = tuple(DEVICE_INFO_KEYS.items())


_decode_texts = msgspec.json.Decoder(dict[str, Text]).decode


_decode_map = msgspec.json.Decoder(dict[str, Raw] | None).decode


_decode_mpid = msgspec.json.Decoder(int | str | None).decode


class _Listed(Struct):
    """An identity in the form that outputs have (semantics §7.3)."""

    identity_type: str
    identity: Raw


_decode_listed = msgspec.json.Decoder(list[_Listed]).decode


class Gathered:
    """Collects a record's identifiers within the limits, in payload order.

    Of several values of a type the last one counts, as of duplicate keys, unless *lists* of values
    are allowed (flat matching).
    """

    __slots__ = ("_kept", "_over", "lists")

    def __init__(self, *, lists: bool) -> None:
        self.lists = lists
        self._kept: dict[Identifier | str, Identifier] = {}
        self._over: dict[str, Identifier] = {}

    def add(self, identifier: Identifier) -> None:
        """Note an identifier; no value is no identifier."""
        identity_type, value = identifier
        if not value:
            return
        if len(value) > MAX_TEXT or len(self._kept) >= MAX_IDENTIFIERS:
            self._over[identity_type] = identifier
        elif self.lists:
            self._kept[identifier] = identifier
        else:
            self._kept[identity_type] = identifier

    def identifiers(self) -> tuple[Identifier, ...]:
        """Return what was kept."""
        return tuple(self._kept.values())

    def over_limit(self) -> OverLimits:
        """Return what was left out, one of each type."""
        if not self._over:
            return ()
        return tuple((identifier, "bound") for identifier in self._over.values())


def gather(into: Gathered, raw: Raw, names: Mapping[str, str], field: str) -> None:
    """Add the identities of *raw*, an object, whose names are in *names*.

    An unknown name is a Fault, but ignored where lists are allowed: both belong to flat matching.
    """
    try:
        texts = _decode_texts(raw)
    except msgspec.ValidationError:
        pass
    else:
        gather_texts(into, texts, names, field)
        return
    try:
        values = _decode_map(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, field) from None
    for name, value in (values or {}).items():
        _add(into, names.get(name), value, field)


def gather_texts(
    into: Gathered, texts: Mapping[str, str], names: Mapping[str, str], field: str
) -> None:
    """Do what ``gather`` does for identities that are all text within its limits."""
    for name, value in texts.items():
        identity_type = names.get(name)
        if identity_type is not None:
            into.add(Identifier(identity_type, value))
        elif not into.lists:
            raise _unknown(field)


def gather_any_form(into: Gathered, raw: Raw, names: Mapping[str, str], field: str) -> None:
    """Do what ``gather`` does, also for the array that outgoing batches have."""
    if bytes(raw)[:1] != b"[":
        gather(into, raw, names, field)
        return
    try:
        listed = _decode_listed(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, field) from None
    for one in listed:
        _add(into, names.get(one.identity_type), one.identity, field)


def device_identifiers(info: Mapping[str, Any] | None, stamp: Raw | None) -> list[Identifier]:
    """Return the ids of a batch's device: those of ``device_info``, then ``mp_deviceid``."""
    found = []
    if info:
        for key, identity_type in _DEVICE_KEYS:
            if key in info:
                value = info[key]
                text = value if isinstance(value, str) else _device_text(key, value)
                if text:
                    found.append(Identifier(identity_type, text))
    if stamp is not None and (text := text_of(stamp, "mp_deviceid")):
        found.append(Identifier(MP_DEVICEID_TYPE, text))
    return found


def mpid_of(raw: Raw | None, field: str) -> int | None:
    """Return an MPID, given as integer or decimal text; 0 and null stand for none."""
    if raw is None:
        return None
    try:
        value = _decode_mpid(raw)
    except msgspec.ValidationError:
        raise _no_mpid(field) from None
    if isinstance(value, str):
        if not _MPID.fullmatch(value):
            raise _no_mpid(field)
        value = int(value)
    if value is not None and not -(2**63) <= value < 2**63:
        raise _no_mpid(field)
    return value or None


def _add(into: Gathered, identity_type: str | None, raw: Raw, field: str) -> None:
    if identity_type is None:
        if not into.lists:
            raise _unknown(field)
        return
    entries = list_of(raw) if into.lists else None
    for entry in (raw,) if entries is None else entries:
        into.add(Identifier(identity_type, text_of(entry, field)))


def _device_text(key: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None:
        return ""
    if isinstance(value, list | dict):
        raise Fault(f"device_info.{key}: an identity must be text, a number, true, false or null")
    return msgspec.json.encode(value).decode()


def _unknown(field: str) -> Fault:
    return Fault(f"{field}: holds a key that is no identity type", "unknown_identity_type")


def _no_mpid(field: str) -> Fault:
    return Fault(f"{field}: must be a signed integer of 64 bits, as a number or as decimal text")

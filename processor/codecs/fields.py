"""Fields that batches and requests share: identifiers, values, times, environments, MPIDs.

Values keep what they said: a number that 64 bits cannot hold becomes its text, never another
number. Limits are those of the published interface (docs/configuration.md, "[limits]").
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from processor.codecs.envelope import Fields
from processor.codecs.fault import Fault, fault_of
from processor.codecs.nearness import hint, ordinal
from processor.codecs.repair import is_empty
from processor.identity.model import Environment, Identifier
from processor.identity.types import DEVICE_INFO_KEYS, MP_DEVICEID_TYPE

MAX_NAME: Final = 256
MAX_TEXT: Final = 4096
MAX_ENTRIES: Final = 1000
MAX_ENTRY_TEXT: Final = 512
MAX_IDENTIFIERS: Final = 1000
"""Identifiers of one record that are looked up."""

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Scalar = Int64 | float | str | bool | None
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
_EntryText = Annotated[str, Meta(max_length=MAX_ENTRY_TEXT)]
_Entries = Annotated[list[Int64 | float | _EntryText | bool | None], Meta(max_length=MAX_ENTRIES)]
Value = Int64 | float | Text | bool | _Entries | None
"""The value of a user attribute, within the limits."""
Time = int | float | None
"""Milliseconds since 1970."""


class _Entry(Struct):
    """An identity as an entry of the array that outgoing batches have."""

    identity_type: str
    identity: Raw


_decode_environment = msgspec.json.Decoder(Environment | None).decode
_decode_time = msgspec.json.Decoder(Time).decode
_decode_mpid = msgspec.json.Decoder(int | str | None).decode
_decode_string = msgspec.json.Decoder(str).decode
_decode_texts = msgspec.json.Decoder(dict[str, Text]).decode
_decode_entries = msgspec.json.Decoder(list[_Entry]).decode
_decode_scalar = msgspec.json.Decoder(Scalar).decode
_decode_value = msgspec.json.Decoder(Value).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_map = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_map_or_null = msgspec.json.Decoder(dict[str, Raw] | None).decode

_QUOTE, _LIST, _MAP = b'"', b"[", b"{"
_MPID: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_DEVICE_KEYS: Final = tuple(DEVICE_INFO_KEYS.items())


def read_field(
    fields: Fields,
    name: str,
    decode: Callable[[Raw], Any],
    allowed: Mapping[str, Iterable[str]] = MappingProxyType({}),
) -> Any:  # noqa: ANN401 - as *decode* says
    """Return what *decode* makes of a field, None where it is missing; Fault if it does not fit.

    *allowed* are the values of enumerations in it, by the name of their field.
    """
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, name, allowed) from None


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


def time_of(fields: Fields, name: str) -> int | None:
    """Return the time in a field, None where there is none; one before 1970 counts as 1970."""
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        value = _decode_time(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, name) from None
    return None if value is None else max(int(value), 0)


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


def _no_mpid(field: str) -> Fault:
    return Fault(f"{field}: must be a signed integer of 64 bits, as a number or as decimal text")


class Identifiers:
    """Collects a record's identifiers, in payload order and within the limits.

    *names* gives the type of each name that a record may use; any other is a Fault. Of several
    values of a type the last one counts, as of duplicate keys. With *is_literal* (flat matching)
    other names are ignored, and a type may have a list of values, all of which count.
    """

    __slots__ = ("_field", "_is_literal", "_kept", "_names", "_over")

    def __init__(self, names: Mapping[str, str], field: str, *, is_literal: bool) -> None:
        self._names = names
        self._field = field
        self._is_literal = is_literal
        self._kept: dict[Identifier | str, Identifier] = {}
        self._over: dict[str, Identifier] = {}

    def add_texts(self, texts: Mapping[str, str]) -> None:
        """Add an object's identities, all of them text."""
        for name, value in texts.items():
            identity_type = self._names.get(name)
            if identity_type is not None:
                self.add(Identifier(identity_type, value))
            elif not self._is_literal:
                raise self._unknown(name, list(texts).index(name) + 1)

    def add_object(self, raw: Raw) -> None:
        """Add the identities of *raw*, an object."""
        try:
            texts = _decode_texts(raw)
        except msgspec.ValidationError:
            pass
        else:
            self.add_texts(texts)
            return
        try:
            values = {} if is_empty(raw) else _decode_map_or_null(raw)
        except msgspec.ValidationError as error:
            raise fault_of(error, self._field) from None
        for place, (name, value) in enumerate((values or {}).items(), 1):
            self._add_value(name, value, place)

    def add_object_or_entries(self, raw: Raw) -> None:
        """Add the identities of *raw*: an object, or the array that outgoing batches have."""
        if bytes(raw)[:1] != _LIST:
            self.add_object(raw)
            return
        try:
            entries = _decode_entries(raw)
        except msgspec.ValidationError as error:
            raise fault_of(error, self._field) from None
        for place, entry in enumerate(entries, 1):
            self._add_value(entry.identity_type, entry.identity, place)

    def add_device(self, identifiers: list[Identifier]) -> None:
        """Add what ``device_identifiers`` found; where names are literal, only types among them."""
        for identifier in identifiers:
            if not self._is_literal or identifier.identity_type in self._names:
                self.add(identifier)

    def add(self, identifier: Identifier) -> None:
        """Add one identifier; an empty value is none."""
        identity_type, value = identifier
        if not value:
            return
        if len(value) > MAX_TEXT or len(self._kept) >= MAX_IDENTIFIERS:
            self._over[identity_type] = identifier
        elif self._is_literal:
            self._kept[identifier] = identifier
        else:
            self._kept[identity_type] = identifier

    def has_any(self) -> bool:
        """Whether there is any identifier, be it within the limits or not."""
        return bool(self._kept or self._over)

    def within_limits(self) -> tuple[Identifier, ...]:
        """Return the identifiers that are within the limits."""
        return tuple(self._kept.values())

    def over_limit(self) -> tuple[tuple[Identifier, str], ...]:
        """Return the last identifier of each type that is over a limit, with ``bound``."""
        if not self._over:
            return ()
        return tuple((identifier, "bound") for identifier in self._over.values())

    def _add_value(self, name: str, raw: Raw, place: int) -> None:
        identity_type = self._names.get(name)
        if identity_type is None:
            if not self._is_literal:
                raise self._unknown(name, place)
            return
        entries = list_of(raw) if self._is_literal else None
        for entry in (raw,) if entries is None else entries:
            self.add(Identifier(identity_type, text_of(entry, f"{self._field}.{name}")))

    def _unknown(self, name: str, place: int) -> Fault:
        meant = hint(name, self._names)
        detail = f"{self._field}: its {ordinal(place)} key is no identity type{meant}"
        return Fault(detail, "unknown_identity_type")


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


def _device_text(key: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None:
        return ""
    if isinstance(value, list | dict):
        raise _no_text(f"device_info.{key}")
    return msgspec.json.encode(value).decode()


def text_of(raw: Raw, field: str) -> str:
    """Return an identity value as text: a number or boolean as its JSON text, null as ''."""
    data = bytes(raw)
    first = data[:1]
    if first == _QUOTE:
        return _decode_string(data)
    if first in (_LIST, _MAP):
        raise _no_text(field)
    return "" if data == b"null" else data.decode()


def _no_text(field: str) -> Fault:
    return Fault(f"{field}: an identity must be text, a number, true, false or null")


def list_of(raw: Raw) -> list[Raw] | None:
    """Return the entries of *raw* if it is a list."""
    return _decode_list(raw) if bytes(raw)[:1] == _LIST else None


class OverLimit(Exception):
    """An attribute is over a limit: it is not set, the rest of the record goes on."""


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


def _bounded(raw: Raw, most: int, field: str) -> Scalar:
    if bytes(raw)[:1] in (_LIST, _MAP):
        raise Fault(f"{field}: an attribute must be a scalar or a list of scalars")
    value = _scalar_of(raw)
    if isinstance(value, str) and len(value) > most:
        raise OverLimit
    return value


def exact(raw: Raw) -> Any:  # noqa: ANN401 - any JSON value
    """Return any JSON value, its large numbers as text."""
    first = bytes(raw)[:1]
    if first == _LIST:
        return [exact(entry) for entry in _decode_list(raw)]
    if first == _MAP:
        return {name: exact(entry) for name, entry in _decode_map(raw).items()}
    return _scalar_of(raw)


def _scalar_of(raw: Raw) -> Scalar:
    """Return the value of *raw*, which is no list and no object."""
    try:
        value: Scalar = _decode_scalar(raw)
    except msgspec.ValidationError:
        return bytes(raw).decode()
    return value

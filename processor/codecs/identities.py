"""Identities as records hold them: names to canonical types, values to text (semantics §1.3)."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from processor.codecs.fault import Fault, fault_of
from processor.codecs.scalar import MAX_TEXT, Text, list_of, text_of
from processor.identity.model import Identifier
from processor.identity.types import DEVICE_INFO_KEYS, MP_DEVICEID_TYPE

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

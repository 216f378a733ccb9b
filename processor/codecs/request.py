"""Identity requests: from top-level fields to a call, or to its error.

What a request holds: (docs/messages.md, "Identity requests").
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from processor.codecs.envelope import Fields, Opener
from processor.codecs.fault import Fault, fault_of
from processor.codecs.fields import (
    MAX_IDENTIFIERS,
    MAX_TEXT,
    Identifiers,
    Int64,
    Text,
    environment_of,
    mpid_of,
    read_field,
    text_of,
    time_of,
)
from processor.codecs.misfit import missing, no_request
from processor.codecs.nearness import hint
from processor.codecs.repair import as_milliseconds
from processor.identity.model import (
    AliasRequest,
    AliasScope,
    Environment,
    Identifier,
    IdentityChange,
)
from processor.identity.types import IdentityKeys
from processor.records import DeadLetter, IdentityCall, Ignored
from processor.rules import Limits

REQUEST_TYPES: Final = frozenset({"identify", "login", "logout", "modify", "search", "alias"})

_NULL: Final = Raw(b"null")


class _Change(Struct):
    """A change of a modify request; all three keys are required."""

    identity_type: str
    old_value: Raw
    new_value: Raw


_decode_text = msgspec.json.Decoder(str).decode
_decode_id = msgspec.json.Decoder(str | int | None).decode
_decode_flag = msgspec.json.Decoder(bool | None).decode
_decode_changes = msgspec.json.Decoder(list[_Change]).decode
_decode_map = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_time = msgspec.json.Decoder(Int64 | None).decode
_decode_scope = msgspec.json.Decoder(AliasScope | None).decode
_decode_stamp = msgspec.json.Decoder(Text | None).decode


def decode_request(
    value: bytes | None, keys: IdentityKeys, limits: Limits, opener: Opener
) -> IdentityCall | DeadLetter:
    """Return the identity request in *value*, or why there is none; never raises.

    A request that breaks a rule is a call with its ``error``: it gets an answer.
    """
    try:
        return read_request(opener(value, limits.max_record_bytes), keys)
    except Fault as fault:
        return DeadLetter(fault.reason, fault.detail)


def read_request(fields: Fields, keys: IdentityKeys) -> IdentityCall:
    """Return the call that *fields* make; a broken rule is its ``error``.

    Fault only without a known ``request_type``: then there is nobody to answer.
    """
    call = IdentityCall(_request_type(fields), environment=None, request_id=None, time_ms=None)
    try:
        ignored: list[Ignored] = []
        call = replace(call, request_id=_request_id(fields, ignored))
        call = replace(call, environment=_environment(fields))
        call = replace(call, time_ms=_time(fields, ignored), ignored=tuple(ignored))
        return _read(call, fields, keys)
    except Fault as fault:
        code = "INVALID_DATA" if call.request_type == "alias" else "BAD_REQUEST"
        return replace(call, error=(400, code, fault.detail))


def _read(call: IdentityCall, fields: Fields, keys: IdentityKeys) -> IdentityCall:
    call = replace(call, read_only=_flag(fields, "read_only"))
    if call.request_type == "alias":
        return replace(call, alias=_read_alias(fields))
    if call.request_type == "modify":
        return _read_modify(call, fields, keys)
    raw = fields.get("known_identities")
    if raw is None or raw == _NULL:
        raise missing("known_identities", fields)
    identifiers = Identifiers(keys.request, "known_identities", is_literal=keys.is_literal)
    identifiers.add_object(raw)
    return replace(
        call,
        previous_mpid=mpid_of(fields.get("previous_mpid"), "previous_mpid"),
        identifiers=identifiers.within_limits(),
        over_limit=identifiers.over_limit(),
    )


def _read_modify(call: IdentityCall, fields: Fields, keys: IdentityKeys) -> IdentityCall:
    mpid = mpid_of(fields.get("mpid"), "mpid")
    if mpid is None:
        raise Fault("mpid: a modify request needs the MPID that it changes")
    raw = fields.get("identity_changes")
    if raw is None:
        raise missing("identity_changes", fields)
    try:
        listed = _decode_changes(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, "identity_changes") from None
    if len(listed) > MAX_IDENTIFIERS:
        raise Fault(f"identity_changes: holds more than {MAX_IDENTIFIERS} changes")
    changes, over = [], []
    for place, one in enumerate(listed):
        change = _change(one, keys, f"identity_changes[{place}]")
        if change is None:
            continue
        if change.new_value is not None and len(change.new_value) > MAX_TEXT:
            over.append((Identifier(change.identity_type, change.new_value), "bound"))
        else:
            changes.append(change)
    return replace(call, mpid=mpid, changes=tuple(changes), over_limit=tuple(over))


def _change(change: _Change, keys: IdentityKeys, field: str) -> IdentityChange | None:
    """Return a change; None where its type is unknown and names are literal."""
    identity_type = keys.request.get(change.identity_type)
    if identity_type is None:
        if keys.is_literal:
            return None
        meant = hint(change.identity_type, keys.request)
        raise Fault(f"{field}.identity_type: is no identity type{meant}")
    old = text_of(change.old_value, f"{field}.old_value") or None
    new = text_of(change.new_value, f"{field}.new_value") or None
    if old is None and new is None:
        raise Fault(f"{field}: old_value and new_value are both empty")
    return IdentityChange(identity_type, old, new)


def _read_alias(fields: Fields) -> AliasRequest:
    """Return what an alias request asks for; no profile is looked up.

    Times may stand beside ``data``, where some SDKs put them.
    """
    try:
        data = _decode_map(fields.get("data", _NULL))
    except msgspec.ValidationError:
        raise Fault("data: must be an object") from None
    source = mpid_of(data.get("source_mpid"), "data.source_mpid")
    destination = mpid_of(data.get("destination_mpid"), "data.destination_mpid")
    if source is None or destination is None:
        missing = "source_mpid" if source is None else "destination_mpid"
        raise Fault(f"data.{missing}: is required")
    if source == destination:
        raise Fault("data: source_mpid and destination_mpid are the same")
    scope: AliasScope = _part(data, "scope", _decode_scope) or "mpid"
    stamp = _part(data, "device_application_stamp", _decode_stamp)
    if scope == "device" and not stamp:
        raise Fault("data.device_application_stamp: is required where scope is device")
    return AliasRequest(
        source,
        destination,
        start_ms=_alias_time(fields, data, "start_unixtime_ms"),
        end_ms=_alias_time(fields, data, "end_unixtime_ms"),
        scope=scope,
        device=stamp if scope == "device" else None,
    )


def _alias_time(fields: Fields, data: Fields, name: str) -> int | None:
    """Return a time of an alias request; one before 1970 counts as 1970."""
    value = _part(data, name, _decode_time)
    if value is None:
        value = read_field(fields, name, _decode_time)
    return None if value is None else max(value, 0)


def _part(data: Fields, name: str, decode: Callable[[Raw], Any]) -> Any:  # noqa: ANN401 - as *decode* says
    """Return what *decode* makes of a field of ``data``, None where it is missing."""
    raw = data.get(name)
    if raw is None:
        return None
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, f"data.{name}") from None


def _request_type(fields: Fields) -> str:
    raw = fields.get("request_type")
    try:
        request_type = "" if raw is None else _decode_text(raw)
    except msgspec.ValidationError:
        request_type = ""
    if request_type not in REQUEST_TYPES:
        raise no_request(fields)
    return request_type


def _request_id(fields: Fields, ignored: list[Ignored]) -> str | None:
    """Return the caller's id of the request, which decides nothing: an odd one is left out."""
    try:
        value = read_field(fields, "request_id", _decode_id)
    except Fault:
        ignored.append(Ignored("request_id", "type"))
        return None
    return None if value is None else str(value)


def _time(fields: Fields, ignored: list[Ignored]) -> int | None:
    raw = fields.get("request_timestamp_ms")
    mended = None if raw is None else as_milliseconds(raw, "request_timestamp_ms", ignored)
    return (
        None
        if mended is None
        else time_of({**fields, "request_timestamp_ms": mended}, "request_timestamp_ms")
    )


def _environment(fields: Fields) -> Environment:
    environment = environment_of(fields)
    if environment is None:
        raise Fault("environment: is required, production or development")
    return environment


def _flag(fields: Fields, name: str) -> bool:
    return bool(read_field(fields, name, _decode_flag))

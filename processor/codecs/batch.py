"""Event batches: from top-level fields to the few that are read.

What a batch holds: (docs/messages.md, "Event batches"). Validation is lenient: event types, and the
types of the fields that decide something; others are left out where they are odd (docs/messages.md,
"Odd values"). All fields that are not read go out as they came.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta, Raw, Struct

from processor.codecs.attribution import attribution_in
from processor.codecs.consent import checked_consent
from processor.codecs.envelope import Fields, Opened, Opener
from processor.codecs.fault import Fault, fault_of
from processor.codecs.fields import (
    MAX_NAME,
    MAX_TEXT,
    Identifiers,
    OverLimit,
    Scalar,
    Text,
    Time,
    Value,
    attribute_of,
    device_identifiers,
    environment_of,
    exact,
    list_of,
    mpid_of,
    read_field,
    time_of,
)
from processor.codecs.misfit import check_batch, check_lost
from processor.codecs.repair import Repair
from processor.identity.model import Environment
from processor.identity.types import IdentityKeys
from processor.records import DeadLetter, EventBatch, EventType, Ignored
from processor.rules import Limits

PlainEventType = Literal[
    "navigation",
    "location",
    "search",
    "transaction",
    "user_content",
    "user_preference",
    "social",
    "other",
    "media",
    "unknown",
]
"""The types of custom events that say nothing of the user."""
_CUSTOM_EVENT_TYPES: Final = frozenset({None, "attribution", *get_args(PlainEventType)})

_ALLOWED: Final = {"event_type": get_args(EventType)}


class _EventData(Struct, gc=False):
    timestamp_unixtime_ms: Time = None
    custom_event_type: str | None = None


class _EventHead(Struct, gc=False):
    """The fields of an event that are read; its bytes go out unchanged."""

    event_type: EventType
    data: _EventData | None = None


class _PlainData(Struct, gc=False):
    timestamp_unixtime_ms: Time = None
    custom_event_type: PlainEventType | None = None


class _PlainHead(Struct, gc=False):
    """The same of an event that writes nothing and is not odd: half the work to decode."""

    event_type: EventType
    data: _PlainData | None = None


class _ChangeData(Struct, gc=False):
    user_attribute_name: Any = None


class _ChangeHead(Struct, gc=False):
    event_type: str
    data: _ChangeData | None = None


_Name = Annotated[str, Meta(max_length=MAX_NAME)]

_Facts = dict[str, Scalar] | None
_Attributes = dict[_Name, Value] | None
_Consent = dict[str, dict[str, dict[str, Scalar] | None] | None] | None


class _Used(Struct, gc=False, frozen=True):
    """The fields of a batch that are read; identities only in their usual form."""

    environment: Environment | None = None
    events: list[_EventHead] | None = None
    timestamp_unixtime_ms: Time = None
    device_info: _Facts = None
    user_attributes: _Attributes = None
    deleted_user_attributes: list[str] | None = None
    consent_state: _Consent = None
    source_request_id: str | None = None
    user_identities: dict[str, Text] | None = None


_encode = msgspec.json.Encoder().encode
_decode_used = msgspec.json.Decoder(_Used).decode
_decode_events = msgspec.json.Decoder(list[_EventHead] | None).decode
_decode_plain = msgspec.json.Decoder(list[_PlainHead] | None).decode
_decode_changes = msgspec.json.Decoder(list[_ChangeHead] | None).decode
_decode_change = msgspec.json.Decoder(_ChangeHead).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_names = msgspec.json.Decoder(list[str] | None).decode
_decode_attributes = msgspec.json.Decoder(_Attributes).decode
_decode_facts = msgspec.json.Decoder(_Facts).decode
_decode_consent = msgspec.json.Decoder(_Consent).decode
_decode_map = msgspec.json.Decoder(dict[str, Raw]).decode


def decode_batch(
    value: bytes | None, keys: IdentityKeys, limits: Limits, opener: Opener
) -> EventBatch | DeadLetter:
    """Return the event batch in *value*, or why there is none; never raises."""
    try:
        return read_batch(opener(value, limits.max_record_bytes), keys)
    except Fault as fault:
        return DeadLetter(fault.reason, fault.detail)


def read_batch(fields: Fields, keys: IdentityKeys) -> EventBatch:
    """Return the batch that *fields* make; Fault if it breaks a rule."""
    check_batch(fields)
    used, bounded, fields, ignored = _used(fields)
    events, info = used.events, used.device_info
    identifiers = Identifiers(keys.batch, "user_identities", is_literal=keys.is_literal)
    if used.user_identities is not None:
        identifiers.add_texts(used.user_identities)
    elif (identities := fields.get("user_identities")) is not None:
        identifiers.add_object_or_entries(identities)
    device_ids = device_identifiers(info, fields.get("mp_deviceid"))
    identifiers.add_device(device_ids)
    mpid = mpid_of(fields.get("mpid"), "mpid")
    if mpid is None and not identifiers.has_any():
        check_lost(fields, keys)
    return EventBatch(
        fields=fields,
        environment=used.environment or "production",
        mpid=mpid,
        identifiers=identifiers.within_limits(),
        has_events=bool(events),
        time_ms=_time(events or (), used.timestamp_unixtime_ms, ignored),
        source_request_id=used.source_request_id or None,
        user_attributes=used.user_attributes or {},
        deleted_user_attributes=tuple(used.deleted_user_attributes or ()),
        consent_state=checked_consent(used.consent_state, ignored) if used.consent_state else None,
        device_info=info,
        over_limit=identifiers.over_limit(),
        bounded_attributes=bounded,
        device_ids=tuple([i for i in device_ids if len(i.value) <= MAX_TEXT]),
        ignored=tuple(ignored),
        attribution=attribution_in(fields) if _are_attributed(events or ()) else None,
    )


def read_again(fields: Fields, named: EventBatch) -> EventBatch | None:
    """Return the batch that *fields* make, which name user and device in the words of *named*.

    None where something is odd, or is said by an event: then all is to be read.
    """
    heads = read_heads(fields)
    if heads is None:
        return None
    get = fields.get
    said, deleted = get("user_attributes"), get("deleted_user_attributes")
    consent, ignored = get("consent_state"), list[Ignored]()
    try:
        attributes = {} if said is None else _decode_attributes(said) or {}
        names = () if deleted is None else tuple(_decode_names(deleted) or ())
        state = None if consent is None else _decode_consent(consent)
        state = checked_consent(state, ignored) if state else None
    except (msgspec.ValidationError, Fault):
        return None
    if ignored:
        return None
    return EventBatch(
        fields,
        named.environment,
        named.mpid,
        named.identifiers,
        heads.has_events,
        heads.time_ms,
        heads.source_request_id,
        attributes,
        names,
        state,
        named.device_info,
        named.over_limit,
        device_ids=named.device_ids,
    )


class Heads(Struct, frozen=True, gc=False):
    """What is read of a batch whatever it says of its user."""

    has_events: bool
    time_ms: int | None
    source_request_id: str | None


def read_heads(fields: Fields) -> Heads | None:
    """Return what *fields* say beside their user.

    None where something is not as it should be, or where an event writes to the profile.
    """
    if type(fields) is Opened and fields.ignored:
        return None
    try:
        check_batch(fields)
        raw = fields.get("events")
        events = (() if raw is None else _decode_plain(raw)) or ()
        time_ms = time_of(fields, "timestamp_unixtime_ms")
        raw = fields.get("source_request_id")
        request_id = None if raw is None else _decode_text(raw)
    except (msgspec.ValidationError, Fault):
        return None
    return Heads(bool(events), _earliest(events, time_ms), request_id or None)


def _earliest(events: Iterable[_PlainHead], batch_ms: int | None) -> int | None:
    """Return the time of the earliest event, else that of the batch."""
    earliest = None
    for event in events:
        data = event.data
        if data is not None:
            time = data.timestamp_unixtime_ms
            if time is not None and (earliest is None or time < earliest):
                earliest = time
    return batch_ms if earliest is None else max(int(earliest), 0)


def _used(fields: Fields) -> tuple[_Used, int, Fields, list[Ignored]]:
    """Return the fields that are read, how many attributes are over a limit, and the rest of them.

    Usually that is one pass. Where a field does not fit, the fields are read one by one; where one
    still does not, what is odd and decides nothing is left out of the fields and noted.
    """
    ignored = list(fields.ignored) if isinstance(fields, Opened) else []
    try:
        return _decode_used(_encode(fields)), 0, fields, ignored
    except msgspec.ValidationError:
        pass
    try:
        return (*_one_by_one(fields), fields, ignored)
    except Fault:
        repair = Repair(fields)
    return (*_one_by_one(repair.read()), repair.fields, [*ignored, *repair.ignored])


def _one_by_one(fields: Fields) -> tuple[_Used, int]:
    attributes, bounded = _attributes(fields)
    used = _Used(
        environment=environment_of(fields),
        events=read_field(fields, "events", _decode_events, _ALLOWED),
        timestamp_unixtime_ms=time_of(fields, "timestamp_unixtime_ms"),
        device_info=_device_info(fields),
        user_attributes=attributes,
        deleted_user_attributes=read_field(fields, "deleted_user_attributes", _decode_names),
        consent_state=read_field(fields, "consent_state", _decode_consent),
        source_request_id=read_field(fields, "source_request_id", _decode_text),
    )
    return used, bounded


def _attributes(fields: Fields) -> tuple[dict[str, Any], int]:
    """Return the user attributes within the limits, and how many are not."""
    raw = fields.get("user_attributes")
    if raw is None:
        return {}, 0
    try:
        return _decode_attributes(raw) or {}, 0
    except msgspec.ValidationError:
        pass
    try:
        values = _decode_map(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, "user_attributes") from None
    attributes, bounded = {}, 0
    for name, value in values.items():
        if len(name) > MAX_NAME:
            bounded += 1
            continue
        try:
            attributes[name] = attribute_of(value, "user_attributes[...]")
        except OverLimit:
            bounded += 1
    return attributes, bounded


def _device_info(fields: Fields) -> dict[str, Any] | None:
    raw = fields.get("device_info")
    if raw is None:
        return None
    try:
        facts: dict[str, Any] | None = _decode_facts(raw)
    except msgspec.ValidationError:
        pass
    else:
        return facts
    try:
        values = _decode_map(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, "device_info") from None
    return {name: exact(value) for name, value in values.items()}


def _time(events: Iterable[_EventHead], batch_time: Time, ignored: list[Ignored]) -> int | None:
    """Return the time of the earliest event, else *batch_time*; note odd custom event types.

    (docs/decisions.md, "Values")
    """
    earliest = None
    for event in events:
        data = event.data
        if data is None:
            continue
        time = data.timestamp_unixtime_ms
        if time is not None and (earliest is None or time < earliest):
            earliest = time
        if data.custom_event_type not in _CUSTOM_EVENT_TYPES and event.event_type == "custom_event":
            ignored.append(Ignored("events[...].data.custom_event_type", "value"))
    if earliest is None:
        earliest = batch_time
    return None if earliest is None else max(int(earliest), 0)


def changed_attributes(fields: Fields) -> frozenset[str]:
    """Return the attributes that the batch's events of type user_attribute_change name."""
    raw = fields.get("events")
    try:
        changes = () if raw is None else _decode_changes(raw) or ()
    except msgspec.ValidationError:
        changes = _changes_one_by_one((raw and list_of(raw)) or ())
    return frozenset(
        change.data.user_attribute_name
        for change in changes
        if change.event_type == "user_attribute_change"
        and change.data is not None
        and isinstance(change.data.user_attribute_name, str)
    )


def _changes_one_by_one(events: Iterable[Raw]) -> list[_ChangeHead]:
    """Return the heads of those events whose data is an object."""
    heads = []
    for event in events:
        with suppress(msgspec.ValidationError):
            heads.append(_decode_change(event))
    return heads


def _are_attributed(events: Iterable[_EventHead]) -> bool:
    """Whether an event may say where the install came from: hardly any batch has one."""
    return any(
        data.custom_event_type == "attribution"
        for event in events
        if (data := event.data) is not None
    )

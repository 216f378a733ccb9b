"""Event batches: from top-level fields to the few things we read of them (semantics §6).

Validation is lenient (A-27): event types and enumerations, and the types of the fields that we use.
What we do not use goes out as it came.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from processor.codecs.envelope import Fields
from processor.codecs.fault import Fault, fault_of
from processor.codecs.identities import (
    Gathered,
    device_identifiers,
    gather_any_form,
    mpid_of,
)
from processor.codecs.scalar import (
    MAX_NAME,
    MAX_TEXT,
    OverLimit,
    Scalar,
    Value,
    attribute_of,
    exact,
)
from processor.identity.model import Environment
from processor.identity.types import IdentityKeys
from processor.profiles.batch import EventBatch

EventType = Literal[
    "custom_event",
    "commerce_event",
    "screen_view",
    "session_start",
    "session_end",
    "application_state_transition",
    "push_registration",
    "push_message",
    "push_reaction",
    "opt_out",
    "crash_report",
    "network_performance",
    "breadcrumb",
    "user_attribute_change",
    "user_identity_change",
    "profile",
    "first_run",
    "uninstall",
    "pre_attribution",
]

_CUSTOM_EVENT_TYPES: Final = frozenset(
    {
        None,
        "navigation",
        "location",
        "search",
        "transaction",
        "user_content",
        "user_preference",
        "social",
        "other",
        "media",
        "attribution",
        "unknown",
    }
)

_Time = int | float | None


class _EventData(Struct, gc=False):
    timestamp_unixtime_ms: _Time = None
    custom_event_type: str | None = None


class _EventHead(Struct, gc=False):
    """Of an event only its head is decoded; its bytes go out unchanged."""

    event_type: EventType
    data: _EventData | None = None


class _ChangeData(Struct, gc=False):
    user_attribute_name: Any = None


class _ChangeHead(Struct, gc=False):
    event_type: str
    data: _ChangeData | None = None


_Name = Annotated[str, Meta(max_length=MAX_NAME)]

_decode_environment = msgspec.json.Decoder(Environment | None).decode
_decode_events = msgspec.json.Decoder(list[_EventHead] | None).decode
_decode_changes = msgspec.json.Decoder(list[_ChangeHead] | None).decode
_decode_time = msgspec.json.Decoder(_Time).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_names = msgspec.json.Decoder(list[str] | None).decode
_decode_attributes = msgspec.json.Decoder(dict[_Name, Value] | None).decode
_decode_facts = msgspec.json.Decoder(dict[str, Scalar] | None).decode
_decode_consent = msgspec.json.Decoder(
    dict[str, dict[str, dict[str, Scalar] | None] | None] | None
).decode
_decode_map = msgspec.json.Decoder(dict[str, Raw]).decode

_NO_ATTRIBUTES: Final[tuple[dict[str, Any], int]] = ({}, 0)


def read_batch(fields: Fields, keys: IdentityKeys) -> EventBatch:
    """Return the batch that *fields* make; Fault if it breaks a rule."""
    events, time_ms = _events(fields)
    info = _device_info(fields)
    gathered = Gathered(lists=keys.ignore_unknown)
    identities = fields.get("user_identities")
    if identities is not None:
        gather_any_form(gathered, identities, keys.batch, "user_identities")
    device_ids = device_identifiers(info, fields.get("mp_deviceid"))
    for identifier in device_ids:
        if not keys.ignore_unknown or identifier.identity_type in keys.batch:
            gathered.add(identifier)
    attributes, bounded = _attributes(fields)
    return EventBatch(
        fields=fields,
        environment=environment_of(fields) or "production",
        mpid=mpid_of(fields.get("mpid"), "mpid"),
        identifiers=gathered.identifiers(),
        has_events=events > 0,
        time_ms=time_ms,
        source_request_id=_request_id(fields),
        user_attributes=attributes,
        deleted_user_attributes=_deleted(fields),
        consent_state=_consent(fields),
        device_info=info,
        over_limit=gathered.over_limit(),
        bounded_attributes=bounded,
        device_ids=tuple([i for i in device_ids if len(i.value) <= MAX_TEXT]),
    )


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
    raw = fields.get(field)
    if raw is None:
        return None
    try:
        value = _decode_time(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, field) from None
    return None if value is None else max(int(value), 0)


def _events(fields: Fields) -> tuple[int, int | None]:
    """Return how many events there are and the time of the batch (semantics §12.2 item 13)."""
    raw = fields.get("events")
    batch_time = time_of(fields, "timestamp_unixtime_ms")
    if raw is None:
        return 0, batch_time
    try:
        events = _decode_events(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, "events") from None
    if not events:
        return 0, batch_time
    times = []
    for event in events:
        data = event.data
        if data is None:
            continue
        if data.timestamp_unixtime_ms is not None:
            times.append(data.timestamp_unixtime_ms)
        if data.custom_event_type not in _CUSTOM_EVENT_TYPES and event.event_type == "custom_event":
            raise Fault("events[...].data.custom_event_type: is not one of the values allowed")
    return len(events), max(int(min(times)), 0) if times else batch_time


def changed_attributes(fields: Fields) -> frozenset[str]:
    """Return the attributes that the batch's events of type user_attribute_change name."""
    raw = fields.get("events")
    changes = () if raw is None else _decode_changes(raw) or ()
    return frozenset(
        change.data.user_attribute_name
        for change in changes
        if change.event_type == "user_attribute_change"
        and change.data is not None
        and isinstance(change.data.user_attribute_name, str)
    )


def _attributes(fields: Fields) -> tuple[dict[str, Any], int]:
    """Return the user attributes within the limits, and how many are not."""
    raw = fields.get("user_attributes")
    if raw is None:
        return _NO_ATTRIBUTES
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


def _consent(fields: Fields) -> dict[str, Any] | None:
    raw = fields.get("consent_state")
    if raw is None:
        return None
    try:
        state: dict[str, Any] | None = _decode_consent(raw)
    except msgspec.ValidationError as error:
        raise fault_of(error, "consent_state") from None
    for purposes in (state or {}).values():
        for entry in (purposes or {}).values():
            if entry is not None and type(entry.get("consented", False)) is not bool:
                raise Fault("consent_state[...][...].consented: must be true or false")
    return state


def _deleted(fields: Fields) -> tuple[str, ...]:
    raw = fields.get("deleted_user_attributes")
    if raw is None:
        return ()
    try:
        return tuple(_decode_names(raw) or ())
    except msgspec.ValidationError as error:
        raise fault_of(error, "deleted_user_attributes") from None


def _request_id(fields: Fields) -> str | None:
    raw = fields.get("source_request_id")
    if raw is None:
        return None
    try:
        return _decode_text(raw) or None
    except msgspec.ValidationError as error:
        raise fault_of(error, "source_request_id") from None

"""Records of another shape than their topic has: which one it seems to be, and what would read it.

A record on the wrong topic, or under the wrong format, would be dropped for want of identities. It
is recognised by its fields and becomes a dead letter, so that it can be replayed after the setting
is changed.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Raw

from processor.codecs.envelope import Fields
from processor.codecs.fault import Fault, near_miss
from processor.codecs.nearness import likely_meant, ordinal, surely_meant
from processor.codecs.strict.published import FIELDS
from processor.identity.types import DEVICE_INFO_KEYS, IdentityKeys

SEGMENT_TYPES: Final = ("identify", "track", "page", "screen", "group", "alias")

KNOWN: Final = frozenset(FIELDS) | {"segment"}
"""The names of fields that a batch may have."""
_USED: Final = (
    "user_identities",
    "device_info",
    "mpid",
    "mp_deviceid",
    "events",
    "user_attributes",
    "deleted_user_attributes",
    "environment",
    "consent_state",
    "source_request_id",
    "timestamp_unixtime_ms",
)
_BATCH: Final = frozenset({"user_identities", "device_info", "events"})
_REQUEST: Final = frozenset({"request_type", "known_identities", "identity_changes"})
_CALL_USED: Final = (
    "userId",
    "anonymousId",
    "groupId",
    "messageId",
    "timestamp",
    "traits",
    "properties",
    "context",
    "integrations",
)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


_OF_CALLS: Final = frozenset(
    {*_CALL_USED, *map(_snake, _CALL_USED), "type", "event", "name", "originalTimestamp", "sentAt"}
)
_CALLED: Final = {"known_identities": ("user_identities", "identities")}
"""What required fields are called elsewhere."""
_NULL: Final = Raw(b"null")

_A_REQUEST: Final = (
    "the value is an identity request: send it to a topic of kafka.topics.requests, with its"
    " request_type"
)
_A_BATCH: Final = "the value is an event batch: send it to a topic of kafka.topics.batches"
_A_CALL: Final = 'the value is a call of Segment\'s: set inputs.NAME.format = "segment"'
_NO_CALL: Final = (
    'the value is an event batch: only calls of Segment\'s come through format = "segment"'
)
_AN_ENVELOPE: Final = (
    "batch: holds many calls in one value: send each of them as a record of its own"
)
_OF_CONNECT: Final = (
    "the value is Kafka Connect's schema and payload: set value.converter.schemas.enable = false"
)
_A_CLOUD_EVENT: Final = "the value is a CloudEvent: send its data as the value"


def check_batch(fields: Fields) -> None:
    """Raise Fault where an event batch carries the marks of another shape, or a name nearly ours.

    Costs next to nothing where all names are known.
    """
    if fields.keys() <= KNOWN:
        return
    if not _BATCH & fields.keys():
        _check_marks(fields)
    for place, name in enumerate(fields, 1):
        meant = "" if name in KNOWN else _meant(name)
        if meant and _is_absent(meant, fields):
            raise near_miss("the batch", place, meant)


def check_lost(fields: Fields, keys: IdentityKeys) -> None:
    """Raise Fault where a batch that names nobody has its identities in a place that is not read.

    For batches that would be dropped, so that guesses may be bold.
    """
    for place, name in enumerate(fields, 1):
        if name in KNOWN:
            continue
        if name in keys.batch and not keys.is_literal:
            raise Fault(f"{name}: belongs into user_identities")
        if name in DEVICE_INFO_KEYS and not keys.is_literal:
            raise Fault(f"{name}: belongs into device_info")
        meant = _likely(name)
        if meant and _is_absent(meant, fields):
            raise near_miss("the batch", place, meant)
    if keys.is_literal:
        _check_keys(fields, "user_identities", keys.batch)
    else:
        _check_keys(fields, "device_info", DEVICE_INFO_KEYS)


def check_call(fields: Fields) -> None:
    """Raise Fault where a call of Segment's has a name that is nearly one of those that are read.

    The case of letters is a slip here: user_id and userId are both read, userID is not.
    """
    for place, name in enumerate(fields, 1):
        if name in _OF_CALLS:
            continue
        meant = _meant_in_call(name)
        if not meant:
            continue
        if _is_absent(meant, fields) and _is_absent(_snake(meant), fields):
            raise near_miss("the call", place, meant)


def no_call(fields: Fields) -> Fault:
    """Return the fault of a value in the format segment that is no call."""
    if _is_list(fields.get("batch")):
        return Fault(_AN_ENVELOPE)
    if _REQUEST & fields.keys():
        return Fault(_A_REQUEST)
    if _BATCH & fields.keys():
        return Fault(_NO_CALL)
    return Fault("type: must be identify, track, page, screen, group or alias")


def no_request(fields: Fields) -> Fault:
    """Return the fault of a record on a topic of requests that names no ``request_type``."""
    if "request_type" not in fields and not _REQUEST & fields.keys():
        if _BATCH & fields.keys():
            return Fault(_A_BATCH)
        if _is_call(fields) or _is_list(fields.get("batch")):
            return Fault(
                "the value is a call of Segment's: send it to a topic of kafka.topics.batches,"
                ' and set inputs.NAME.format = "segment"'
            )
    verb = "; over HTTP it is in the URL" if "request_type" not in fields else ""
    return Fault(f"request_type: must be identify, login, logout, modify, search or alias{verb}")


def missing(name: str, fields: Fields) -> Fault:
    """Return the fault of a record that lacks the field *name*, and the field that may be meant."""
    names = (name, *_CALLED.get(name, ()))
    for place, other in enumerate(fields, 1):
        if other != name and likely_meant(other, names):
            return Fault(f"{name}: is required (is it meant by the {ordinal(place)} field?)")
    return Fault(f"{name}: is required")


def _check_marks(fields: Fields) -> None:
    if _REQUEST & fields.keys():
        raise Fault(_A_REQUEST)
    if _is_list(fields.get("batch")):
        raise Fault(_AN_ENVELOPE)
    if _is_call(fields):
        raise Fault(_A_CALL)
    if fields.keys() == {"schema", "payload"}:
        raise Fault(_OF_CONNECT)
    if "specversion" in fields and "data" in fields:
        raise Fault(_A_CLOUD_EVENT)


def _is_call(fields: Fields) -> bool:
    if "userId" in fields or "anonymousId" in fields:
        return True
    raw = fields.get("type")
    return raw is not None and bytes(raw)[1:-1].decode() in SEGMENT_TYPES


def _check_keys(fields: Fields, field: str, known: Mapping[str, str]) -> None:
    """Raise Fault where an object has a key that is nearly one of *known*."""
    try:
        keys: Iterable[str] = msgspec.json.decode(fields.get(field, b"{}"), type=dict[str, Raw])
    except msgspec.ValidationError:
        return
    names = tuple(known)
    for place, name in enumerate(keys, 1):
        meant = "" if name in known else _likely_among(name, names)
        if meant:
            raise near_miss(field, place, meant)


def _is_absent(name: str, fields: Fields) -> bool:
    return fields.get(name, _NULL) == _NULL


def _is_list(raw: Raw | None) -> bool:
    return raw is not None and bytes(raw)[:1] == b"["


@lru_cache(maxsize=1024)
def _meant(name: str) -> str:
    return surely_meant(name, _USED)


@lru_cache(maxsize=1024)
def _likely(name: str) -> str:
    return likely_meant(name, _USED)


@lru_cache(maxsize=1024)
def _meant_in_call(name: str) -> str:
    return surely_meant(name, _CALL_USED)


@lru_cache(maxsize=4096)
def _likely_among(name: str, known: tuple[str, ...]) -> str:
    return likely_meant(name, known)

"""Enriched batches: the fields of a batch, with what its profile says laid over them.

Assembled, never patched: with a duplicate key in the input's bytes, two readers of a patched object
could see two people. The events' bytes go out untouched.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from processor.codecs.envelope import Fields
from processor.identity.profile import NO_DATA, Profile, current_by_type
from processor.identity.types import DEVICE_TYPES, batch_spelling
from processor.records import EventBatch

_encode = msgspec.json.Encoder().encode
_SCHEMA_VERSION: Final = 2


class _Current(Struct, gc=False):
    """The current value of a user type, as an entry of ``user_identities``."""

    identity_type: str
    identity: str
    timestamp_unixtime_ms: int


def enrich(
    batch: EventBatch,
    profile: Profile,
    workspace: str,
    notifications: bytes | None,
    computed: Mapping[str, Any] = MappingProxyType({}),
) -> bytes:
    """Return *batch* as the enriched topic gets it, with what *workspace* knows of *profile*.

    *computed* are the fields that show what is computed.
    """
    over = fields_over(batch, profile, workspace)
    over.update(computed)
    return lay_over(batch.fields, over, notifications)


def of_nobody(batch: EventBatch, mpid: int) -> bytes:
    """Return *batch* as received, with the MPID that it was attributed to when its profile lived.

    So goes out what is replayed after the profile has ended.
    """
    out: dict[str, Any] = {**batch.fields, "environment": batch.environment, "mpid": mpid}
    out.pop("system_notifications", None)
    out["schema_version"] = _SCHEMA_VERSION
    return _encode(out)


def fields_over(batch: EventBatch, profile: Profile, workspace: str) -> dict[str, Any]:
    """Return the fields that are laid over those of the batch, in their order."""
    over = {"environment": batch.environment, **profile_fields(profile, workspace)}
    if batch.device_info is not None:
        over["device_info"] = batch.device_info
    return over


def lay_over(fields: Fields, over: Mapping[str, Any], notifications: bytes | None) -> bytes:
    """Return an enriched batch: *fields* as received, with *over* in place of or after them."""
    out: dict[str, Any] = {**fields}
    out.pop("consent_state", None)
    out.update(over)
    if notifications is None:
        out.pop("system_notifications", None)
    else:
        out["system_notifications"] = Raw(notifications)
    out["schema_version"] = _SCHEMA_VERSION
    return _encode(out)


def profile_fields(profile: Profile, workspace: str) -> dict[str, Any]:
    """Return the fields of an enriched batch that depend on the profile alone."""
    data = profile.workspaces.get(workspace, NO_DATA)
    fields = {
        "mpid": profile.mpid,
        "user_attributes": {name: one.value for name, one in data.attributes.items()},
        "user_identities": _user_identities(profile),
    }
    if data.consent_state:
        fields["consent_state"] = data.consent_state
    return fields


def _user_identities(profile: Profile) -> list[_Current]:
    """Return the current value of each user type: the one asserted last."""
    return [
        _Current(batch_spelling(i.identity_type), i.value, i.updated_ms)
        for i in current_by_type(profile.identities).values()
        if i.identity_type not in DEVICE_TYPES
    ]

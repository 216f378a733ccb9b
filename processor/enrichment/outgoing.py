"""The outgoing batch, assembled from the incoming batch's fields and the profile's.

Assembled, never patched: with a duplicate key in the input's bytes, two readers of a patched object
could see two people. The events' bytes go out untouched.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from processor.identity.profile import Profile, WorkspaceData, current_by_type
from processor.identity.types import DEVICE_TYPES, batch_spelling
from processor.records import EventBatch

_encode = msgspec.json.Encoder().encode
_EMPTY: Final = WorkspaceData()
_SCHEMA_VERSION: Final = 2


class _Current(Struct, gc=False):
    """The current value of a user type, as an entry of ``user_identities``."""

    identity_type: str
    identity: str
    timestamp_unixtime_ms: int


def enrich(
    batch: EventBatch, profile: Profile, workspace: str, notifications: bytes | None
) -> bytes:
    """Return *batch* as the enriched topic gets it, with what *workspace* knows of *profile*."""
    out: dict[str, Any] = batch.fields.copy()
    out["environment"] = batch.environment
    out.pop("consent_state", None)
    out.update(profile_fields(profile, workspace))
    if batch.device_info is not None:
        out["device_info"] = batch.device_info
    if notifications is None:
        out.pop("system_notifications", None)
    else:
        out["system_notifications"] = Raw(notifications)
    out["schema_version"] = _SCHEMA_VERSION
    return _encode(out)


def profile_fields(profile: Profile, workspace: str) -> dict[str, Any]:
    """Return the fields that depend on the profile alone."""
    data = profile.workspaces.get(workspace, _EMPTY)
    fields = {
        "mpid": profile.mpid,
        "user_attributes": {name: one.value for name, one in data.attributes.items()},
        "user_identities": _user_identities(profile),
    }
    if data.consent_state:
        fields["consent_state"] = data.consent_state
    return fields


def _user_identities(profile: Profile) -> list[_Current]:
    """Return the current value of each user type (semantics §2.6): the one asserted last."""
    return [
        _Current(batch_spelling(i.identity_type), i.value, i.updated_ms)
        for i in current_by_type(profile.identities).values()
        if i.identity_type not in DEVICE_TYPES
    ]

"""The outgoing batch, assembled from the incoming batch's fields and the profile's.

Assembled, never patched: with a duplicate key in the input's bytes, two readers of a patched object
could see two people. The events' bytes go out untouched.
"""

from typing import Any

import msgspec
from msgspec import Raw

from processor.identity.profile import Identity, Profile, WorkspaceData
from processor.identity.types import DEVICE_TYPES, batch_spelling
from processor.profiles.batch import EventBatch

_encode = msgspec.json.Encoder().encode
_EMPTY = WorkspaceData()
_SCHEMA_VERSION = Raw(b"2")

PROFILE_FIELDS = frozenset({"mpid", "user_attributes", "user_identities", "consent_state"})
"""Fields that speak for the profile: what a batch says in them goes out only as it was stored."""


def enrich(
    batch: EventBatch, profile: Profile, workspace: str, notifications: bytes | None
) -> bytes:
    """Return *batch* as the enriched topic gets it, with what *workspace* knows of *profile*."""
    return splice(batch, profile_fields(profile, workspace), notifications)


class FieldCache:
    """The encoded fields of profiles met lately: a known user's stay the same for many batches.

    A profile is known by identity, which the index keeps while its document is unchanged.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._known: dict[tuple[int, str], tuple[Profile, dict[str, Raw]]] = {}

    def fields(self, profile: Profile, workspace: str) -> dict[str, Raw]:
        """Return what :func:`profile_fields` does."""
        key = id(profile), workspace
        known = self._known.get(key)
        if known is not None and known[0] is profile:
            return known[1]
        fields = profile_fields(profile, workspace)
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[key] = profile, fields
        return fields


def profile_fields(profile: Profile, workspace: str) -> dict[str, Raw]:
    """Return the fields that depend on the profile alone, encoded."""
    data = profile.workspaces.get(workspace, _EMPTY)
    attributes = {name: attribute.value for name, attribute in data.attributes.items()}
    fields = {
        "mpid": Raw(b"%d" % profile.mpid),
        "user_attributes": Raw(_encode(attributes)),
        "user_identities": Raw(_encode(_user_identities(profile))),
    }
    if data.consent_state:
        fields["consent_state"] = Raw(_encode(data.consent_state))
    return fields


def splice(batch: EventBatch, fields: dict[str, Raw], notifications: bytes | None) -> bytes:
    """Return the outgoing batch of the *fields* of a profile and of what *batch* alone says."""
    out = batch.fields.copy()
    out["environment"] = Raw(b'"%s"' % batch.environment.encode())
    out.update(fields)
    if "consent_state" not in fields:
        out.pop("consent_state", None)
    if batch.device_info is not None:
        out["device_info"] = Raw(_encode(batch.device_info))
    if notifications is None:
        out.pop("system_notifications", None)
    else:
        out["system_notifications"] = Raw(notifications)
    out["schema_version"] = _SCHEMA_VERSION
    return _encode(out)


def _user_identities(profile: Profile) -> list[dict[str, Any]]:
    """Return the current value of each user type (semantics §2.6): the one asserted last."""
    current: dict[str, Identity] = {}
    for identity in profile.identities:
        kind = identity.identity_type
        if kind in DEVICE_TYPES:
            continue
        known = current.get(kind)
        if known is None or identity.updated_ms >= known.updated_ms:
            current[kind] = identity
    return [
        {
            "identity_type": batch_spelling(kind),
            "identity": identity.value,
            "timestamp_unixtime_ms": identity.updated_ms,
        }
        for kind, identity in current.items()
    ]

"""Merging: one profile's data out of several (docs/strategies.md, "flat_matching")."""

from collections.abc import Sequence

from msgspec.structs import replace

from processor.identity.former import joined
from processor.identity.profile import (
    NO_DATA,
    NO_WORKSPACE_MORE,
    Attribute,
    PartnerIdentity,
    Profile,
    WorkspaceData,
    WorkspaceMore,
)
from processor.profiles.attributes import wins
from processor.profiles.consent import join_consent
from processor.profiles.devices import join_devices, keep_recent
from processor.profiles.room import is_within
from processor.rules import Limits


def combine(survivor: Profile, absorbed: Sequence[Profile], limits: Limits) -> Profile | None:
    """Return *survivor* with the data of *absorbed*, oldest first; None where that is too large.

    Attributes go by source priority, then recency; so does consent, by its own times. Devices that
    share an id are one; of too many the most recently seen stay. Attributes are never dropped for
    want of room: a merge that would pass a bound is not made.
    """
    workspaces = dict(survivor.workspaces)
    for profile in absorbed:
        for name, data in profile.workspaces.items():
            workspaces[name] = _join(workspaces.get(name, NO_DATA), data, limits)
    if any(len(data.attributes) > limits.max_attributes for data in workspaces.values()):
        return None
    whole = replace(survivor, workspaces=workspaces)
    if any(profile.more.former for profile in absorbed):
        lost = [text for profile in absorbed for text in profile.more.former]
        more = replace(survivor.more, former=joined(survivor.more.former, lost))
        whole = replace(whole, more=more)
    return whole if is_within(whole, limits.max_profile_bytes) else None


def _join(data: WorkspaceData, other: WorkspaceData, limits: Limits) -> WorkspaceData:
    return WorkspaceData(
        _attributes(data.attributes, other.attributes),
        join_consent(data.consent_state, other.consent_state),
        keep_recent(join_devices(data.devices, other.devices), limits.max_devices),
        _more(data.more, other.more),
    )


def _more(more: WorkspaceMore, other: WorkspaceMore) -> WorkspaceMore:
    """Return what the survivor has, and of the absorbed what the survivor lacks."""
    if other == NO_WORKSPACE_MORE:
        return more
    return replace(
        more,
        attribution=more.attribution or other.attribution,
        partner_identities=_latest(more.partner_identities, other.partner_identities),
    )


def _latest(
    own: dict[str, PartnerIdentity], others: dict[str, PartnerIdentity]
) -> dict[str, PartnerIdentity]:
    """Return of each name what was received last; the survivor's where both were at once."""
    if not others:
        return own
    found = dict(own)
    for name, other in others.items():
        if name not in found or found[name].updated_ms < other.updated_ms:
            found[name] = other
    return found


def _attributes(stored: dict[str, Attribute], others: dict[str, Attribute]) -> dict[str, Attribute]:
    joined = dict(stored)
    for name, other in others.items():
        owner = joined.get(name)
        if owner is None or (wins(owner, other) and not _is_as_new(owner, other)):
            joined[name] = other
    return joined


def _is_as_new(owner: Attribute, other: Attribute) -> bool:
    """Whether two writes of one source type are of one time: then the survivor's stays."""
    return owner.source == other.source and owner.updated_ms == other.updated_ms

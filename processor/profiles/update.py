"""What a batch changes of its profile: attributes, consent, devices."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from processor.identity.alike import is_alike
from processor.identity.profile import (
    NO_DATA,
    Attribute,
    PartnerIdentity,
    Profile,
    WorkspaceData,
    WorkspaceMore,
)
from processor.profiles import attributes
from processor.profiles.consent import consent_notifications, merge_consent
from processor.profiles.devices import Devices, is_known, keep_recent, note_device
from processor.profiles.room import fit, is_within
from processor.records import EventBatch
from processor.rules import InputRules, Limits

_encode = msgspec.json.Encoder().encode


class Applied(Struct, frozen=True, gc=False):
    """A profile after a batch."""

    profile: Profile
    """The very object that came in if the batch changed nothing of it."""
    notifications: bytes | None = None
    """System notifications for the outgoing batch, a JSON array; None where there are none."""
    bounded: int = 0
    """Writes that a limit of ours kept out (without ``EventBatch.bounded_attributes``)."""


def apply_batch(
    profile: Profile,
    rules: InputRules,
    batch: EventBatch,
    received_ms: int,
    time_ms: int,
    limits: Limits,
) -> Applied:
    """Write what *batch* says of its user to the workspace of the input it came through.

    Attributes and consent go by order of receipt and carry *received_ms*; devices carry *time_ms*,
    the time of the request. Where the newest wins (``Traits``), attributes go by *time_ms* too.
    The caller counts the version.
    """
    workspace = rules.workspace.name
    before = profile.workspaces.get(workspace, NO_DATA)
    if rules.workspace.policy.traits.newest_wins:
        written, refused = _write_newest(before.attributes, rules, batch, time_ms, limits)
    else:
        written, refused = _write_attributes(before.attributes, rules, batch, received_ms, limits)
    consent = before.consent_state
    if batch.consent_state and rules.source != "partner_feed":
        consent = merge_consent(consent, batch.consent_state)
    devices = _note_device(before.devices, rules, batch, time_ms, limits)
    more = _note_attribution(before.more, batch, time_ms)
    if batch.partner_identities:
        more = _note_partners(more, batch.partner_identities, rules.name, received_ms)
    if (
        written is before.attributes
        and consent is before.consent_state
        and devices is before.devices
        and more is before.more
    ):
        return Applied(profile, None, refused)
    after = WorkspaceData(written, consent, devices, more)
    changed = _with_workspace(profile, workspace, after)
    if not is_within(changed, limits.max_profile_bytes):
        after, dropped = _fitting(profile, workspace, after, limits.max_profile_bytes)
        refused += dropped
        changed = profile if is_alike(after, before) else _with_workspace(profile, workspace, after)
    return Applied(changed, _notifications(before, after), refused)


def _fitting(
    profile: Profile, workspace: str, after: WorkspaceData, most: int
) -> tuple[WorkspaceData, int]:
    """Return what fits of *after* within *most* bytes, and how many of its writes do not.

    The install attribution comes first: it is small, and hardly ever written.
    """
    before = profile.workspaces.get(workspace, NO_DATA)
    held = replace(before, more=after.more)
    base, lost = _with_workspace(profile, workspace, held), 0
    if held != before and not is_within(base, most):
        held, after, lost = before, replace(after, more=before.more), 1
        base = _with_workspace(profile, workspace, before)
    after, dropped = fit(base, held, after, most)
    return after, dropped + lost


def _write_attributes(
    stored: dict[str, Attribute],
    rules: InputRules,
    batch: EventBatch,
    received_ms: int,
    limits: Limits,
) -> tuple[dict[str, Attribute], int]:
    """Delete, then set; return also how many values found no place.

    *stored* itself comes back if nothing changes.
    """
    source, name = rules.source, rules.name
    left = stored
    if batch.deleted_user_attributes:
        left = attributes.delete(stored, batch.deleted_user_attributes, source, name)
        if len(left) == len(stored):
            left = stored
    changed = attributes.news(left, batch.user_attributes, source, name)
    if not changed:
        return left, 0
    written, refused = dict(left), 0
    for key, value in changed.items():
        if key not in written and len(written) >= limits.max_attributes:
            refused += 1
            continue
        written[key] = Attribute(value, source, name, received_ms)
    return (left if refused == len(changed) else written), refused


def _write_newest(
    stored: dict[str, Attribute],
    rules: InputRules,
    batch: EventBatch,
    time_ms: int,
    limits: Limits,
) -> tuple[dict[str, Attribute], int]:
    """Do the same by event time: the newest write of a key wins, null deletes."""
    if not batch.user_attributes and not batch.deleted_user_attributes:
        return stored, 0
    writer = Attribute(None, rules.source, rules.name, time_ms)
    written = attributes.newest(
        stored,
        batch.user_attributes,
        batch.deleted_user_attributes,
        writer,
        limits.activity_resolution_ms,
    )
    refused = [name for name in written if name not in stored]
    refused = refused[max(limits.max_attributes - (len(written) - len(refused)), 0) :]
    for name in refused:
        del written[name]
    return (stored if is_alike(written, stored) else written), len(refused)


def _note_device(
    stored: Devices, rules: InputRules, batch: EventBatch, time_ms: int, limits: Limits
) -> Devices:
    """Note the device by its ids, except blocked ones: an id of zeros would join many devices."""
    if not batch.device_ids:
        return stored
    resolution_ms = limits.activity_resolution_ms
    if is_known(stored, batch.device_ids, batch.device_info, time_ms - resolution_ms):
        return stored
    blocks = rules.workspace.blocklist.blocks
    ids = [i for i in batch.device_ids if not blocks(i)]
    devices = note_device(stored, ids, batch.device_info, time_ms, resolution_ms)
    return devices if devices is stored else keep_recent(devices, limits.max_devices)


def _note_attribution(more: WorkspaceMore, batch: EventBatch, time_ms: int) -> WorkspaceMore:
    """Note where the install came from; of two the later event counts."""
    said, known = batch.attribution, more.attribution
    if said is None:
        return more
    said = replace(said, time_ms=said.time_ms or time_ms)
    if said == known or (known is not None and known.time_ms > said.time_ms):
        return more
    return replace(more, attribution=said)


def _note_partners(
    more: WorkspaceMore, said: Mapping[str, str | None], input_name: str, received_ms: int
) -> WorkspaceMore:
    """Note what partners call the user: what is received last counts, null takes it away."""
    known = more.partner_identities
    found = {name: one for name, one in known.items() if said.get(name, "") is not None}
    for name, value in said.items():
        if value is not None and (name not in found or found[name].value != value):
            found[name] = PartnerIdentity(value, received_ms, input_name)
    return more if found == known else replace(more, partner_identities=found)


def _with_workspace(profile: Profile, name: str, data: WorkspaceData) -> Profile:
    return replace(profile, workspaces={**profile.workspaces, name: data})


def _notifications(before: WorkspaceData, after: WorkspaceData) -> bytes | None:
    if after.consent_state is before.consent_state:
        return None
    changes: list[dict[str, Any]] = consent_notifications(before.consent_state, after.consent_state)
    return _encode(changes) if changes else None

"""What outputs show of calculated attributes and audiences, at the instant of a record. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from processor.computed.definition import Definitions
from processor.computed.membership import shown
from processor.computed.workspace import values_at
from processor.identity.profile import NO_DATA, Computed, Membership, Profile
from processor.pipeline.memory import FOREVER_MS
from processor.records import EventBatch, Record
from processor.rules import WorkspaceRules

_NOTHING = Computed()


class Shown(Struct, frozen=True, gc=False):
    """What a workspace shows of a person at an instant."""

    calculated: Mapping[str, Any]
    audiences: Mapping[str, Membership]
    """Published ones, sorted by name."""


class MembershipShown(Struct, gc=False):
    """A membership, as an entry of ``audience_memberships``."""

    audience_name: str
    entered_timestamp_ms: int
    expiration_timestamp_ms: int | None


def shown_at(definitions: Definitions, profile: Profile, time_ms: int) -> Shown:
    """Return what is shown of *profile* at *time_ms*, which its own clock may be ahead of."""
    data = profile.workspaces.get(definitions.workspace, NO_DATA)
    computed = data.more.computed or _NOTHING
    now_ms = max(time_ms, profile.more.clock_ms)
    return Shown(values_at(definitions, computed, now_ms), shown(definitions, computed.audiences))


def computed_fields(
    definitions: Definitions | None, profile: Profile, time_ms: int
) -> dict[str, Any]:
    """Return the fields of an enriched batch in which what is computed shows.

    A calculated attribute owns its name, also where it has no value.
    """
    if definitions is None:
        return {}
    what, own = shown_at(definitions, profile, time_ms), definitions.calculated
    stored = profile.workspaces.get(definitions.workspace, NO_DATA).attributes
    attributes = {name: one.value for name, one in stored.items() if name not in own}
    attributes.update(what.calculated)
    fields: dict[str, Any] = {"user_attributes": attributes}
    if any(audience.is_published for audience in definitions.audiences.values()):
        fields["audience_memberships"] = [
            MembershipShown(name, one.entered_ms, one.expires_ms)
            for name, one in what.audiences.items()
        ]
    return fields


def added_fields(
    definitions: Definitions | None,
    workspace: WorkspaceRules,
    profile: Profile,
    batch: EventBatch,
    record: Record,
) -> dict[str, Any]:
    """Return the fields of an enriched batch that only some workspaces have."""
    fields = computed_fields(definitions, profile, record.timestamp_ms)
    if not workspace.partner_identities:
        return fields
    data = profile.workspaces.get(workspace.name, NO_DATA)
    forwarded = {
        name: one.value
        for name, one in data.more.partner_identities.items()
        if (rules := workspace.partner_identities.get(name)) is not None
        and rules.may_forward(data.consent_state)
    }
    if forwarded:
        fields["partner_identities"] = {**forwarded, **batch.partner_identities}
    return fields


def holds_until(definitions: Definitions | None, profile: Profile) -> int:
    """Return the instant from which on time alone may change what is shown or computed.

    *definitions* are those of the workspace of a record, None where only others of its scope have
    any: any record of a person brings what is due of them in all of these.
    """
    ends = [profile.more.due_ms]
    if definitions is not None:
        data = profile.workspaces.get(definitions.workspace, NO_DATA)
        ends.append(None if data.more.computed is None else data.more.computed.fresh_until_ms)
    return min([end for end in ends if end is not None], default=FOREVER_MS)

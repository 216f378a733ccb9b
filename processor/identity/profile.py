"""A profile: the identities and the data of one person, with one version.

The identity core reads and replaces the identities, ``processor.profiles`` the workspaces. Values
are frozen; their dicts are never mutated once they stand in a profile.

The written forms are documents (``profiles.document``). In the index's they are arrays without
field names: a new field goes last and has a default. What most profiles do not have stands in one
map, ``more``, which comes last of all and is left out where it is empty: so a profile without any
of it is stored as it always was. They hold no cycles, so the garbage collector need not look at
them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from processor.clock.place import NOWHERE, Place
from processor.identity.model import AliasRole, AliasScope, Identifier


class Identity(Struct, frozen=True, array_like=True, gc=False):
    """An identifier of a profile; the last with the highest ``updated_ms`` is current."""

    identity_type: str
    value: str
    added_ms: int
    updated_ms: int
    input: str


class Attribute(Struct, frozen=True, array_like=True, gc=False):
    """A user attribute and who owns it."""

    value: Any
    source: str
    input: str
    updated_ms: int


class Device(Struct, frozen=True, array_like=True, gc=False):
    """One device of a profile in one workspace; the first of its ids names it."""

    ids: dict[str, str]
    first_seen_ms: int
    last_seen_ms: int
    info: dict[str, Any] = {}


class Attribution(Struct, frozen=True, array_like=True, gc=False):
    """Where an install came from, as the last event of type ``attribution`` said."""

    publisher: str | None
    campaign: str | None
    service_provider: str | None
    time_ms: int


class Membership(Struct, frozen=True, array_like=True, gc=False):
    """That a person is in an audience (docs/computed.md, "Membership")."""

    version: int
    """Of the definition that let the person in, or kept them there."""
    entered_ms: int
    expires_ms: int | None = None
    """The instant at which time alone ends it; None: it never does."""


class Computed(Struct, frozen=True, array_like=True, gc=False):
    """What is computed of a person in one workspace (docs/computed.md, "What is stored")."""

    calculated: dict[str, Any] = {}
    """Values as of the person's clock."""
    fresh_until_ms: int | None = None
    """Until then the values hold; None: for ever, if no event comes."""
    audiences: dict[str, Membership] = {}
    state: bytes = b""
    """What definitions remember, as ``computed.state`` packs it."""


class PartnerIdentity(Struct, frozen=True, array_like=True, gc=False):
    """An identifier that only a partner understands; it finds nobody."""

    value: str
    updated_ms: int
    input: str


class WorkspaceMore(Struct, frozen=True, omit_defaults=True, gc=False):
    """What a workspace knows of few profiles: only what is set is stored, by name."""

    attribution: Attribution | None = None
    computed: Computed | None = None
    """There, if empty, of everybody who was evaluated in a workspace with definitions."""
    partner_identities: dict[str, PartnerIdentity] = {}
    """By the names that the workspace registers."""


NO_WORKSPACE_MORE = WorkspaceMore()


class WorkspaceData(Struct, frozen=True, array_like=True, gc=False):
    """What one workspace knows of a profile; in a shared scope other workspaces do not see it."""

    attributes: dict[str, Attribute] = {}
    consent_state: dict[str, Any] = {}
    devices: tuple[Device, ...] = ()
    more: WorkspaceMore = NO_WORKSPACE_MORE
    """Last, and left out of documents where it is empty (``profiles.document``)."""


NO_DATA = WorkspaceData()
"""What a workspace knows of a profile before it has stored anything."""


class Alias(Struct, frozen=True, array_like=True, gc=False):
    """What one profile did in a window of time counts for another (docs/aliasing.md)."""

    role: AliasRole
    """Of the profile on which this stands."""
    mpid: int
    """The other profile."""
    start_ms: int
    end_ms: int
    """The first instant that is not in the window any more."""
    scope: AliasScope
    device: str | None = None
    """Under the scope device, whose ``device_application_stamp`` its events carry."""


class More(Struct, frozen=True, omit_defaults=True, gc=False):
    """What few profiles have: only what is set is stored, by name."""

    first_seen_ms: int | None = None
    """When the user was first seen, where an alias changed it; else that is ``created_ms``."""
    aliases: tuple[Alias, ...] = ()
    """Oldest first."""
    clock_ms: int = 0
    """The latest instant at which the person was evaluated and written; it never goes back."""
    due_ms: int | None = None
    """When time alone changes something of the profile next."""
    bucket: str | None = None
    """Of the clock: where it is noted that something is due."""
    stamp: bytes = b""
    """Which definitions the last evaluation knew."""
    former: tuple[str, ...] = ()
    """Tokens of identities that the profile lost, oldest first, after a letter for their kind: s of
    types that say whose a record is, w of weaker ones, d of devices. Only with ``[privacy]``.
    """
    stored_ms: int | None = None
    """When the last record was received that changed or confirmed the profile, within the
    resolution of activity; only under a lifetime. Else ``last_seen_ms`` stands for it.
    """
    emptied_ms: int | None = None
    """When its data was forgotten, if nothing has been received since."""


NO_MORE = More()


class Profile(Struct, frozen=True, array_like=True, gc=False):
    """A profile. ``version`` rises by one for each record that changes it."""

    scope: str
    environment: str
    mpid: int
    version: int
    created_ms: int
    last_seen_ms: int
    source_mpid: int | None = None
    """Under profile_link: the anonymous profile this known one arose from, set at creation."""
    merged_into: int | None = None
    contested: bool = False
    """Another profile could tie with it, so its last activity is written on every match."""
    merges: int = 0
    """How many profiles this survivor absorbed, with their own (flat matching)."""
    identities: tuple[Identity, ...] = ()
    workspaces: dict[str, WorkspaceData] = {}
    absorbed: tuple[int, ...] = ()
    """The profiles that were merged into this survivor, with their own, in that order."""
    more: More = NO_MORE
    """Last, and left out of documents where it is empty (``profiles.document``)."""

    @property
    def place(self) -> Place:
        """Where it stands in the wheel; nowhere once it was merged."""
        if self.more.due_ms is None or self.merged_into is not None:
            return NOWHERE
        return Place(self.more.due_ms, self.more.bucket)

    @property
    def first_seen_ms(self) -> int:
        """When the user was first seen; ties are broken by ``created_ms`` all the same."""
        first = self.more.first_seen_ms
        return self.created_ms if first is None else first


def current_by_type(identities: Iterable[Identity]) -> dict[str, Identity]:
    """Return the current identity of each type, in the order in which the types come up."""
    current: dict[str, Identity] = {}
    for identity in identities:
        kind = identity.identity_type
        known = current.setdefault(kind, identity)
        if known is not identity and identity.updated_ms >= known.updated_ms:
            current[kind] = identity
    return current


def lookups(profile: Profile, is_lookup: Callable[[str], bool]) -> tuple[Identifier, ...]:
    """Return the identifiers under which *profile* stands in the index; none once it was merged."""
    if profile.merged_into is not None:
        return ()
    found = [
        Identifier(i.identity_type, i.value)
        for i in profile.identities
        if is_lookup(i.identity_type)
    ]
    return tuple(dict.fromkeys(found))


def without(profile: Profile, identifier: tuple[str, str]) -> Profile:
    """Return *profile* without an identifier, by type and value: the same one if it has it not."""
    left = tuple(i for i in profile.identities if (i.identity_type, i.value) != identifier)
    return profile if len(left) == len(profile.identities) else replace(profile, identities=left)

"""The profile document: identity record and data of one profile, with one version.

The identity core reads and replaces its identities, ``processor.profiles`` its workspaces. Values
are frozen; their dicts are never mutated once they stand in a profile.

In the index they are arrays without field names (``profiles.document``): a new field goes last and
has a default. They hold no cycles, so the garbage collector need not look at them.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace


class Identity(Struct, frozen=True, array_like=True, gc=False):
    """An identifier of a profile; the last with the highest ``updated_ms`` is current."""

    identity_type: str
    value: str
    added_ms: int
    updated_ms: int
    input: str


class Attribute(Struct, frozen=True, array_like=True, gc=False):
    """A user attribute and who owns it (semantics §7.4)."""

    value: Any
    source: str
    input: str
    updated_ms: int


class Device(Struct, frozen=True, array_like=True, gc=False):
    """One device of a profile in one workspace (semantics §7.1); the first of its ids names it."""

    ids: dict[str, str]
    first_seen_ms: int
    last_seen_ms: int
    info: dict[str, Any] = {}


class WorkspaceData(Struct, frozen=True, array_like=True, gc=False):
    """What one workspace knows of a profile, even in a shared scope for itself alone."""

    attributes: dict[str, Attribute] = {}
    consent_state: dict[str, Any] = {}
    devices: tuple[Device, ...] = ()


class Profile(Struct, frozen=True, array_like=True, gc=False):
    """A profile document. ``version`` rises by one for each record that changes it."""

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


def current_by_type(identities: Iterable[Identity]) -> dict[str, Identity]:
    """Return the current identity of each type, in the order in which the types come up."""
    current: dict[str, Identity] = {}
    for identity in identities:
        kind = identity.identity_type
        known = current.setdefault(kind, identity)
        if known is not identity and identity.updated_ms >= known.updated_ms:
            current[kind] = identity
    return current


def without(profile: Profile, identifier: tuple[str, str]) -> Profile:
    """Return *profile* without an identifier, by type and value: the same one if it has it not."""
    left = tuple(i for i in profile.identities if (i.identity_type, i.value) != identifier)
    return profile if len(left) == len(profile.identities) else replace(profile, identities=left)

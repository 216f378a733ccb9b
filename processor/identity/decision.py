"""Decisions as values: who was meant, and why. Journalled, so every field is plain data.

They hold no cycles, so the garbage collector need not look at them.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, get_args

from msgspec import Struct

from processor.identity.model import AliasScope, Identifier, IdentityChange
from processor.identity.profile import Profile


class Skip(Struct, frozen=True, array_like=True, gc=False):
    """An identifier of the request that was not added, and why."""

    identity_type: str
    reason: str
    violation: str | None = None
    """The reason of its violation, where that is not the skip's own reason (flat matching)."""


class ChangeResult(Struct, frozen=True, array_like=True, gc=False):
    """A modify changed the set of identities of this profile."""

    identity_type: str
    modified_mpid: int


class Matched(Struct, frozen=True, tag="matched", gc=False):
    """An existing profile is the user."""

    mpid: int
    matched_on: str | None = None
    """The first identity type of the priority that hit; None for a supplied or previous MPID."""
    candidates: int = 0
    """How many profiles *matched_on* found, before further types narrowed them; 0 without it."""
    matched: tuple[Identifier, ...] = ()
    """Request identifiers on the profile before the update (``matched_identities``)."""
    skipped: tuple[Skip, ...] = ()
    source_mpid: int | None = None
    is_known: bool = False
    is_logged_in: bool = False
    """The profile is known and a login ID of the request is on it, after the update."""
    change_results: tuple[ChangeResult, ...] | None = None
    """Only for modify."""


class Created(Struct, frozen=True, tag="created", gc=False):
    """Nobody matched: a new profile, or a profile with the MPID that the producer chose."""

    mpid: int
    skipped: tuple[Skip, ...] = ()
    source_mpid: int | None = None
    candidates: int = 0
    is_known: bool = False
    is_logged_in: bool = False


class Merged(Struct, frozen=True, tag="merged", gc=False):
    """Several profiles became one (flat matching)."""

    mpid: int
    absorbed: tuple[int, ...]
    matched_on: str | None = None
    candidates: int = 0
    matched: tuple[Identifier, ...] = ()
    skipped: tuple[Skip, ...] = ()
    is_known: bool = False
    is_logged_in: bool = False


class NotFound(Struct, frozen=True, tag="not_found", gc=False):
    """Nobody matched and nothing may be created (search, read_only, update_only)."""

    reason: str = "unknown_user"
    """unknown_user, unknown_mpid or no_attachable_identity: why a batch is dropped."""
    candidates: int = 0
    skipped: tuple[Skip, ...] = ()


class Refused(Struct, frozen=True, tag="refused", gc=False):
    """The request is answered with an error and changes nothing."""

    status: int
    code: str
    message: str
    """Our own words: names rules, strategies and types, never a value."""
    skipped: tuple[Skip, ...] = ()


class Aliased(Struct, frozen=True, tag="aliased", gc=False):
    """An alias request was in order: it was applied, or ignored for a *reason*."""

    source_mpid: int
    destination_mpid: int
    start_ms: int
    end_ms: int
    scope: AliasScope
    device: str | None
    effective_ms: int
    """Before this time events of the window may still arrive, and must not be copied."""
    reason: str | None = None
    """None: applied."""
    full_mpid: int | None = None
    """Where the reason is ``bound``: the profile that cannot take another alias."""
    skipped: tuple[Skip, ...] = ()


Decision = Matched | Created | Merged | NotFound | Refused | Aliased

KINDS: Final[Mapping[type, str]] = MappingProxyType(
    {kind: kind.__struct_config__.tag for kind in get_args(Decision)}
)
"""The name of each kind of decision, the same in journals, metrics and resolutions."""


def change_results(
    changes: Iterable[IdentityChange], pairs: Sequence[tuple[Profile, Profile]]
) -> tuple[ChangeResult, ...]:
    """Return each profile of which the identities of a changed type differ now.

    *pairs* are profiles as they were and as they are, in the order of the answer.
    """
    return tuple(
        ChangeResult(kind, after.mpid)
        for kind in dict.fromkeys(change.identity_type for change in changes)
        for before, after in pairs
        if _values(before, kind) != _values(after, kind)
    )


def _values(profile: Profile, kind: str) -> set[str]:
    return {i.value for i in profile.identities if i.identity_type == kind}

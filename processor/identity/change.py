"""Changes of the identity graph, one value each, violations included. They are journalled."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from processor.identity.difference import difference
from processor.identity.model import AliasRole, AliasScope, Identifier, IdentityPolicy
from processor.identity.profile import Alias, Profile
from processor.identity.types import MP_DEVICEID_TYPE
from processor.identity.view import Burial, Edit


class AliasChange(Struct, frozen=True, array_like=True, gc=False):
    """What a change of kind ``profile_aliased`` says besides its source."""

    role: AliasRole
    destination: int
    start_ms: int
    end_ms: int
    scope: AliasScope
    device: str | None
    """The token of the stamp."""


class Change(Struct, frozen=True, array_like=True, gc=False):
    """One change of identities; fields that its kind does not have are None or empty."""

    change: str
    mpid: int | None
    version: int | None
    identity_type: str | None = None
    token: str | None = None
    """Hex digits; values of identifiers are never in a change."""
    reason: str | None = None
    moved_from: int | None = None
    moved_to: int | None = None
    source: int | None = None
    absorbed: tuple[int, ...] = ()
    alias: AliasChange | None = None
    time_ms: int | None = None
    """When it happened, where that is not the time of the record."""


def endings(burials: Iterable[Burial], time_ms: int | None = None) -> list[Change]:
    """Return the changes that say that profiles have ended: their identities went with them."""
    return [
        Change("profile_erased", grave.mpid, grave.version, reason=grave.why, time_ms=time_ms)
        for grave in (burial.grave for burial in burials)
    ]


def identity_changes(
    edits: Sequence[Edit], policy: IdentityPolicy, token: Callable[[Identifier], bytes]
) -> list[Change]:
    """Return the changes of one record: the difference of its profiles before and after.

    As they are read off the profiles, replaying them by profile and version gives the same
    identities.
    """
    edits = [edit for edit in edits if not _is_of_data(edit)]
    if not edits:
        return []
    lost: dict[Identifier, int] = {}
    gained: dict[Identifier, int] = {}
    differences = []
    for edit in edits:
        removed, added = difference(edit.before, edit.after)
        lost.update(dict.fromkeys(removed, edit.after.mpid))
        gained.update(dict.fromkeys(added, edit.after.mpid))
        differences.append((edit, removed, added))
    moves = _Moves(lost, gained, policy, token)
    changes: list[Change] = []
    for edit, removed, added in differences:
        changes += _beginnings(edit)
        for identifier in removed:
            changes += moves.removal(edit.after, identifier)
        if lost:
            changes += [moves.addition(edit.after, identifier) for identifier in added]
        else:
            its = edit.after.mpid, edit.after.version
            changes += [
                Change("identity_added", *its, i.identity_type, token(i).hex()) for i in added
            ]
        changes += _endings(edit)
        if edit.after.more.aliases:
            changes += [_aliased(edit.after, alias, token) for alias in _new_aliases(edit)]
    return changes


def _is_of_data(edit: Edit) -> bool:
    """Whether an edit leaves alone whatever changes tell of, as most do."""
    before, after = edit.before, edit.after
    return (
        before is not None
        and before.identities is after.identities
        and before.absorbed is after.absorbed
        and before.merged_into == after.merged_into
        and before.source_mpid == after.source_mpid
        and before.more.aliases is after.more.aliases
    )


class _Moves(Struct, frozen=True):
    """Which identifiers one record took from profiles and gave to others."""

    lost: dict[Identifier, int]
    gained: dict[Identifier, int]
    policy: IdentityPolicy
    token: Callable[[Identifier], bytes]

    def removal(self, after: Profile, identifier: Identifier) -> list[Change]:
        """Return the changes that say that a profile lost an identifier."""
        kind, text = identifier.identity_type, self.token(identifier).hex()
        mpid, version, to = after.mpid, after.version, self.gained.get(identifier)
        if to is not None and self._has_owner(kind):
            moved = Change(
                "identity_moved", mpid, version, kind, text, moved_from=mpid, moved_to=to
            )
            return [moved]
        removed = Change("identity_removed", mpid, version, kind, text)
        if to is None:
            return [removed]
        # A shared identifier had too many holders (docs/decisions.md, "Bounds").
        return [removed, Change("violation", mpid, version, kind, reason="max_holders")]

    def addition(self, after: Profile, identifier: Identifier) -> Change:
        """Return the change that says that a profile gained an identifier."""
        kind, text = identifier.identity_type, self.token(identifier).hex()
        mpid, version, source = after.mpid, after.version, self.lost.get(identifier)
        if source is not None and self._has_owner(kind):
            return Change(
                "identity_moved", mpid, version, kind, text, moved_from=source, moved_to=mpid
            )
        return Change("identity_added", mpid, version, kind, text)

    def _has_owner(self, kind: str) -> bool:
        """Whether an identity of this type has one owner, so that it moves and is not shared.

        Where every identifier has one, so has one of a type that is not configured any more:
        merges take it along.
        """
        return kind in self.policy.unique_ids or self.policy.traits.has_one_owner


def _beginnings(edit: Edit) -> list[Change]:
    """Return the changes that come before those of identities: creation, and merges."""
    before, after = edit.before, edit.after
    changes = []
    if before is None:
        changes.append(Change("profile_created", after.mpid, after.version))
    absorbed = after.absorbed[0 if before is None else len(before.absorbed) :]
    if absorbed:
        changes.append(Change("profile_merged", after.mpid, after.version, absorbed=absorbed))
    return changes


def _endings(edit: Edit) -> list[Change]:
    """Return the changes that come after those of identities: a new source, and orphaning."""
    before, after = edit.before, edit.after
    changes = []
    if after.source_mpid is not None and (before is None or before.source_mpid is None):
        changes.append(
            Change("profile_linked", after.mpid, after.version, source=after.source_mpid)
        )
    had_any = before is not None and bool(before.identities)
    if had_any and not after.identities and after.merged_into is None:
        changes.append(Change("profile_orphaned", after.mpid, after.version))
    return changes


def _new_aliases(edit: Edit) -> tuple[Alias, ...]:
    had = 0 if edit.before is None else len(edit.before.more.aliases)
    return edit.after.more.aliases[had:]


def _aliased(after: Profile, alias: Alias, token: Callable[[Identifier], bytes]) -> Change:
    """Return the change that says that a profile has another alias."""
    ends = (after.mpid, alias.mpid) if alias.role == "source" else (alias.mpid, after.mpid)
    source, destination = ends
    stamp = None
    if alias.device is not None:
        stamp = token(Identifier(MP_DEVICEID_TYPE, alias.device)).hex()
    its = AliasChange(alias.role, destination, alias.start_ms, alias.end_ms, alias.scope, stamp)
    return Change("profile_aliased", after.mpid, after.version, source=source, alias=its)

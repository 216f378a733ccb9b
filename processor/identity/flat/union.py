"""The union of the profiles that evidence leads to: how many values of each type it would have."""

from collections import Counter
from collections.abc import Iterable, Iterator

from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Profile


class Union:
    """The final profile of flat matching: members and new identifiers, counted as one profile.

    Parts can only be dropped. Dropping them all, one by one, costs no more than adding them did: a
    record with a thousand identifiers is decided in linear time.
    """

    def __init__(
        self,
        members: Iterable[Profile],
        new: Iterable[Identifier],
        policy: IdentityPolicy,
        time_ms: int,
    ) -> None:
        self._limits = policy.limits
        self._held: Counter[Identifier] = Counter()
        self._totals: Counter[str] = Counter()
        self._members: dict[int, list[Identifier]] = {}
        ranks: dict[str, list[tuple[int, int]]] = {}
        for profile in members:
            counted = list(_counted(profile, policy, time_ms))
            self._members[profile.mpid] = counted
            for kind, count in Counter(i.identity_type for i in counted).items():
                ranks.setdefault(kind, []).append((count, profile.mpid))
            self._add(counted)
        self._add(new)
        self._ranks = {kind: sorted(counts) for kind, counts in ranks.items()}
        self.excess = {kind for kind in self._totals if self._is_exceeded(kind)}
        """Types over their limit in the final profile, unless one member alone holds as many."""

    def drop_new(self, identifier: Identifier) -> None:
        """Leave a new identifier out."""
        self._drop([identifier])

    def drop_member(self, mpid: int) -> None:
        """Leave a profile out."""
        self._drop(self._members.pop(mpid))

    @property
    def reason(self) -> str:
        """The reason of a violation: ``time_limit`` where only limits with a window are passed."""
        is_for_ever = any(self._limits[kind].window_ms is None for kind in self.excess)
        return "limit" if is_for_ever else "time_limit"

    def _add(self, identifiers: Iterable[Identifier]) -> None:
        for identifier in identifiers:
            self._held[identifier] += 1
            if self._held[identifier] == 1:
                self._totals[identifier.identity_type] += 1

    def _drop(self, identifiers: Iterable[Identifier]) -> None:
        for identifier in identifiers:
            self._held[identifier] -= 1
            if not self._held[identifier]:
                self._totals[identifier.identity_type] -= 1
        # No type comes into excess by dropping: its total and its largest member shrink alike.
        self.excess = {kind for kind in self.excess if self._is_exceeded(kind)}

    def _is_exceeded(self, kind: str) -> bool:
        total = self._totals[kind]
        if total <= self._limits[kind].count:
            return False
        ranks = self._ranks.get(kind, [])
        while ranks and ranks[-1][1] not in self._members:
            ranks.pop()
        return not ranks or total > ranks[-1][0]


def _counted(profile: Profile, policy: IdentityPolicy, time_ms: int) -> Iterator[Identifier]:
    """Yield the identities of *profile* added within the window, or after *time_ms*."""
    for identity in profile.identities:
        limit = policy.limits.get(identity.identity_type)
        if limit is None:
            continue
        if limit.window_ms is None or time_ms - identity.added_ms < limit.window_ms:
            yield Identifier(identity.identity_type, identity.value)

"""How many values of each type the final profile would have."""

from collections import Counter
from collections.abc import Iterable, Iterator

from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Profile


class Union:
    """The profiles that evidence leads to and its new identifiers, taken as one.

    It can only be made smaller. Taking all of it away, piece by piece, costs no more than putting
    it together: a record with a thousand identifiers is decided in linear time.
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
        """Take a new identifier away."""
        self._drop([identifier])

    def drop_member(self, mpid: int) -> None:
        """Take a profile away."""
        self._drop(self._members.pop(mpid))

    @property
    def reason(self) -> str:
        """The reason of a violation: ``limit`` also where a time limit is passed as well."""
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
        # What is no excess now never becomes one: a type's total and its largest share fall alike.
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
    """Yield the identities of *profile* that count at *time_ms*; later ones count too."""
    for identity in profile.identities:
        limit = policy.limits.get(identity.identity_type)
        if limit is None:
            continue
        if limit.window_ms is None or time_ms - identity.added_ms < limit.window_ms:
            yield Identifier(identity.identity_type, identity.value)

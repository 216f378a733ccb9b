"""Flat matching step by step, without any thought of cost (docs/strategies.md, "flat_matching")."""

from msgspec import Struct, field

from processor.identity.model import Identifier, IdentityPolicy


class Person(Struct):
    label: int
    created_ms: int
    merges: int = 0
    added: dict[Identifier, int] = field(default_factory=dict)
    """Identifiers with the time at which they were added."""


class Outcome(Struct, frozen=True):
    kind: str
    label: int | None
    demoted: tuple[tuple[Identifier, str], ...] = ()
    absorbed: frozenset[int] = frozenset()


class Reference:
    """All profiles of a space; *label* of a new one is whatever the caller says."""

    def __init__(self, policy: IdentityPolicy) -> None:
        self.policy = policy
        self.people: list[Person] = []

    def resolve(self, identifiers: tuple[Identifier, ...], time_ms: int, label: int) -> Outcome:
        ids = sorted(identifiers, key=lambda i: self.policy.priority.index(i.identity_type))
        demoted = []
        while ids and (excess := self._excess(ids, time_ms)):
            ids.remove(gone := self._weakest(ids, excess))
            is_for_ever = any(self.policy.limits[kind].window_ms is None for kind in excess)
            demoted.append((gone, "limit" if is_for_ever else "time_limit"))
        kept = tuple(demoted)
        if not ids:
            return Outcome("none", None, kept)
        members = self._members(ids)
        if not members:
            person = Person(label, time_ms)
            self.people.append(person)
            self._add(person, ids, time_ms)
            return Outcome("created", label, kept)
        if sum(p.merges for p in members) + len(members) - 1 > self.policy.max_merges:
            owner = next(p for i in ids for p in members if i in p.added)
            return Outcome("matched", owner.label, kept)
        survivor, *absorbed = sorted(members, key=lambda p: (p.created_ms, p.label))
        for person in absorbed:
            survivor.added |= person.added
            survivor.merges += person.merges + 1
            self.people.remove(person)
        self._add(survivor, ids, time_ms)
        kind = "merged" if absorbed else "matched"
        return Outcome(kind, survivor.label, kept, frozenset(p.label for p in absorbed))

    def _members(self, ids: list[Identifier]) -> list[Person]:
        return [p for p in self.people if any(i in p.added for i in ids)]

    def _add(self, person: Person, ids: list[Identifier], time_ms: int) -> None:
        for identifier in ids:
            if identifier not in person.added and len(person.added) < self.policy.max_mappings:
                person.added[identifier] = time_ms

    def _excess(self, ids: list[Identifier], time_ms: int) -> set[str]:
        members = self._members(ids)
        final = {i: at for p in members for i, at in p.added.items()}
        final = {**dict.fromkeys(ids, time_ms), **final}
        excess = set()
        for kind, limit in self.policy.limits.items():
            count = self._count(final, kind, time_ms)
            alone = [self._count(p.added, kind, time_ms) for p in members]
            if count > limit.count and all(count > one for one in alone):
                excess.add(kind)
        return excess

    def _count(self, added: dict[Identifier, int], kind: str, time_ms: int) -> int:
        window = self.policy.limits[kind].window_ms
        return sum(
            i.identity_type == kind and (window is None or time_ms - at < window)
            for i, at in added.items()
        )

    def _weakest(self, ids: list[Identifier], excess: set[str]) -> Identifier:
        if self.policy.demotion == "lowest":
            return ids[-1]
        return next(i for i in reversed(ids) if i.identity_type in excess or self._members([i]))

"""Whom the sweeps of a run took, and the index by which the reference takes the same people.

How many a sweep takes does not follow from the order of decisions: one that met a conflict takes
half, one that was in hand as a process died takes a single person, and a read may end before all
are read. The rest follow in sweeps of their own, behind whatever was decided in between. So the
reference is told whom each one took, by what was published of it. Whether they are due, and what
becomes of them, it works out by itself.
"""

import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from processor.clock.place import shard_of
from processor.clock.wheel import Entry, Moves, Take, Wheel
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.derivation import IsLookup
from processor.index.memory import MemoryIndex
from tests.faults.oracle import Published, Source


def swept(published: Published) -> dict[Source, dict[int, int]]:
    """Return of whom each sweep published a document, a tombstone or a change.

    With the highest version of each person that it published.
    """
    outcomes = published.outcomes()
    sweeps = {s for s, one in outcomes.items() if one["outcome"] == "swept"}
    found: dict[Source, dict[int, int]] = defaultdict(dict)
    for role in ("profiles", "changes", "audience_changes"):
        for one in published.by_role.get(role, ()):
            if (source := one.source) in sweeps:
                mpid = int((one.key or b"").rpartition(b"/")[2])
                found[source][mpid] = max(found[source].get(mpid, 0), one.version)
    return found


class RetoldWheel(Wheel):
    """A wheel that brings those entries that it is told to, wherever in their bucket they stand."""

    def __init__(self) -> None:
        super().__init__()
        self.whom: Collection[int] = ()
        self.exactly: Collection[Entry] = ()
        """Those entries of them that are meant, where that is known, and they are there."""

    def take(self, take: Take) -> tuple[Entry, ...]:
        """Return of what is open the entries that are meant; how many there are is known."""
        found = super().take(replace(take, most=sys.maxsize))
        exact = {entry.mpid for entry in found if entry in self.exactly}
        return tuple(
            entry
            for entry in found
            if entry.mpid in self.whom and (entry in self.exactly or entry.mpid not in exact)
        )

    def is_at_front(self, taken: Sequence[Entry]) -> bool:
        """Whether they are there: the reference is alone with its wheel."""
        return True

    def move(self, moves: Moves) -> None:
        """Take entries out, and append others."""
        for entry in moves.taken:
            key = shard_of(entry.mpid), entry.bucket
            self._lists[key].remove(entry.mpid)
            if not self._lists[key]:
                del self._lists[key]
        super().move(replace(moves, taken=()))


class RetoldIndex(MemoryIndex):
    """The index of the reference, in which each sweep takes whom it took in the run."""

    def __init__(
        self,
        token_key: bytes,
        whom: Mapping[Source, Mapping[int, int]],
        taken: Mapping[Source, Collection[Entry]],
    ) -> None:
        """Let sweeps take *whom* they published; *taken* are their entries, where known."""
        super().__init__(token_key)
        self._whom = whom
        self._taken = taken
        self._wheels: dict[Space, RetoldWheel] = {}

    def begin_with(self, profiles: Iterable[Profile], is_lookup: Mapping[str, IsLookup]) -> None:
        """Begin with *profiles*, as a restore has left them."""
        self.load(profiles, is_lookup)
        for space, held in self._spaces.items():
            wheel = RetoldWheel()
            wheel.move(Moves(entered=list(held.wheel.entries())))
            held.wheel = self._wheels[space] = wheel

    def begin(self, source: Source) -> None:
        """Note which record is decided next.

        A document that is no newer than it is now was owed, and only ascribed to that record.
        """
        its, taken = self._whom.get(source, {}), self._taken.get(source, ())
        for space, wheel in self._wheels.items():
            profiles = self._spaces[space].profiles
            known = ((profiles.get(mpid), version) for mpid, version in its.items())
            wheel.whom = {one.mpid for one, version in known if one and one.version < version}
            wheel.whom |= {entry.mpid for entry in taken}
            wheel.exactly = taken

    def _space(self, space: Space) -> Any:
        held = super()._space(space)
        if space not in self._wheels:
            held.wheel = self._wheels[space] = RetoldWheel()
        return held

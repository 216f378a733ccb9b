"""Erasures in a restoration: cases are set up before any profile is, and whom they have erased.

No document of theirs counts any more, whatever its version (docs/privacy.md, "Crash, replay,
restore").
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from processor.clock.wheel import Entry
from processor.identity.grave import Grave
from processor.identity.marker import Marker
from processor.identity.profile import Profile
from processor.identity.view import canonical
from processor.index.derivation import Tombstone
from processor.privacy.case import Case
from processor.privacy.restoring import effects_of, graves_among
from processor.profiles.document import pack_grave
from processor.redis import keys
from processor.redis.generations import NewGeneration

HIGHEST: Final = 2**62
"""The version of a grave, where a tombstone names none: whoever lives again begins above it."""
_AT_ONCE: Final = 200


class Erasures:
    """The cases of a space under restoration, and those whom they have erased."""

    def __init__(self, generation: NewGeneration) -> None:
        self._generation = generation
        self._graves: dict[int, Grave] = {}
        self._left: dict[int, Tombstone] = {}

    @property
    def left(self) -> list[Tombstone]:
        """The tombstones that the topic lacks: a document is the last that it has of them."""
        return list(self._left.values())

    @property
    def count(self) -> int:
        """How many profiles the cases have erased."""
        return len(self._graves)

    def set_up(self, cases: Iterable[Case]) -> None:
        """Set *cases* up, with their markers and places in the wheel: one version of each."""
        came = list(cases)
        self._graves |= graves_among(came)
        for at in range(0, len(came), _AT_ONCE):
            self._set_up(came[at : at + _AT_ONCE])

    def _set_up(self, cases: Sequence[Case]) -> None:
        values: dict[bytes, bytes] = {}
        entered: list[Entry] = []
        marks: dict[bytes, list[Marker]] = {}
        holders: dict[bytes, list[int]] = {}
        for effects in map(effects_of, cases):
            for number, document in effects.filing.documents.items():
                values[self._generation.document_name(number)] = document.data
            for identifier, numbers in effects.holders.items():
                holders.setdefault(self._generation.entry_name(identifier), []).extend(numbers)
            for token, marker in effects.filing.marks:
                marks.setdefault(b"i:" + token, []).append(marker)
            entered += effects.moves.entered
        names = [*{**marks, **holders}]
        for name, stored in zip(names, self._generation.values(names), strict=True):
            there = stored or b""
            held = canonical((*keys.unpack_holders(there), *holders.get(name, ())))
            its = {*keys.unpack_markers(there), *marks.get(name, ())}
            values[name] = keys.pack_entry(held, tuple(sorted(its))).encode()
        self._generation.write(values, entered)

    def has_erased(self, record: Profile | Tombstone) -> bool:
        """Note a record of the topic; return whether it is of somebody whom a case has erased."""
        grave = self._graves.get(record.mpid)
        if grave is None:
            return False
        is_gone = isinstance(record, Tombstone)
        version = min(record.version, HIGHEST) if is_gone else record.version + 1
        if version > grave.version:
            self._graves[record.mpid] = grave = replace(grave, version=version)
        if is_gone:
            self._left.pop(record.mpid, None)
        else:
            place = record.scope, record.environment, record.mpid
            self._left[record.mpid] = Tombstone(*place, grave.version, grave.time_ms, "erased")
        return True

    def bury(self) -> None:
        """Write the graves of those who were erased: each goes with its case, and no sooner."""
        for some in self._lots():
            values = {self._generation.document_name(g.mpid): pack_grave(g) for g in some}
            self._generation.write(values)

    def _lots(self) -> Iterator[list[Grave]]:
        graves = list(self._graves.values())
        for at in range(0, len(graves), _AT_ONCE):
            yield graves[at : at + _AT_ONCE]

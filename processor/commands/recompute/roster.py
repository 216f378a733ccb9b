"""Whom a recompute has read of and not named yet, and up to where everybody is named. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from processor.clock.wheel import MOST
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.derivation import Tombstone
from processor.records import Record

Places = Mapping[int, int]
"""Offsets by partition: everybody before them is named."""

_PLACE: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,18})", re.ASCII)


class Roster:
    """The profiles of one scope that are to be named, each once as long as it is held."""

    def __init__(self, scope: str, places: Places) -> None:
        self.scope = scope
        self._held: dict[tuple[Space, int], None] = {}
        self._read = dict(places)
        self._places = dict(places)

    @property
    def places(self) -> Places:
        """Up to where everybody is named: a run may begin there."""
        return self._places

    def __len__(self) -> int:
        return len(self._held)

    def add(
        self, records: Iterable[Record], found: Mapping[Space, Sequence[Profile | Tombstone]]
    ) -> None:
        """Take up the profiles that were *found* in *records*; merged and erased ones are none."""
        for space, ones in found.items():
            if space.scope == self.scope:
                for one in ones:
                    if isinstance(one, Profile) and one.merged_into is None:
                        self._held[space, one.mpid] = None
        for record in records:
            self._read[record.partition] = record.offset + 1
        self._note_places()

    def take(self, most: int) -> list[tuple[Space, list[int]]]:
        """Return at most *most* profiles that are held, in lots that one sweep may name."""
        by_space: dict[Space, list[int]] = {}
        for space, mpid in islice(self._held, most):
            by_space.setdefault(space, []).append(mpid)
        return [
            (space, mpids[at : at + MOST])
            for space, mpids in by_space.items()
            for at in range(0, len(mpids), MOST)
        ]

    def strike(self, lots: Iterable[tuple[Space, Sequence[int]]]) -> None:
        """Forget those who are named now."""
        for space, mpids in lots:
            for mpid in mpids:
                del self._held[space, mpid]
        self._note_places()

    def _note_places(self) -> None:
        if not self._held:
            self._places = dict(self._read)


def places_in(text: str) -> dict[int, int] | None:
    """Return the places that *text* names, as ``places_as_text`` writes them; None: it does not."""
    matches = [_PLACE.fullmatch(part) for part in text.split(",")] if text else []
    found = {int(match[1]): int(match[2]) for match in matches if match is not None}
    return found if len(found) == len(matches) else None


def places_as_text(places: Places) -> str:
    """Return *places* as ``PARTITION/OFFSET``, with commas between them."""
    return ",".join(f"{partition}/{offset}" for partition, offset in sorted(places.items()))

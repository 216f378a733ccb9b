"""The wheel of one space in memory, and what is asked of a wheel wherever it is kept."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from processor.clock.bucket import bucket_named
from processor.clock.place import shard_of

MOST: Final = 200
"""Persons that are taken at once."""


class Entry(Struct, frozen=True, gc=False):
    """That a profile stands in a bucket."""

    bucket: str
    mpid: int


class Take(Struct, frozen=True):
    """Asks for the entries at the front of a shard's buckets that are open at an instant."""

    shard: int
    as_of_ms: int
    most: int = MOST


class Moves(Struct, frozen=True):
    """What a commit changes of the wheel, with the documents that it writes."""

    taken: Sequence[Entry] = ()
    """What is taken off the front: as a take returned it, of one shard."""
    entered: Sequence[Entry] = ()
    """What is appended."""
    set_aside: Sequence[int] = ()
    """Profiles that are put on the shelf of their shard, where no sweep comes.

    Whoever is entered again is taken from it.
    """


STILL = Moves()


class Wheel:
    """Lists of MPIDs by shard and bucket. What is put in is there until it is taken off."""

    def __init__(self) -> None:
        self._lists: dict[tuple[int, str], deque[int]] = {}
        self._shelves: dict[int, list[int]] = {}

    def opening_ms(self, shard: int) -> int | None:
        """Return when the first bucket of *shard* that holds something opens."""
        return min((opens for opens, _ in self._buckets(shard)), default=None)

    def take(self, take: Take) -> tuple[Entry, ...]:
        """Return what *take* asks for, in the order in which the buckets opened."""
        found: list[Entry] = []
        for opens, name in sorted(self._buckets(take.shard)):
            if opens > take.as_of_ms:
                break
            its = self._lists[take.shard, name]
            found += [Entry(name, mpid) for mpid in list(its)[: take.most - len(found)]]
            if len(found) == take.most:
                break
        return tuple(found)

    def is_at_front(self, taken: Sequence[Entry]) -> bool:
        """Whether exactly these entries stand at the front of their buckets."""
        by_list: dict[tuple[int, str], list[int]] = {}
        for entry in taken:
            by_list.setdefault((shard_of(entry.mpid), entry.bucket), []).append(entry.mpid)
        return all(
            list(self._lists.get(key, ()))[: len(mpids)] == mpids for key, mpids in by_list.items()
        )

    def move(self, moves: Moves) -> None:
        """Take entries off, and append others."""
        for entry in moves.taken:
            key = shard_of(entry.mpid), entry.bucket
            self._lists[key].popleft()
            if not self._lists[key]:
                del self._lists[key]
        for entry in moves.entered:
            key = shard_of(entry.mpid), entry.bucket
            self._lists.setdefault(key, deque()).append(entry.mpid)
            if entry.mpid in (shelf := self._shelves.get(key[0], [])):
                shelf.remove(entry.mpid)
        for mpid in moves.set_aside:
            self._shelves.setdefault(shard_of(mpid), []).append(mpid)

    def entries(self) -> Iterator[Entry]:
        """Yield every entry."""
        for (_, name), its in self._lists.items():
            yield from (Entry(name, mpid) for mpid in its)

    def set_aside(self, shard: int) -> int:
        """Return how many profiles of *shard* were set aside."""
        return len(self._shelves.get(shard, ()))

    def _buckets(self, shard: int) -> Iterator[tuple[int, str]]:
        for its_shard, name in self._lists:
            bucket = bucket_named(name)
            if its_shard == shard and bucket is not None:
                yield bucket.opens_ms, name

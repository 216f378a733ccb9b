"""Sights: the index as those see it who only read, such as ``idstream serve``.

:class:`Reader` is implemented twice like the index itself: on Redis (``processor.redis.reader``)
and, for tests, over the index in memory.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from processor.identity.model import Identifier, Space
from processor.identity.view import ReadSet
from processor.index.memory import MemoryIndex
from processor.index.port import Ask


class Sight(Struct):
    """What was asked for, as it was in one instant of a space."""

    seq: int
    """How many commits and claims the space had had: the later sight has the higher one."""
    found: ReadSet
    """More may be in it than was asked for: calls of one moment share a sight."""


class Head(NamedTuple):
    """The profile that an MPID leads to, merge pointers followed, and its version."""

    mpid: int
    version: int


class Reader(Protocol):
    """The index of every space, read-only.

    A sight is one instant of one space, and later than everything that had been acknowledged
    before it was asked for. Only where more is asked for than an instant may hold (4 MiB) it
    consists of several. Raises IndexUnavailable where there was no answer in time, IndexRefused
    where there never will be one.
    """

    async def look(self, space: Space, asks: Sequence[Ask]) -> Sight:
        """Return holders and profiles that *asks* name; uses of request ids are not looked at."""
        ...

    async def head(self, space: Space, mpid: int) -> Head | None:
        """Return whom *mpid* leads to without reading the document; None where to nobody."""
        ...

    def token(self, identifier: Identifier) -> bytes:
        """Return the 16 bytes that stand for *identifier* in change events."""
        ...

    async def close(self) -> None:
        """Give up every connection."""
        ...


class MemoryReader:
    """A reader of an index in memory."""

    def __init__(self, index: MemoryIndex) -> None:
        self._index = index

    async def look(self, space: Space, asks: Sequence[Ask]) -> Sight:
        """Return holders and profiles that *asks* name."""
        asked = [Ask(ask.identifiers, ask.mpids) for ask in asks]
        reading = self._index.visit(space, {}, asked)
        sight = Sight(reading.seq, reading.found)
        while (covered := reading.covered) < len(asked):
            asked = asked[covered:]
            reading = self._index.visit(space, {}, asked)
            sight = with_more(sight, reading.seq, reading.found)
        return sight

    async def head(self, space: Space, mpid: int) -> Head | None:
        """Return whom *mpid* leads to."""
        profiles = (await self.look(space, [Ask(mpids=(mpid,))])).found.profiles
        found = profiles[mpid]
        while found is not None and found.merged_into is not None:
            found = profiles[found.merged_into]
        return None if found is None else Head(found.mpid, found.version)

    def token(self, identifier: Identifier) -> bytes:
        """Return the 16 bytes that stand for *identifier*."""
        return self._index.token(identifier)

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def with_more(sight: Sight, seq: int, found: ReadSet) -> Sight:
    """Return *sight* with what a later instant has found of the rest."""
    seen = sight.found
    return Sight(
        seq,
        ReadSet(
            {**seen.holders, **found.holders},
            {**seen.profiles, **found.profiles},
            {**seen.graves, **found.graves},
        ),
    )

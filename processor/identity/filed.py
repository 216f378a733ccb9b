"""Filed documents: what the index keeps beside profiles, under numbers of their own."""

from msgspec import Struct, field

from processor.clock.wheel import Entry
from processor.identity.marker import Marker


class Filed(Struct, frozen=True, gc=False):
    """A document that is no profile, as the index stores it: only who filed it knows what it says.

    Versions, places in the wheel and debts are those of profiles; it has no index entries.
    """

    mpid: int
    """Its number: of the same space as MPIDs, and derived in the same way."""
    version: int
    data: bytes
    """Empty: the document is taken away."""


class Filing(Struct, frozen=True):
    """What is written beside profiles and graves, with them in one commit."""

    documents: dict[int, Filed] = field(default_factory=dict)
    marks: list[tuple[bytes, Marker]] = field(default_factory=list)
    """Markers that identifiers get, by their tokens; records of the same commit do not see them."""
    unmarks: list[tuple[bytes, Marker]] = field(default_factory=list)
    """Markers that identifiers lose, before they get others."""
    exhumed: list[int] = field(default_factory=list)
    """MPIDs whose graves are taken away."""
    entered: list[Entry] = field(default_factory=list)
    """Entries of the documents in the wheel."""

"""What the pipeline asks of the index of one space, and what it gets.

``processor.index`` implements it twice, on Redis and in memory; one contract suite holds both to
it. Rows, cursors, epochs, journals, witnesses, claims: see docs/glossary.md.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.identity.view import Effects, Holders, ReadSet
from processor.records import RowKey


class Assignment(Struct, frozen=True):
    """An input partition just assigned to this process, with what Kafka knows of its position."""

    topic: str
    partition: int
    topic_id: str
    """Tells a recreated topic from the one before it."""
    committed: int | None
    """The group's committed offset; None where it has none."""
    metadata: str
    """That offset's metadata, '' where none: the witnesses (``processor.pipeline.journal``)."""
    is_moved: bool = False
    """True where the group's offset is outside the log and ``--accept-offsets`` replaced it by the
    nearest one inside.
    """

    @property
    def row(self) -> RowKey:
        """The partition."""
        return RowKey(self.topic, self.partition)


class Use(Struct, frozen=True, gc=False):
    """The use of a ``source_request_id`` by the record at ``coordinates``.

    *token* already names workspace, input and id. A claim of another record counts while the two
    record times are less than *window_ms* apart, in either direction.
    """

    token: bytes
    time_ms: int
    window_ms: int
    coordinates: str
    """``topic/partition/offset`` of the record that used it."""


class Ask(Struct, frozen=True, gc=False):
    """What one record may touch. Holders' documents and survivors of merges come along unasked."""

    identifiers: tuple[Identifier, ...] = ()
    mpids: tuple[int, ...] = ()
    use: Use | None = None


class Trim(Struct, frozen=True):
    """Journal chunks whose transaction committed, and what the changelog has of their profiles.

    The oldest *chunks* of the row's journal are dropped. Of the profiles in *published* the row
    *owes* those of which the index holds a newer version than the one named (0: never published by
    us): another processor overtook us, and compaction may keep what we appended. The row remembers
    them until a later trim names a version that is not overtaken.
    """

    row: RowKey
    chunks: int
    published: dict[int, int]


class Mark(Struct, frozen=True):
    """What is noted in a row before records of it are looked at (``pipeline.quarantine``)."""

    row: RowKey
    taken: int
    """The offset after the last record in hand."""
    alone: int = -1
    """The record that is in hand alone, -1 where there are several."""
    tries: int = 0
    """How often that record was taken alone, this time included."""


class Reading(Struct):
    """The answer to a read: one instant of the space."""

    covered: int
    """How many of the asks it covers, in order: at least one, unless none were made."""
    seq: int
    found: ReadSet
    duplicates: tuple[bool, ...]
    """For each covered ask: whether another record had claimed its ``source_request_id`` before."""
    owed: tuple[tuple[int, ...], ...] = ()
    """For each trim, the profiles that its row owes the changelog now."""
    newer: dict[int, Profile] = {}
    """Documents of owed profiles (within a bound): they go out with the next transaction."""


class RowAdvance(Struct, frozen=True):
    """A commit's effect on one row: its cursor moves, *chunk* joins its journal."""

    row: RowKey
    epoch: int
    expected_cursor: int | None
    cursor: int
    chunk: bytes
    """Encoded entries (``pipeline.journal``); the index stores the commit's seq beside them."""


class Commit(Struct, frozen=True):
    """All effects were written, atomically, as commit number *seq* of the space."""

    seq: int


class Conflict(Struct, frozen=True):
    """Something that was read has changed: nothing was written.

    *found* is the whole read set as it is now.
    """

    seq: int
    found: ReadSet


class RowClaim(Struct, frozen=True):
    """A partition just assigned: *topic_id* tells a recreated topic, whose row starts anew."""

    row: RowKey
    topic_id: str
    seen: int = 0
    """The highest seq of the space that any committed offset of the group has seen."""
    anew: bool = False
    """The operator begins somewhere of his own: the cursor says nothing of it and is forgotten."""


class RowState(Struct, frozen=True):
    """A row after its claim."""

    row: RowKey
    epoch: int
    cursor: int | None
    """The offset after the last journalled record; None where the row never moved.

    As it was: a claim anew returns it once, and forgets it.
    """
    config: str
    """Fingerprint of the identity settings the row was last claimed or moved under; '' if new."""
    chunks: tuple[tuple[int, bytes], ...]
    """The journal, oldest first: (seq of the commit, encoded entries)."""
    owed: tuple[int, ...] = ()
    """Profiles that the row owes the changelog, see Trim."""
    mark: Mark | None = None
    """The last one of the row."""


class ClaimReply(Struct, frozen=True):
    """The answer to a claim of rows."""

    seq: int
    rows: tuple[RowState, ...]
    shape: str = ""
    """What the entries of the space are derived by; '' where nobody said (:func:`shape`).

    While a rebuild is under way perhaps its announcement (:func:`begun`).
    """


class Index(Protocol):
    """The identity index, profile store and journal of every space.

    Each method is one atomic instant of one space and raises IndexUnavailable, LostWrites or
    Fenced. *epochs* are the caller's rows with the epochs its claims returned: a higher one in
    the store raises Fenced, a lower or missing one LostWrites; so does a seq below one that this
    process saw.
    """

    def claim(
        self, space: Space, owner: str, config: str, rows: Sequence[RowClaim], shape: str
    ) -> ClaimReply:
        """Raise the epoch of each row and the space's seq by one; return rows and journals.

        *owner* names the consumer group and Kafka cluster: the first binds the space. So does the
        first *shape*, until a rebuild gives it another: under another one nothing is claimed, and
        what the space has is returned without rows.
        The stored fingerprint of a row is returned as it was, then replaced by *config* once its
        journal is empty or unchanged; see RowState.config.
        Raises LostWrites before anything is raised where seq is below what a row claim has seen:
        claims themselves raise seq, and would wear the difference off.
        """
        ...

    def visit(
        self,
        space: Space,
        epochs: dict[RowKey, int],
        asks: Sequence[Ask],
        trims: Sequence[Trim] = (),
        marks: Sequence[Mark] = (),
    ) -> Reading:
        """Return what *asks* name, claim their request ids, and trim journals, in one instant.

        *marks* are noted in their rows, which must be among *epochs*.

        Stops after a bound of keys and bytes (``covered``). With no asks and no trims it only
        checks epochs and seq: the idle check.
        """
        ...

    def commit(
        self, space: Space, effects: Effects, advances: Sequence[RowAdvance]
    ) -> Commit | Conflict:
        """Check all that was read, then write all effects, advance rows, append journals."""
        ...

    def token(self, identifier: Identifier) -> bytes:
        """Return the 16 bytes that stand for *identifier* in keys and changes (keyed blake2b)."""
        ...


def canonical(holders: Iterable[int]) -> Holders:
    """Return *holders* in the one order in which they are stored: holders are a set."""
    return tuple(sorted(set(holders)))

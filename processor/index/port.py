"""The index as the pipeline sees it: the port, and the values that go in and come out.

It is implemented twice, on Redis (``processor.redis``) and in memory (``index.memory``); one
contract suite holds both to it. Begin with :class:`Index`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from processor.clock.wheel import Entry, Take
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.identity.view import Effects, ReadSet
from processor.records import RowKey


class Assignment(Struct, frozen=True):
    """An input partition that Kafka has assigned, with what Kafka knows of its position."""

    topic: str
    partition: int
    topic_id: str
    """Kafka's id of the topic: a topic made anew under an old name has another one."""
    committed: int | None
    """The group's committed offset; None where it has none."""
    metadata: str
    """That offset's metadata, '' where none: the witnesses (``pipeline.witness``)."""
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

    The record is a duplicate where another record used the same id and the times of the two are
    less than *window_ms* apart, in either direction.
    """

    token: bytes
    """Names workspace, input and id."""
    time_ms: int
    window_ms: int
    coordinates: str
    """``topic/partition/offset`` of the record that used it."""


class Ask(Struct, frozen=True, gc=False):
    """What one record may touch.

    The profiles of holders come along, and of merged profiles those that they were merged into.
    """

    identifiers: tuple[Identifier, ...] = ()
    """The identifiers whose holders are asked for."""
    mpids: tuple[int, ...] = ()
    """The MPIDs whose profiles are asked for."""
    use: Use | None = None
    take: Take | None = None
    """Entries of the wheel that are asked for, with the profiles that stand in them. They stay
    where they are until a commit takes them off. One ask of a visit may have it.
    """


class Trim(Struct, frozen=True):
    """Journal chunks to drop, because the Kafka transaction with their outputs has committed.

    The topic ``profiles`` then holds the *published* versions. Where the index has a newer one,
    another processor has overtaken us, and compaction may keep what we appended: the row *owes* the
    topic that profile. It remembers this until a later trim names a version that is not overtaken.
    """

    row: RowKey
    chunks: int
    """How many, from the oldest."""
    published: dict[int, int]
    """By MPID the version that we published; 0: none."""


class Mark(Struct, frozen=True):
    """How far the records in hand reach, noted in their row before they are decoded.

    If one of them ends the process, the next owner finds the mark (``pipeline.quarantine``).
    """

    row: RowKey
    taken: int
    """The offset after the last record in hand."""
    alone: int = -1
    """The record that is in hand alone, -1 where there are several."""
    tries: int = 0
    """How often that record was taken alone, this time included."""


class Moment(NamedTuple):
    """A state of a space: its seq, and the tag that the writer of that seq left with it."""

    seq: int
    tag: bytes


NEVER = Moment(0, b"")


class Changed(Struct, frozen=True):
    """The keys of a space that had a value at one moment and have another one at a later one."""

    mpids: Sequence[int] = ()
    tokens: Sequence[bytes] = ()


class Reading(Struct):
    """The answer to a visit: one instant of the space."""

    covered: int
    """How many of the asks it answers, in order: at least one, unless none were made."""
    seq: int
    """How many commits and claims the space has had."""
    found: ReadSet
    duplicates: tuple[bool, ...]
    """For each covered ask: whether another record had used its ``source_request_id``."""
    owed: tuple[tuple[int, ...], ...] = ()
    """For each trim, the profiles that its row owes the topic ``profiles`` now."""
    newer: dict[int, Profile | Grave | Filed] = {}
    """Those profiles as they are, within a bound: they go out with the next transaction."""
    moment: Moment = NEVER
    """The instant."""
    changed: Changed | None = None
    """What has changed since the moment that the visit named; None where that is not known."""
    sizes: Mapping[int, int] = {}
    """Bytes of the documents found, by MPID."""
    entries: tuple[Entry, ...] = ()
    """What a take asked for, in order, up to a bound of keys and bytes: one at least, if any."""
    needed: frozenset[int] = frozenset()
    """With entries, the graves found that a row may still need: it could publish a lower version,
    as its journal has an entry of the grave's time or before, or it owes the topic that profile.
    Where a case was found, all else that a row owes the topic besides.
    """
    oldest: int | None = None
    """Where a case was found with entries, the seq of the oldest entry in any row's journal."""


class Opening(Struct, frozen=True):
    """What the wheel holds of a shard."""

    opens_ms: int | None
    """When its first bucket opens, or opened; None where nothing is in any."""
    set_aside: int
    """Profiles that were set aside: no sweep comes to them."""


class RowAdvance(Struct, frozen=True):
    """A commit's effect on one row: its cursor moves, *chunk* joins its journal."""

    row: RowKey
    epoch: int
    """As the claim of the row returned it."""
    expected_cursor: int | None
    """Where the cursor stands now; None where it never moved."""
    cursor: int
    """The offset after the last record whose decision the journal then holds."""
    chunk: bytes
    """Encoded entries (``pipeline.journal``); the index stores the commit's seq beside them."""


class Commit(Struct, frozen=True):
    """All effects were written, atomically, as commit number *seq* of the space."""

    seq: int
    moment: Moment = NEVER
    changed: Changed | None = None
    """What others had changed before this commit, as in ``Reading.changed``."""
    sizes: Mapping[int, int] = {}
    """Bytes of the documents written, by MPID."""


class Conflict(Struct, frozen=True):
    """Something that was read has changed: nothing was written."""

    seq: int
    found: ReadSet
    """All that the effects expected, as it is now."""
    moment: Moment = NEVER
    changed: Changed | None = None
    """As in ``Reading.changed``."""
    sizes: Mapping[int, int] = {}


class RowClaim(Struct, frozen=True):
    """The taking over of a row, by the processor to which Kafka has assigned the partition."""

    row: RowKey
    topic_id: str
    """Where the row has another one, the topic was made anew, and so is the row."""
    seen: int = 0
    """The highest seq of the space that a committed offset of the group names."""
    anew: bool = False
    """True where the operator begins at an offset of his choice: the cursor is forgotten."""


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
    """Profiles that the row owes the topic ``profiles``, see Trim."""
    mark: Mark | None = None
    """The last one that was noted."""


class ClaimReply(Struct, frozen=True):
    """The answer to a claim of rows."""

    seq: int
    rows: tuple[RowState, ...]
    """Empty where the space has another shape than the caller."""
    shape: str = ""
    """The shape of the space, '' where it has none yet (``index.shape``)."""


class Index(Protocol):
    """Everything that processors keep together: who holds an identifier, profiles, decisions.

    A space is one population of profiles, which several processors change at a time. A batch of
    records takes two calls. ``visit`` fetches, in one instant, all that the records may touch. They
    are decided in memory. ``commit`` writes the effects if everything that was fetched is still so,
    absence included; else it writes nothing and returns how it is now, and the batch is decided
    again.

    Of each input partition a space keeps a *row*: the cursor, which is the offset after the last
    record whose decision the space holds, and a journal of those decisions that Kafka may not have
    yet. ``commit`` moves the cursor and extends the journal in the same instant as it writes the
    effects, so that after a crash records below the cursor take their decision from the journal.
    ``claim`` takes a row over: it raises the row's epoch, by which the owner before is told apart,
    and returns cursor and journal.

    The *wheel* of a space says who is due when. ``openings`` tells whether a bucket of a shard is
    open, a visit brings entries with their profiles, and a commit moves entries in the same instant
    as it writes documents; what it takes off must be at the front as it was read.

    Each method is one atomic instant of one space. It raises Fenced where a caller's row has a
    higher epoch by now, or a cursor that the caller did not move; LostWrites where its epoch or
    cursor is lower or gone, or the seq below one that this process saw; IndexRefused where the call
    would always be refused; and IndexUnavailable where there was no answer: the call may have been
    carried out or not.
    """

    def claim(
        self, space: Space, owner: str, config: str, rows: Sequence[RowClaim], shape: str
    ) -> ClaimReply:
        """Take rows over: raise each one's epoch and the space's seq by one, return the rows.

        *owner* names the consumer group and Kafka cluster: the first one binds the space, another
        one raises Fenced. The first *shape* binds it too, until a restore changes it; under another
        one nothing is claimed. *config* is the fingerprint of the identity settings. It replaces
        the row's at once where the journal is empty, else when the row moves on or is trimmed.

        Raises LostWrites, with nothing changed, where seq is below what a row claim has seen: as
        claims raise seq, repeated ones would otherwise hide the loss.
        """
        ...

    def visit(
        self,
        space: Space,
        epochs: dict[RowKey, int],
        asks: Sequence[Ask],
        trims: Sequence[Trim] = (),
        marks: Sequence[Mark] = (),
        since: Moment | None = None,
    ) -> Reading:
        """Return what *asks* name; note which request ids they use, trim journals, note marks.

        *epochs* are rows of the caller as it claimed them; those of *trims* and *marks* are among
        them. Asks are answered up to a bound of keys and bytes (``Reading.covered``); what is not
        answered uses no request id. What has changed *since* a moment comes along; where that
        moment's seq is another writer's by now, acknowledged writes were lost: LostWrites. Without
        asks the call checks that the caller still owns its rows and that nothing was lost.
        """
        ...

    def commit(
        self,
        space: Space,
        effects: Effects,
        advances: Sequence[RowAdvance],
        since: Moment | None = None,
    ) -> Commit | Conflict:
        """Write all effects, advance rows and append to journals, if what was read is still so."""
        ...

    def openings(self, space: Space, shards: Sequence[int]) -> tuple[Opening, ...]:
        """Return what the wheel holds of each of *shards*; nothing is written."""
        ...

    def token(self, identifier: Identifier) -> bytes:
        """Return the 16 bytes that stand for *identifier* in keys and change events; no I/O."""
        ...


def changed_by(effects: Effects, token: Callable[[Identifier], bytes]) -> Changed:
    """Return what a commit changes that had a value before: what its note names."""
    versions, holders = effects.expected_versions, effects.expected_holders
    tokens = [token(i) for i in effects.holders if holders.get(i, True)]
    tokens += [marked for marked, _ in (*effects.filing.marks, *effects.filing.unmarks)]
    return Changed(
        mpids=[
            mpid
            for mpid in (*effects.profiles, *effects.graves, *effects.dropped)
            if versions.get(mpid, 1)
        ],
        tokens=tokens,
    )

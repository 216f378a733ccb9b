"""What one process holds of one space: its rows, and what the changelog is owed.

The rows with their journals are the protocol state of the space. ``round`` decides records with
it; here is what was claimed, journalled, published and committed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.errors import NoStart
from processor.index.port import Ask, Index, Mark, Reading, RowState
from processor.pipeline.journal import Entry, Row
from processor.pipeline.witness import Witness
from processor.records import RowKey


class Owed(Struct, frozen=True):
    """A document to publish again: another processor overtook the version that we published."""

    document: Profile | Grave | Filed
    row: RowKey
    """The row that owes it."""
    offset: int
    """That row's last record in the index, which the output names as its source."""


class SpaceSession:
    """The protocol state of one space. One thread uses it."""

    def __init__(self, space: Space, index: Index, reach: Callable[[str], None]) -> None:
        self.space = space
        self.index = index
        self.reach = reach
        """Passes a named crash point."""
        self.rows: dict[RowKey, Row] = {}
        self.seq = 0
        self._owed: dict[int, Owed] = {}
        self._published: dict[int, int] = {}

    # ---- rows -------------------------------------------------------------------------------

    def claimed(self, state: RowState, committed: int, seq: int) -> None:
        """Take over a row that the index has just given us."""
        self.rows[state.row] = Row.claimed(state, committed)
        self.seq = max(self.seq, seq)

    def released(self, key: RowKey) -> None:
        """Give a row up."""
        self.rows.pop(key, None)

    def witness(self, key: RowKey) -> Witness:
        """Return what the next committed offset of *key* is to say of this space."""
        row = self.rows.get(key)
        return Witness(cursor=row.cursor if row else None, seq=self.seq)

    def is_behind(self, positions: Mapping[RowKey, int]) -> bool:
        """Whether any row has records to replay."""
        return any(row.replay_end > positions.get(key, 0) for key, row in self.rows.items())

    def replayed(self, key: RowKey, offset: int) -> Entry | None:
        """Return the journalled decision of a record below its row's cursor, None above it.

        Raises NoStart where there is none below: never decide again, never skip.
        """
        row = self.rows[key]
        if offset >= row.replay_end:
            return None
        entry = row.replay.get(offset)
        if entry is None:
            message = (
                f"{row.key.topic}/{row.key.partition} offset {offset} is below the"
                f" cursor {row.replay_end} of space {self.space.name}, but the journal has no"
                " decision for it; another configuration may have taken it. Go on with that one,"
                " or run `idstream restore --accept-loss` to have what is under way decided anew"
            )
            raise NoStart(message)
        return entry

    # ---- the index --------------------------------------------------------------------------

    def read(self, asks: Sequence[Ask], keys: Iterable[RowKey]) -> Reading:
        """Read what *asks* name, and trim the journals of the rows *keys*."""
        rows = [self.rows[key] for key in dict.fromkeys(keys)]
        trims = [trim for row in rows if (trim := row.trim()) is not None]
        reading = self.index.visit(self.space, {row.key: row.epoch for row in rows}, asks, trims)
        if trims:
            self.reach("after_trim")
        for trim, owed in zip(trims, reading.owed, strict=True):
            row = self.rows[trim.row]
            row.trimmed(trim, owed)
            for mpid in owed:
                if mpid in reading.newer:
                    self._owed[mpid] = Owed(reading.newer[mpid], row.key, row.last)
        self.seq = max(self.seq, reading.seq)
        return reading

    def mark(self, marks: Sequence[Mark]) -> None:
        """Note in the rows what is in hand, before it is looked at."""
        epochs = {mark.row: self.rows[mark.row].epoch for mark in marks}
        self.index.visit(self.space, epochs, (), (), marks)

    def check(self) -> None:
        """Trim what can be trimmed, and notice lost writes and newer owners, without any record."""
        self.read([], list(self.rows))

    def note_commit(self, entries: Mapping[RowKey, Sequence[Entry]], seq: int) -> None:
        """Note that the index holds *entries*, and those that waited for them, as of *seq*."""
        self.seq = max(self.seq, seq)
        for key, its in entries.items():
            row = self.rows[key]
            row.note_chunk((*row.pending, *its))
            row.pending.clear()
            row.cursor = its[-1].offset + 1

    # ---- the transaction --------------------------------------------------------------------

    def owed(self) -> list[Owed]:
        """Return, once, the documents that the next transaction must hold besides its own."""
        owed = [
            one
            for mpid, one in self._owed.items()
            if self._published.get(mpid, 0) < one.document.version
        ]
        self._owed = {}
        for one in owed:
            self.note_published(one.document)
        return owed

    def note_published(self, document: Profile | Grave | Filed) -> None:
        """Note that the open transaction holds this version of a profile, or its tombstone."""
        before = self._published.get(document.mpid, 0)
        self._published[document.mpid] = max(before, document.version)

    def committed(self, positions: Mapping[RowKey, int]) -> None:
        """Note that a Kafka transaction committed: *positions* are the group's now."""
        for row in self.rows.values():
            row.committed = max(row.committed, positions.get(row.key, 0))
            row.note_published(self._published)
            row.pending.clear()
            row.is_waiting = False
            row.replay = {o: e for o, e in row.replay.items() if o >= row.committed}
        self._published = {}


Sessions = Mapping[Space, SpaceSession]
"""The protocol state of each space of a process."""

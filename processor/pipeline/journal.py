"""The journal: decisions that must not be taken again, and the rows they hang on.

A *row* is one input partition's place in one space. Its cursor is the offset after the last record
whose decision the index holds; its journal keeps those decisions until the Kafka transaction that
published them has committed and the changelog cannot go backwards any more.
"""

from collections import deque
from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from processor.computed.message import AudienceChange
from processor.identity.change import Change
from processor.identity.decision import Decision
from processor.index.port import RowState, Trim
from processor.records import RowKey

FORMAT = b"\x01"
"""First byte of every chunk: the format of the entries behind it."""


class Entry(Struct, array_like=True, gc=False):
    """What was decided for one record: what its outputs need beside it and its profiles."""

    offset: int
    outcome: str
    reason: str | None
    mpid: int | None
    """The profile that the record was attributed to."""
    decision: Decision | None
    changes: tuple[Change, ...]
    touched: tuple[tuple[int, int], ...]
    """(MPID, version) of every profile that the record changed."""
    notifications: bytes | None
    position: int
    """The number of the record in its round, which orders the records of one seq."""
    seq: int
    """The space's seq when it was decided.

    0 in the journal: the seq of the commit that stores the entry.
    """
    messages: tuple[AudienceChange, ...] = ()
    """What is told of audiences, with what it carries: it is told again as it was, whatever the
    profiles and the definitions have become.
    """
    receipts: tuple[bytes, ...] = ()
    """What is told of requests under privacy law."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Entry, ...])


def pack_entries(entries: Iterable[Entry]) -> bytes:
    """Return a chunk: the format byte and the entries as MessagePack."""
    return FORMAT + _encoder.encode(tuple(entries))


def unpack_entries(seq: int, chunk: bytes) -> tuple[Entry, ...]:
    """Return a chunk's entries, those of the commit itself with its *seq*."""
    if chunk[:1] != FORMAT:
        message = f"journal format {chunk[:1]!r} is not known to this release: run the newer one"
        raise ValueError(message)
    entries = _decoder.decode(chunk[1:])
    return tuple(e if e.seq else msgspec.structs.replace(e, seq=seq) for e in entries)


class Chunk(Struct):
    """One commit's part of a row's journal, until it is trimmed."""

    end: int
    """The offset after its last entry: committed once Kafka's committed offset reaches it."""
    published: dict[int, int]
    """The newest version of each touched profile that a committed transaction of ours holds."""


class Row(Struct):
    """What this processor knows of one row it owns."""

    key: RowKey
    epoch: int
    cursor: int | None
    committed: int
    """Kafka's committed offset of the partition."""
    replay_end: int = 0
    """Records below it take their journalled decision: the cursor when the row was claimed."""
    replay: dict[int, Entry] = field(default_factory=dict)
    """Journalled decisions of records that Kafka has not committed."""
    pending: list[Entry] = field(default_factory=list)
    """Decisions of the open transaction that no commit has journalled yet."""
    chunks: deque[Chunk] = field(default_factory=deque)
    owed: dict[int, int] = field(default_factory=dict)
    """Profiles that the row owes the changelog, with the newest version of each we published."""
    is_waiting: bool = False
    """The debts were read and will be published: not asked for again before the transaction has
    committed.
    """

    @classmethod
    def claimed(cls, state: RowState, committed: int) -> "Row":
        """Take over a row: what Kafka has not committed is replayed, the rest trimmed."""
        row = cls(
            key=state.row,
            epoch=state.epoch,
            cursor=state.cursor,
            committed=committed,
            replay_end=state.cursor or 0,
        )
        for seq, chunk in state.chunks:
            entries = unpack_entries(seq, chunk)
            # What is beyond the cursor is no decision of a record that is to be replayed.
            under_way = range(committed, row.replay_end)
            row.replay.update((e.offset, e) for e in entries if e.offset in under_way)
            row.note_chunk(entries)
            if row.chunks[-1].end > row.replay_end:
                row.chunks[-1].end = 0  # of records before an accepted start: only debts are left
        row.owed = dict.fromkeys(state.owed, 0)
        return row

    @property
    def last(self) -> int:
        """The offset of the last record whose decision the index holds.

        What is before the committed offset may be another space's record, or the end of a
        transaction. It stands in only where the operator accepted the offsets as they are.
        """
        return (self.cursor or self.committed) - 1

    def is_undecided(self, offset: int) -> bool:
        """Whether the cursor passed the record at *offset* without a decision."""
        return offset < self.replay_end and offset not in self.replay

    def note_chunk(self, entries: tuple[Entry, ...]) -> None:
        """Remember a chunk that the index now holds."""
        touched = {mpid: 0 for entry in entries for mpid, _ in entry.touched}
        self.chunks.append(Chunk(end=entries[-1].offset + 1 if entries else 0, published=touched))

    def trim(self) -> Trim | None:
        """Return the trim to ask for: chunks whose records Kafka has committed, and debts."""
        committed = 0
        published = {} if self.is_waiting else dict(self.owed)
        for chunk in self.chunks:
            if chunk.end > self.committed:
                break
            committed += 1
            published.update(chunk.published)
        if not committed and not published:
            return None
        return Trim(row=self.key, chunks=committed, published=published)

    def trimmed(self, trim: Trim, owed: tuple[int, ...]) -> None:
        """Forget the chunks that the index dropped; it says what the row still owes."""
        for _ in range(trim.chunks):
            self.chunks.popleft()
        for mpid in trim.published:
            self.owed.pop(mpid, None)
        self.owed.update((mpid, trim.published[mpid]) for mpid in owed)
        self.is_waiting = bool(self.owed)

    def note_published(self, versions: dict[int, int]) -> None:
        """Note which versions of the chunks' profiles a committed transaction published."""
        for held in (self.owed, *(chunk.published for chunk in self.chunks)):
            for mpid in held.keys() & versions.keys():
                held[mpid] = max(held[mpid], versions[mpid])

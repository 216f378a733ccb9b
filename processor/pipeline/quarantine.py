"""Records that kill the process: found by taking them alone, set aside after three deaths.

A process *marks* a row only in the first poll batch of it that it takes after a claim, which it
takes in lots: how far a lot reaches, written before a byte of it is decoded, and committed in Kafka
on its own. From then on it marks nothing: the hot path pays nothing. A record that kills leads
there by itself, since the next owner begins at the last commit, at most a poll batch or an interval
before it.

Whoever claims a row and finds a mark beyond the committed offset knows that the owner before died
of its first lots. It takes the records up to the mark one by one, each in a transaction of its
own, and notes before each which one it is and how often that was tried. Only such a try, of one
record with nothing else in flight, counts as that record's doing. After the third (or as
many as ``limits.max_deaths`` says) nobody reads it again: it goes to the dead letters unread, with
reason ``poison``. What the index holds of it, if it got that far, stays and is told.

A process that ends for a reason of its own (it is fenced, a topic refuses it) takes its marks back
first: no record is to blame.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from processor.index.port import Mark, RowState
from processor.records import DeadLetter, Record, RowKey

POISON: Final = DeadLetter(
    "poison", "the process ended again and again while it had only this record in hand"
)

Lots = Sequence[Sequence[Record]]
LOT: Final = 32
"""Records of one row in its first lot. If the process dies, all records of the lot in hand are
suspects. Lots double (32, 64, …) so that a start costs few commits."""


class Quarantine:
    """What one process knows of marks. One thread uses it."""

    def __init__(self, max_deaths: int) -> None:
        self._max_deaths = max_deaths
        self._fresh: dict[RowKey, int] = {}
        """Rows in their first poll batch since their claim, with the offset where that ends."""
        self._until: dict[RowKey, int] = {}
        """Rows whose records are taken alone, up to an offset."""
        self._tries: dict[RowKey, tuple[int, int]] = {}
        """The record of a row that was taken alone last, and how often that was tried."""
        self._mine: dict[RowKey, tuple[int, int]] = {}
        """The marks that this process wrote: how far, and which record alone (or -1).

        They outlive a rewind, and the loss of a row that nobody else claimed: what this process
        survived is no death.
        """
        self._epochs: dict[RowKey, int] = {}
        """The last epoch of each row that this process was given."""

    def claimed(self, state: RowState, committed: int) -> None:
        """Note a row just claimed, whose records go on at *committed*."""
        key = state.row
        if state.epoch != self._epochs.get(key, 0) + 1:
            self._mine.pop(key, None)
        self._epochs[key] = state.epoch
        self._fresh[key] = -1  # until its first poll batch comes
        mark = state.mark or Mark(key, taken=0)
        self._tries[key] = (mark.alone, mark.tries)
        if mark.taken <= committed:
            self._until.pop(key, None)
        elif self._mine.get(key, (-1, -1))[0] != mark.taken:
            self._until[key] = mark.taken

    def released(self, key: RowKey) -> None:
        """Forget a row that was given up."""
        for held in (self._fresh, self._until, self._tries, self._mine, self._epochs):
            held.pop(key, None)

    def committed(self, positions: Mapping[RowKey, int]) -> None:
        """Note that a transaction committed: *positions* are the group's now."""
        if self._fresh:
            ends = self._fresh.items()
            self._fresh = {k: end for k, end in ends if not 0 <= end <= positions.get(k, -1)}
        if self._until:
            ends = self._until.items()
            self._until = {key: end for key, end in ends if positions.get(key, 0) < end}

    def lots(self, records: Sequence[Record]) -> Lots:
        """Return *records* in lots to be committed each on its own; () where there is no need."""
        if not self._fresh and not self._until:
            return ()
        ends = {record.row: record.offset + 1 for record in records}
        if not ends.keys() & (self._until.keys() | self._fresh.keys()):
            return ()
        self._fresh.update((row, ends[row]) for row in ends.keys() & self._fresh.keys())
        alone = [(r,) for r in records if self.is_suspect(r)]
        calm = [r for r in records if r.row not in self._until]
        rest = [r for r in records if r.row in self._until and not self.is_suspect(r)]
        return [*self._lots(calm), *alone, *self._lots(rest)]

    def _lots(self, records: Sequence[Record]) -> Lots:
        """Return *records* in lots that hold few of each fresh row."""
        lots: dict[int, list[Record]] = {}
        count: dict[RowKey, int] = {}
        for record in records:
            row = record.row
            before = count[row] = count.get(row, -1) + 1
            number = (before // LOT + 1).bit_length() - 1 if row in self._fresh else 0
            lots.setdefault(number, []).append(record)
        return [lots[number] for number in sorted(lots)]

    def marks(self, records: Sequence[Record]) -> list[Mark]:
        """Return what is to be written before *records* are looked at, one of their lots."""
        if not self._fresh and not self._until:
            return []
        if len(records) == 1 and self.is_suspect(records[0]):
            return [self._tried(records[0])]
        marks = {}
        for record in records:
            key = record.row
            if key in self._fresh:
                marks[key] = Mark(key, taken=record.offset + 1)
        self._mine.update((key, (mark.taken, -1)) for key, mark in marks.items())
        return list(marks.values())

    def is_poison(self, records: Sequence[Record]) -> bool:
        """Whether *records* is one record that has killed often enough."""
        if not self._until or len(records) != 1 or not self.is_suspect(records[0]):
            return False
        key = records[0].row
        offset, tries = self._tries[key]
        is_under_way = self._mine.get(key, (-1, -1))[1] == offset
        return records[0].offset == offset and tries >= self._max_deaths and not is_under_way

    def excuses(self) -> list[Mark]:
        """Return what takes our marks back: the process ends, and knows that no record is to blame.

        The mark of a batch is removed; the try of a single record is not counted.
        """
        return [
            Mark(key, taken=0)
            if offset < 0
            else Mark(key, taken=taken, alone=offset, tries=self._tries[key][1] - 1)
            for key, (taken, offset) in self._mine.items()
        ]

    def _tried(self, record: Record) -> Mark:
        """Return the mark of a record taken alone.

        Trying the same record again in this process does not count.
        """
        key, offset = record.row, record.offset
        before, tries = self._tries[key]
        if before != offset:
            tries = 0
        if self._mine.get(key, (-1, -1))[1] != offset:
            tries += 1
        self._tries[key] = offset, tries
        self._mine[key] = self._until[key], offset
        return Mark(key, taken=self._until[key], alone=offset, tries=tries)

    def is_suspect(self, record: Record) -> bool:
        """Whether *record* may have killed a process: it is taken alone."""
        return record.offset < self._until.get(record.row, 0)

"""Which partitions are ours, which of them are being read, and from where.

The group gives partitions in a callback, inside ``consume``. There they are only noted: the answer
to the group is an empty assignment, and the loop starts them when their positions are known. So
nothing is fetched before the step is ready, and a rewind needs nothing else: stop what is started,
ask for positions, start.
"""

from collections.abc import Collection, Mapping, Sequence

from confluent_kafka import Consumer, TopicPartition

from processor.kafka.loop.step import Observer
from processor.records import Record, RowKey


class Partitions:
    """The partitions that the group has given to this member."""

    def __init__(self, consumer: Consumer, observer: Observer) -> None:
        self._consumer = consumer
        self._observer = observer
        self._owned: set[RowKey] = set()
        self._next: dict[RowKey, int] = {}
        self._ends: dict[RowKey, int] = {}
        """Ends of partitions, heard of and not passed yet."""
        self._read_up: set[RowKey] = set()

    @property
    def owned(self) -> Collection[RowKey]:
        """The partitions that the group has given and not taken back."""
        return self._owned

    @property
    def started(self) -> Mapping[RowKey, int]:
        """The partitions being read, with the offset of the next record of each."""
        return self._next

    @property
    def read_up(self) -> Collection[RowKey]:
        """The partitions that have been read up to an end since they were started.

        Whatever was there before has been handed out by then. It needs ``enable.partition.eof``.
        """
        return self._read_up

    @property
    def waiting(self) -> Collection[RowKey]:
        """The partitions whose positions are to be asked for."""
        return self._owned - self._next.keys()

    def given(self, keys: Collection[RowKey]) -> None:
        """Note what the group gives; called in its callback."""
        self._owned.update(keys)
        self._consumer.incremental_assign([])
        self._tell()

    def taken(self, keys: Collection[RowKey]) -> None:
        """Give back what the group takes; called in its callback."""
        self._owned.difference_update(keys)
        self._drop([key for key in self._next if key not in self._owned])
        self._tell()

    def start(self, offsets: Mapping[RowKey, int]) -> None:
        """Read from *offsets*."""
        self._consumer.incremental_assign(
            [TopicPartition(*key, offset) for key, offset in offsets.items()]
        )
        self._next.update(offsets)
        self._tell()

    def stop(self) -> None:
        """Stop reading; all owned partitions wait to be started again."""
        if self._next:
            self._drop(list(self._next))
        self._tell()

    def expected(self, records: Sequence[Record]) -> list[Record]:
        """Return those *records* that come next, without those of partitions just given up.

        ``consume`` may hand out records of a partition that its callback took away.
        """
        never = 1 << 63
        following = self._next.get
        return [
            one
            for one in records
            # What equals its row will do: it takes a quarter of the time.
            if one.offset >= following(one[:2], never)  # type: ignore[call-overload]
        ]

    def moved(self, positions: Mapping[RowKey, int]) -> None:
        """Note the positions after what was processed."""
        self._next.update(positions)

    def ended(self, key: RowKey, end: int) -> None:
        """Note that no record stands before the offset *end*: all were handed out.

        Behind the last record there are the markers of its transaction, and aborted ones.
        """
        if key in self._next:  # else it was given up since, and may be read again from before
            self._ends[key] = end
            self._read_up.add(key)

    def passed(self) -> Mapping[RowKey, int]:
        """Return, once, the ends that are beyond the last record processed, as positions."""
        ends, self._ends = self._ends, {}
        passed = {k: end for k, end in ends.items() if end > self._next.get(k, end)}
        self._next.update(passed)
        return passed

    def _drop(self, keys: Sequence[RowKey]) -> None:
        for key in keys:
            del self._next[key]
            self._ends.pop(key, None)
        self._read_up.difference_update(keys)
        self._consumer.incremental_unassign([TopicPartition(*key) for key in keys])

    def _tell(self) -> None:
        self._observer.partitions(len(self.started), len(self.waiting))

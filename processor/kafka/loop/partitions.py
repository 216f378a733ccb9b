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
        self._behind: dict[RowKey, int | None] = {}
        """Partitions that have not been read up since they were started, and up to where they are
        to be: where they ended as the first of it came; None while nothing has come."""

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
        """The partitions of which all has been handed out that was there as they were started.

        Where nothing comes, that needs ``enable.partition.eof``. Where records keep coming, one by
        one, no end may ever be told: librdkafka tells it only where it asks for more in vain.
        """
        return self._next.keys() - self._behind.keys()

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
        self._behind.update(dict.fromkeys(offsets))
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
        for key in positions.keys() & self._behind.keys():
            self._catch_up(key, positions[key])

    def ended(self, key: RowKey, end: int) -> None:
        """Note that no record stands before the offset *end*: all were handed out.

        Behind the last record there are the markers of its transaction, and aborted ones.
        """
        if key in self._next:  # else it was given up since, and may be read again from before
            self._ends[key] = end
            self._behind.pop(key, None)

    def passed(self) -> Mapping[RowKey, int]:
        """Return, once, the ends that are beyond the last record processed, as positions."""
        ends, self._ends = self._ends, {}
        passed = {k: end for k, end in ends.items() if end > self._next.get(k, end)}
        self._next.update(passed)
        return passed

    def _catch_up(self, key: RowKey, position: int) -> None:
        """Note that a partition has been processed up to *position*, some of it since its start."""
        end = self._behind[key]
        if end is None:
            # Told with what was fetched, so it is not of before the start.
            _, end = self._consumer.get_watermark_offsets(TopicPartition(*key), cached=True)
            self._behind[key] = end if end >= 0 else None
        if 0 <= end <= position:
            del self._behind[key]

    def _drop(self, keys: Sequence[RowKey]) -> None:
        for key in keys:
            del self._next[key]
            self._ends.pop(key, None)
            self._behind.pop(key, None)
        self._consumer.incremental_unassign([TopicPartition(*key) for key in keys])

    def _tell(self) -> None:
        self._observer.partitions(len(self.started), len(self.waiting))

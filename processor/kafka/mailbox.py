"""The topic of dead letters, up to where it ends now, and how far replays of it have come.

It writes nothing: ``replay`` puts letters back, ``letters`` and a dry run only look.
"""

from collections.abc import Collection, Iterator
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from processor.kafka.asking import committed, partitions_of
from processor.kafka.clients import reader_config
from processor.kafka.letters import NAME, Positions, first_of, read_positions
from processor.kafka.span import Span
from processor.records import Record, RowKey
from processor.settings import KafkaSettings

_TAKE: Final = 500
_WITHIN_S: Final = 30.0

Slice = tuple[list[Record], int, int]
"""Letters that were read in one go, and how many offsets are behind the reader, of how many."""


class Mailbox:
    """Reads dead letters from where replays stand, or from the first that is there."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._topic = kafka.topics.dead_letters
        self._counts: dict[str, int] = {}
        self._lows: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self.consumer = Consumer(reader_config(kafka, f"{kafka.group_id}-{NAME}"))
        self.held: dict[int, Positions] = {}
        """By partition, how far each reason has been replayed."""

    def look(self) -> list[int]:
        """Find out how far there is to read; return the partitions with letters but no position."""
        unplaced = []
        for one in self._committed():
            low, high = self._marks(one.partition)
            self.held[one.partition] = read_positions(one.offset, one.metadata or "")
            self._lows[one.partition], self._ends[one.partition] = low, high
            if one.offset < 0 and low < high:
                unplaced.append(one.partition)
        return unplaced

    def read(self, reasons: Collection[str]) -> Iterator[Slice]:
        """Yield letters from the first on that a replay of *reasons* has not come to."""
        starts = {p: max(first_of(held, reasons), self._lows[p]) for p, held in self.held.items()}
        return self._read(starts)

    def read_all(self) -> Iterator[Slice]:
        """Yield every letter that is there."""
        return self._read(self._lows)

    def read_one(self, partition: int, offset: int) -> Record | None:
        """Return the letter at a place, None where there is none."""
        starts = {partition: max(offset, self._lows.get(partition, 0))}
        if starts[partition] != offset or offset >= self._ends.get(partition, 0):
            return None
        span = Span(self.consumer, self._topic, starts, {partition: offset + 1})
        return next((one for letters in span.read(1) for one in letters), None)

    def partitions_of(self, topic: str) -> int:
        """Return how many partitions *topic* has."""
        if topic not in self._counts:
            self._counts[topic] = len(partitions_of(self.consumer, topic, _WITHIN_S))
        return self._counts[topic]

    def close(self) -> None:
        """Close the connection."""
        self.consumer.close()

    def _read(self, starts: dict[int, int]) -> Iterator[Slice]:
        span = Span(self.consumer, self._topic, starts, self._ends)
        for letters in span.read(_TAKE):
            yield letters, span.done, span.total

    def _committed(self) -> list[TopicPartition]:
        partitions = range(self.partitions_of(self._topic))
        return committed(self.consumer, [RowKey(self._topic, p) for p in partitions], _WITHIN_S)

    def _marks(self, partition: int) -> tuple[int, int]:
        place = TopicPartition(self._topic, partition)
        low, high = self.consumer.get_watermark_offsets(place, _WITHIN_S)
        return low, high

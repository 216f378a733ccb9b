"""The records of one topic between two offsets of each partition: what commands read of Kafka."""

from collections.abc import Iterator, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from processor.kafka.errors import END, is_transient
from processor.kafka.messages import record
from processor.records import Record

_WAIT_S: Final = 0.5


class Span:
    """Reads *topic* from *starts* up to *ends*, both by partition, with a ``reader_config``.

    A partition is done when the reader stands at its end, also where compaction or aborted
    transactions left nothing to read before it.
    """

    def __init__(
        self, consumer: Consumer, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]
    ) -> None:
        self._consumer = consumer
        self._topic = topic
        self._ends = ends
        self._starts = {p: min(start, ends[p]) for p, start in starts.items()}
        self._at = dict(self._starts)

    @property
    def total(self) -> int:
        """How many offsets there are to read, of all partitions together."""
        return sum(self._ends[p] - start for p, start in self._starts.items())

    @property
    def done(self) -> int:
        """How many offsets are behind the reader."""
        return sum(min(at, self._ends[p]) - self._starts[p] for p, at in self._at.items())

    def read(self, most: int, wait_s: float = _WAIT_S) -> Iterator[list[Record]]:
        """Yield the records in slices of *most*, from the starts on each time that it is called.

        A slice is empty where nothing came within *wait_s*.
        """
        self._at = dict(self._starts)
        self._consumer.assign([TopicPartition(self._topic, p, at) for p, at in self._left()])
        while self._left():
            messages = self._consumer.consume(most, wait_s)
            yield [one for message in messages if (one := self._taken(message)) is not None]

    def _left(self) -> list[tuple[int, int]]:
        return [(p, at) for p, at in self._at.items() if at < self._ends[p]]

    def _taken(self, message: Message) -> Record | None:
        """Move past *message*; return it if it is a record of the span."""
        partition, offset = message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is None:
            self._at[partition] = max(self._at[partition], offset + 1)
            return record(message) if offset < self._ends[partition] else None
        if error.code() == END:
            self._at[partition] = max(self._at[partition], offset)
        elif not is_transient(error):
            raise KafkaException(error)
        return None

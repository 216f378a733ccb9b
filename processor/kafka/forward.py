"""Records from the beginning of a topic on, all of them or those of some keys, within a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException
from msgspec import Struct

from processor.kafka.asking import NoTopic, partitions_of
from processor.kafka.clients import reader_config
from processor.kafka.partitioner import partition_of
from processor.kafka.recent import NotSeen, watermarks
from processor.kafka.span import Span
from processor.records import Record
from processor.settings import KafkaSettings

_ANSWER_S: Final = 10.0
_SLICE: Final = 500
_WAIT_S: Final = 0.05
"""Each partition's last slice waits as long as that."""


class Reached(Struct):
    """How far the records of some keys were read."""

    read: int = 0
    """Records of their partitions, whatever their key."""
    since_ms: int | None = None
    """The time of the oldest one; None where there was none."""
    until_ms: int | None = None
    is_whole: bool = False
    """Whether everything was read that was there when it began."""


class Forward:
    """Reads a topic for some keys, as nobody's group member; one thread uses it."""

    def __init__(self, kafka: KafkaSettings, topic: str, now: Callable[[], float]) -> None:
        self._kafka = kafka
        self._topic = topic
        self._now = now
        self.reached = Reached()

    def of_keys(self, keys: Sequence[bytes], seconds: float) -> Iterator[list[Record]]:
        """Yield the records with one of *keys*, oldest first, until the time is over.

        A slice may be empty. Raises NotSeen where Kafka does not answer, or has no such topic.
        """
        wanted = frozenset(keys)

        def places(count: int) -> Iterable[int]:
            return {partition_of(key, count) for key in wanted}

        for records in self._read(places, seconds):
            yield [record for record in records if record.key in wanted]

    def everything(self, seconds: float) -> Iterator[list[Record]]:
        """Yield all records, each partition's oldest first, likewise."""
        yield from self._read(range, seconds)

    def _read(
        self, places: Callable[[int], Iterable[int]], seconds: float
    ) -> Iterator[list[Record]]:
        """Yield the records of *places* among so many partitions."""
        deadline = self._now() + seconds
        consumer = Consumer(reader_config(self._kafka, f"{self._kafka.group_id}-restore"))
        try:
            for records in self._span(consumer, places).read(_SLICE, _WAIT_S):
                if self._now() > deadline:
                    return
                self._reach(records)
                yield records
            self.reached.is_whole = True
        except (KafkaException, NoTopic) as error:
            raise NotSeen(f"{self._topic}: Kafka did not answer, or has no such topic") from error
        finally:
            consumer.close()

    def _span(self, consumer: Consumer, places: Callable[[int], Iterable[int]]) -> Span:
        count = len(partitions_of(consumer, self._topic, _ANSWER_S))
        if not count:
            raise NoTopic(f"topic {self._topic} has no partition")
        found = {p: watermarks(consumer, self._topic, p) for p in places(count)}
        starts, ends = ({p: one[end] for p, one in found.items()} for end in (0, 1))
        return Span(consumer, self._topic, starts, ends)

    def _reach(self, records: Sequence[Record]) -> None:
        reached = self.reached
        reached.read += len(records)
        for record in records:
            at = record.timestamp_ms
            reached.since_ms = at if reached.since_ms is None else min(reached.since_ms, at)
            reached.until_ms = at if reached.until_ms is None else max(reached.until_ms, at)

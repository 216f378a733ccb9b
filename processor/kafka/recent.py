"""The newest records of a topic, read backwards within a budget: what ``idstream serve`` shows."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Struct

from processor.kafka.asking import NoTopic, committed, partitions_of
from processor.kafka.clients import reader_config
from processor.kafka.partitioner import partition_of
from processor.kafka.span import Span
from processor.records import Record, RowKey
from processor.settings import KafkaSettings

_ANSWER_S: Final = 2.0
_FIRST: Final = 5_000
"""Records of the first window; each further one has four times as many."""
_SLICE: Final = 500
_WAIT_S: Final = 0.05


class Budget(Struct, frozen=True):
    """When a look back ends."""

    found: int = 50
    records: int = 200_000
    seconds: float = 2.0


class Recent(Struct):
    """What was found, newest first, and how far back was looked."""

    records: list[Record]
    since_ms: int | None = None
    """The time of the oldest record that was read; None where none was."""
    before: int | None = None
    """The offset below which may be more; None where the log was read to its beginning."""


class Standing(Struct, frozen=True):
    """Of one input partition: its end, and what the group has done of it."""

    end: int
    done: int


class NotSeen(Exception):
    """Kafka did not answer in time, does not let us look, or has no such topic."""


class Recents:
    """Looks back into topics, as nobody's group member; one thread at a time uses it."""

    def __init__(self, kafka: KafkaSettings, now: Callable[[], float]) -> None:
        self._kafka = kafka
        self._now = now

    def of_keys(
        self, topic: str, keys: Sequence[bytes], budget: Budget, before: int | None = None
    ) -> Recent:
        """Return the newest records of *topic* with one of *keys*.

        *before* is an offset in the partition of the first key, of which alone older records are
        looked for then. Raises NotSeen.
        """
        deadline = self._now() + budget.seconds
        with _reader(self._kafka) as consumer:
            count = len(partitions_of(consumer, topic, _ANSWER_S))
            if not count:
                raise NoTopic(f"topic {topic} has no partition")
            places: dict[int, set[bytes]] = {}
            for key in keys[:1] if before is not None else keys:
                places.setdefault(partition_of(key, count), set()).add(key)
            found, own = Recent([]), partition_of(keys[0], count)
            for partition, its in places.items():
                row = RowKey(topic, partition)
                one = self._back(consumer, row, its.__contains__, budget, (before, deadline))
                found.records += one.records
                found.since_ms = _later(found.since_ms, one.since_ms)
                if partition == own:
                    found.before = one.before
        found.records.sort(key=lambda record: -record.timestamp_ms)
        _cut(found, budget.found, own)
        return found

    def of_all(self, topic: str, budget: Budget) -> list[Record]:
        """Return about the newest records of *topic*, whatever their key, newest first."""
        deadline = self._now() + budget.seconds
        found: list[Record] = []
        with _reader(self._kafka) as consumer:
            starts, ends = {}, {}
            partitions = partitions_of(consumer, topic, _ANSWER_S)
            each = max(1, budget.records // max(1, len(partitions)))
            for partition in partitions:
                low, high = watermarks(consumer, topic, partition)
                starts[partition], ends[partition] = max(low, high - each), high
            for records in Span(consumer, topic, starts, ends).read(_SLICE, _WAIT_S):
                found += records
                if self._now() > deadline:
                    break
        found.sort(key=lambda record: -record.timestamp_ms)
        return found[: budget.found]

    def standing(self, topics: Collection[str]) -> dict[RowKey, Standing]:
        """Return where the group stands in every partition of *topics*."""
        with _reader(self._kafka, self._kafka.group_id) as consumer:
            rows = [
                RowKey(topic, partition)
                for topic in topics
                for partition in partitions_of(consumer, topic, _ANSWER_S)
            ]
            offsets = {
                RowKey(p.topic, p.partition): p.offset for p in committed(consumer, rows, _ANSWER_S)
            }
            found = {}
            for row in rows:
                low, high = watermarks(consumer, row.topic, row.partition)
                found[row] = Standing(high, max(low, offsets[row]))
        return found

    def _back(
        self,
        consumer: Consumer,
        row: RowKey,
        is_wanted: Callable[[bytes], bool],
        budget: Budget,
        limits: tuple[int | None, float],
    ) -> Recent:
        """Read a partition backwards, window by window, until the budget is used up."""
        before, deadline = limits
        low, high = watermarks(consumer, row.topic, row.partition)
        end = high if before is None else min(before, high)
        found, window, read = Recent([]), _FIRST, 0
        while end > low and len(found.records) < budget.found and read < budget.records:
            start = max(low, end - window)
            mine: list[Record] = []
            since_ms: int | None = None
            for records in Span(
                consumer, row.topic, {row.partition: start}, {row.partition: end}
            ).read(_SLICE, _WAIT_S):
                read += len(records)
                mine += [r for r in records if r.key is not None and is_wanted(r.key)]
                if records:
                    since_ms = _earlier(since_ms, records[0].timestamp_ms)
                if self._now() > deadline:
                    # Newer records of this window were not reached: it does not count.
                    found.before = end
                    return found
            found.since_ms = found.since_ms if since_ms is None else since_ms
            found.records += reversed(mine)
            end, window = start, window * 4
        found.before = end if end > low else None
        if len(found.records) > budget.found:
            del found.records[budget.found :]
            found.before = found.records[-1].offset
            found.since_ms = found.records[-1].timestamp_ms
        return found


def _cut(found: Recent, most: int, own: int) -> None:
    """Keep the newest *most*; what goes of the partition *own* is what older ones begin with."""
    gone = [record.offset for record in found.records[most:] if record.partition == own]
    del found.records[most:]
    if gone:
        found.before = max(gone) + 1
        found.since_ms = found.records[-1].timestamp_ms


@contextmanager
def _reader(kafka: KafkaSettings, group_id: str | None = None) -> Iterator[Consumer]:
    """Give a consumer for one look, and close it afterwards."""
    consumer = Consumer(reader_config(kafka, group_id or f"{kafka.group_id}-serve"))
    try:
        yield consumer
    except (KafkaException, NoTopic) as error:
        raise NotSeen("Kafka did not answer in time, or has no such topic") from error
    finally:
        consumer.close()


def watermarks(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """Return where a partition begins and ends."""
    asked = TopicPartition(topic, partition)
    found = consumer.get_watermark_offsets(asked, timeout=_ANSWER_S)
    if found is None:
        raise KafkaException("a partition's offsets were not told in time")
    low, high = found
    return low, high


def _earlier(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _later(one: int | None, other: int | None) -> int | None:
    """Return from when on everything was read: the later of two moments."""
    return other if one is None else one if other is None else max(one, other)

"""Where partitions start: committed offsets with their metadata, the log's start, topic ids."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Struct

from processor.index.port import Assignment
from processor.kafka.asking import TopicIds, committed
from processor.kafka.clock import Clock
from processor.records import RowKey

_OWN_S: Final = 1.0
"""Offsets pending in a dead member's transaction cannot be read before that has timed out."""
_OTHERS_S: Final = 1.0


class GroupOffsets(Struct, frozen=True):
    """What the group has committed, and where partitions begin of which it has nothing."""

    own: tuple[Assignment, ...]
    """The partitions that were asked for."""
    others: tuple[Assignment, ...]
    """The group's other partitions, as far as known."""
    starts: dict[RowKey, int]
    """Offsets of *own* partitions that are to be committed before anything is taken.

    The log's start where the group has no offset, and all of them where the operator accepts any.
    """


class Positions:
    """Asks Kafka where partitions start. Methods raise KafkaException where it does not answer."""

    def __init__(
        self,
        consumer: Consumer,
        inputs: Sequence[str],
        topic_ids: TopicIds,
        clock: Clock,
        *,
        accept_offsets: bool,
    ) -> None:
        self._consumer = consumer
        self._inputs = tuple(inputs)
        self._topic_ids = topic_ids
        self._now = clock.now
        self.accept_offsets = accept_offsets
        """Whether an offset outside the log is replaced by the nearest one inside."""

    def find(self, waiting: Collection[RowKey], owned: Collection[RowKey]) -> GroupOffsets:
        """Return where *waiting* start, and what others have committed.

        *owned* are all partitions of this member. Takes up to a second for either.
        """
        own = committed(self._consumer, sorted(waiting), _OWN_S)
        ids = self._topic_ids({topic for topic, _ in waiting})
        offsets = {RowKey(p.topic, p.partition): p.offset for p in own}
        starts = {key: self._first(key) for key, offset in offsets.items() if offset < 0}
        if self.accept_offsets:
            offsets.update(
                {key: self._within_log(key, at) for key, at in offsets.items() if at >= 0}
            )
            starts |= {key: at for key, at in offsets.items() if at >= 0}
        return GroupOffsets(
            own=tuple(
                _assigned(p, ids[p.topic], offsets[RowKey(p.topic, p.partition)]) for p in own
            ),
            others=self._others(owned),
            starts=starts,
        )

    def lags(self, started: Mapping[RowKey, int]) -> dict[RowKey, int]:
        """Return how many records of each partition wait, as last fetched: no request is made."""
        lags: dict[RowKey, int] = {}
        for key, position in started.items():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(*key), cached=True)
            if end >= 0:  # else nothing was fetched yet
                lags[key] = max(0, end - position)
        return lags

    def _first(self, key: RowKey) -> int:
        return self._consumer.get_watermark_offsets(TopicPartition(*key), _OTHERS_S)[0]

    def _within_log(self, key: RowKey, offset: int) -> int:
        """Return *offset*, or the end of the log that is nearest to it."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*key), _OTHERS_S)
        return min(max(offset, low), high)

    def _others(self, owned: Collection[RowKey]) -> tuple[Assignment, ...]:
        """Return what is committed of partitions not *owned*; nothing where that is not to be had.

        Another member's open transaction may keep its offsets from us.
        """
        deadline = self._now() + _OTHERS_S
        try:
            keys = [key for key in self._partitions(deadline) if key not in owned]
            if not keys:
                return ()
            found = committed(self._consumer, keys, max(0.01, deadline - self._now()))
        except KafkaException:
            return ()
        return tuple(_assigned(p, "", p.offset) for p in found if p.offset >= 0)

    def _partitions(self, deadline: float) -> Iterator[RowKey]:
        for topic in self._inputs:
            known = self._consumer.list_topics(topic, max(0.01, deadline - self._now()))
            for partition in known.topics[topic].partitions:
                yield RowKey(topic, partition)


def _assigned(partition: TopicPartition, topic_id: str, offset: int) -> Assignment:
    return Assignment(
        topic=partition.topic,
        partition=partition.partition,
        topic_id=topic_id,
        committed=offset if offset >= 0 else None,
        metadata=partition.metadata or "",
        is_moved=offset != partition.offset,
    )

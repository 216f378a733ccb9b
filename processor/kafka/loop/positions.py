"""Where partitions start: committed offsets with their metadata, the log's start, topic ids."""

from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from processor.index.port import Assignment
from processor.kafka.asking import answered, committed
from processor.records import RowKey

TopicIds = Callable[[Collection[str]], Mapping[str, str]]

_OWN_S: Final = 1.0
"""Offsets pending in a dead member's transaction do not answer before it has timed out."""
_OTHERS_S: Final = 1.0


class Found(Struct, frozen=True):
    """The answer to "where do these start?"."""

    own: tuple[Assignment, ...]
    others: tuple[Assignment, ...]
    starts: dict[RowKey, int]
    """Where the group has no offset: the log's start, to be committed before anything is taken."""


class Positions:
    """Asks Kafka where partitions start. Methods raise KafkaException where it does not answer."""

    def __init__(
        self,
        consumer: Consumer,
        inputs: Sequence[str],
        topic_ids: TopicIds,
        *,
        accept_offsets: bool,
    ) -> None:
        self._consumer = consumer
        self._inputs = tuple(inputs)
        self._topic_ids = topic_ids
        self.accept_offsets = accept_offsets

    def find(self, waiting: Collection[RowKey], owned: Collection[RowKey]) -> Found:
        """Return where *waiting* start, and as far as known what others have committed."""
        own = committed(self._consumer, sorted(waiting), _OWN_S)
        ids = self._topic_ids({topic for topic, _ in waiting})
        offsets = {RowKey(p.topic, p.partition): p.offset for p in own}
        starts = {key: self._first(key) for key, offset in offsets.items() if offset < 0}
        if self.accept_offsets:
            offsets.update(
                {key: self._within_log(key, at) for key, at in offsets.items() if at >= 0}
            )
            starts |= {key: at for key, at in offsets.items() if at >= 0}
        return Found(
            own=tuple(
                _assigned(p, ids[p.topic], offsets[RowKey(p.topic, p.partition)]) for p in own
            ),
            others=self._others(owned),
            starts=starts,
        )

    def lags(self, started: Mapping[RowKey, int]) -> dict[RowKey, int]:
        """Return how many records of each partition wait, as last heard: asks nobody."""
        lags: dict[RowKey, int] = {}
        for key, position in started.items():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(*key), cached=True)
            if end >= 0:  # else nothing was fetched yet
                lags[key] = max(0, end - position)
        return lags

    def _first(self, key: RowKey) -> int:
        return self._consumer.get_watermark_offsets(TopicPartition(*key), _OTHERS_S)[0]

    def _within_log(self, key: RowKey, offset: int) -> int:
        """Return *offset*, or the nearest end of the log: the operator accepts what comes."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*key), _OTHERS_S)
        return min(max(offset, low), high)

    def _others(self, owned: Collection[RowKey]) -> tuple[Assignment, ...]:
        """Best effort: another member's open transaction may keep its offsets from us."""
        deadline = monotonic() + _OTHERS_S
        try:
            keys = [
                RowKey(topic, partition)
                for topic in self._inputs
                for partition in self._consumer.list_topics(
                    topic, max(0.01, deadline - monotonic())
                )
                .topics[topic]
                .partitions
                if (topic, partition) not in owned
            ]
            if not keys:
                return ()
            found = committed(self._consumer, keys, max(0.01, deadline - monotonic()))
        except KafkaException:
            return ()
        return tuple(_assigned(p, "", p.offset) for p in found if p.offset >= 0)


def _assigned(partition: TopicPartition, topic_id: str, offset: int) -> Assignment:
    return Assignment(
        topic=partition.topic,
        partition=partition.partition,
        topic_id=topic_id,
        committed=offset if offset >= 0 else None,
        metadata=partition.metadata or "",
        is_moved=offset != partition.offset,
    )


def described_topic_ids(admin: AdminClient, within: float = 5.0) -> TopicIds:
    """Return the function that asks the cluster for the ids of topics."""

    def ids(topics: Collection[str]) -> dict[str, str]:
        names = sorted(topics)
        asked = admin.describe_topics(TopicCollection(names), request_timeout=within)
        return {name: str(answered(asked[name], within).topic_id) for name in names}

    return ids


def topic_names(topics: Collection[str]) -> dict[str, str]:
    """Let a topic's name stand for its id: librdkafka's mock cluster knows none."""
    return {name: name for name in topics}

"""The consumer group as an outsider sees it: who is in it, where it stands; for ``restore``."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from processor.apart import until_answered
from processor.index.port import Assignment
from processor.kafka.asking import (
    TopicIds,
    answered,
    close,
    committed,
    described_topic_ids,
    just,
    partitions_of,
)
from processor.kafka.clients import client_config, reader_config
from processor.kafka.clock import Clock
from processor.kafka.errors import is_transient
from processor.records import RowKey
from processor.settings import KafkaSettings

_Answer = TypeVar("_Answer")
_ANSWER_S: Final = 5.0
_PAUSE_S: Final = 0.2
_SETTLED_S: Final = 90.0
"""Offsets in a dead member's transaction cannot be read before the broker has aborted that."""

_OF_MEMBERS: Final = frozenset(
    {
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)


class AtWork(Exception):
    """The group has members again: nobody else may commit for it."""


class Unsettled(Exception):
    """The group's offsets cannot be read: a transaction of a dead process is still open."""


class Group:
    """The group of *kafka*'s settings. Joins nothing; commits only while it has no members."""

    def __init__(self, kafka: KafkaSettings, tell: Callable[[str], object], clock: Clock) -> None:
        self._kafka = kafka
        self._tell = tell
        self._clock = clock
        self._told = ""
        self._admin = AdminClient(client_config(kafka, "admin"))
        self._topic_ids: TopicIds = described_topic_ids(just(self._admin))
        self._consumer = Consumer(reader_config(kafka, kafka.group_id))

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()
        close(self._admin)

    def owner(self) -> str:
        """Return what spaces are bound to: the group and its cluster."""
        cluster: str | None = self._admin.list_topics(timeout=_ANSWER_S).cluster_id
        return f"{self._kafka.group_id}@{cluster or 'unnamed'}"

    def members(self) -> list[str]:
        """Return who is in the group now, each by its instance or client id and its host."""
        return self._answer(self._members, KafkaException)

    def standing(self) -> tuple[Assignment, ...]:
        """Return where the group stands, once no transaction is open that may change it.

        In all input partitions, those without a committed offset too.
        """
        keys = [key for topic in self._kafka.topics.inputs for key in self._partitions(topic)]
        ids = self._topic_ids(self._kafka.topics.inputs)
        found = self._committed(keys)
        return tuple(
            Assignment(
                topic=p.topic,
                partition=p.partition,
                topic_id=ids[p.topic],
                committed=p.offset if p.offset >= 0 else None,
                metadata=p.metadata or "",
            )
            for p in found
        )

    def commit(self, partitions: Sequence[Assignment]) -> None:
        """Commit offsets with their metadata; raises AtWork where the group has members."""
        offsets = [
            TopicPartition(p.topic, p.partition, p.committed, p.metadata)
            for p in partitions
            if p.committed is not None
        ]
        if not offsets:
            return
        try:
            done = self._consumer.commit(offsets=offsets, asynchronous=False)
            error = next((p.error for p in done or () if p.error), None)
        except KafkaException as failure:
            error = failure.args[0]
        if error is not None and error.code() in _OF_MEMBERS:
            raise AtWork
        if error is not None:
            raise KafkaException(error)

    def _partitions(self, topic: str) -> list[RowKey]:
        return [RowKey(topic, p) for p in partitions_of(self._admin, topic, _ANSWER_S)]

    def _members(self) -> list[str]:
        group = self._kafka.group_id
        asked = self._admin.describe_consumer_groups([group], request_timeout=_ANSWER_S)
        try:
            found = answered(asked[group], _ANSWER_S).members
        except KafkaException as failure:
            if failure.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return []
            raise
        return sorted(f"{m.group_instance_id or m.client_id} at {m.host}" for m in found)

    def _committed(self, keys: Sequence[RowKey]) -> list[TopicPartition]:
        return self._answer(partial(committed, self._consumer, keys, _ANSWER_S), self._unsettled)

    def _unsettled(self, error: KafkaError) -> Unsettled:
        return Unsettled(
            f"the offsets of group {self._kafka.group_id} do not answer ({error.name()}):"
            " a transaction is open, or the broker is away"
        )

    def _answer(
        self, ask: Callable[[], _Answer], too_late: Callable[[KafkaError], Exception]
    ) -> _Answer:
        """Return what *ask* returns; raise *too_late* if the broker cannot say for too long."""
        deadline = self._clock.now() + _SETTLED_S

        def waits(failure: KafkaException) -> bool:
            error: KafkaError = failure.args[0]
            if not is_transient(error):
                raise failure
            if self._clock.now() > deadline:
                raise too_late(error)
            self._wait_after(error)
            return True

        found = until_answered(ask, KafkaException, waits)
        assert found is not None  # it waits, or it raises
        return found

    def _wait_after(self, error: KafkaError) -> None:
        """Wait a moment until asking again, and tell once what for."""
        if error.name() != self._told:
            self._told = error.name()
            self._tell(f"waiting for group {self._kafka.group_id} to answer: {error.str()}")
        self._clock.sleep(_PAUSE_S)

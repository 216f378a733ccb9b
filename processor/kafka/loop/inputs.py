"""Questions about all input partitions, whoever reads them: where they end, where the group stands.

A question is a generator: it waits for nothing, and yields until its answer is there. It raises
KafkaException where there is none.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from msgspec import Struct

from processor.apart import apart, begun
from processor.kafka.asking import Asked, committed, partitions_of
from processor.kafka.clients import bystander_config
from processor.kafka.errors import TIMED_OUT, is_transient
from processor.records import RowKey
from processor.settings import KafkaSettings

_Found = TypeVar("_Found")
Question = Generator[None, None, _Found]
"""Yields while its answer is under way, and returns it."""

_ANSWER_S: Final = 5.0
_LATE_S: Final = 1.0
"""How much later than that a call may come back."""
_CLOSE_S: Final = 1.0
_AT_ONCE_S: Final = 1.0


class Ends(Struct, frozen=True):
    """Where all input partitions end."""

    ends: Mapping[RowKey, int]
    """The offset of the next record of each, those of open transactions counted."""
    is_silent: bool
    """Whether no partition has a record since the time that was asked about."""


class Inputs(Protocol):
    """What is asked of the cluster about the input partitions."""

    def ends(self, since_ms: int | None) -> Question[Ends]:
        """Ask where they end; with *since_ms* also whether any has a record of then or later."""
        ...

    def committed(self, keys: Collection[RowKey]) -> Question[Mapping[RowKey, int]]:
        """Ask for the group's committed offsets of *keys*; negative where it has none."""
        ...


class CommittedOffsets:
    """Asks for a group's committed offsets through a consumer that never subscribes: no member.

    Not through an admin client: where another broker has become the group's coordinator, librdkafka
    then ends the process (its pull request 5318). A consumer waits for its answer, so each question
    is asked in a thread of its own, one at a time. One that was not answered may look for no broker
    any more (issue 5301): *new* makes another.
    """

    def __init__(self, new: Callable[[], Consumer], now: Callable[[], float]) -> None:
        self._new = new
        self._consumer = new()
        self._now = now
        self._asked: Future[list[TopicPartition]] | None = None

    @classmethod
    def open(cls, kafka: KafkaSettings, now: Callable[[], float]) -> "CommittedOffsets":
        """Return those of the group of *kafka*'s settings; KafkaException if these are bad."""
        return cls(partial(Consumer, bystander_config(kafka)), now)

    def of(self, keys: Collection[RowKey]) -> Question[Mapping[RowKey, int]]:
        """Ask for the offsets of *keys*; negative where there is none.

        A question that does not come back in time is left behind. Until it does, none is asked.
        """
        if self._asked is not None and not self._asked.done():
            raise KafkaException(KafkaError(TIMED_OUT))
        until = self._now() + _ANSWER_S + _LATE_S
        ask = partial(committed, self._consumer, keys, _ANSWER_S)
        asked = self._asked = begun(ask, "committed-offsets")
        while not asked.done():
            if self._now() >= until:
                raise KafkaException(KafkaError(TIMED_OUT))
            yield
        try:
            found = asked.result()
        except KafkaException as failure:
            if is_transient(failure.args[0]):
                self._replace()
            raise
        return {RowKey(p.topic, p.partition): p.offset for p in found}

    def close(self) -> None:
        """Close the consumer; where a question hangs, that is left to the thread that asks."""
        with suppress(TimeoutError):
            apart(partial(_end, self._consumer, self._asked), _CLOSE_S, "close-offsets")

    def _replace(self) -> None:
        """Ask through another consumer; stay with this one where none can be made just now."""
        with suppress(KafkaException):
            new = self._new()
            self.close()
            self._consumer = new


def _end(consumer: Consumer, asked: "Future[Any] | None") -> None:
    if asked is not None:
        wait([asked])
    consumer.close()


class AdminInputs:
    """Asks through an admin client, whose answers come as futures; *offsets* tell of the group."""

    def __init__(self, asked: Asked, offsets: CommittedOffsets, topics: Sequence[str]) -> None:
        self._asked = asked
        self._offsets_of = offsets.of
        self._topics = sorted(topics)

    def ends(self, since_ms: int | None) -> Question[Ends]:
        """Ask where they end; with *since_ms* also whether any has a record of then or later."""
        named = TopicCollection(self._topics)
        with self._asked() as admin:
            topics = yield from _answers(
                admin.describe_topics(named, request_timeout=_ANSWER_S).values()
            )
        keys = [RowKey(t.name, p.id) for t in topics for p in t.partitions]
        with self._asked() as admin:  # it may have been replaced while that answer came
            latest = _offsets(admin, keys, OffsetSpec.latest())  # type: ignore[no-untyped-call]
            since = None if since_ms is None else OffsetSpec.for_timestamp(since_ms)
            heard = {} if since is None else _offsets(admin, keys, since)
            ends = yield from _answers(latest.values())
            firsts = yield from _answers(heard.values())
        return Ends(
            ends=dict(zip(keys, (end.offset for end in ends), strict=True)),
            is_silent=since_ms is not None and all(first.offset < 0 for first in firsts),
        )

    def committed(self, keys: Collection[RowKey]) -> Question[Mapping[RowKey, int]]:
        """Ask for the group's committed offsets of *keys*; negative where it has none."""
        return self._offsets_of(keys)


class ConsumerInputs:
    """Asks through the loop's own consumer, partition by partition.

    For librdkafka's mock cluster, which is in this process. It knows no admin requests, and finds
    no record by its time: so here no input is ever silent.
    """

    def __init__(self, consumer: Consumer, topics: Sequence[str]) -> None:
        self._consumer = consumer
        self._topics = topics

    def ends(self, since_ms: int | None) -> Question[Ends]:  # noqa: ARG002 - see above
        """Ask where they end."""
        ends: dict[RowKey, int] = {}
        for topic in self._topics:
            for partition in partitions_of(self._consumer, topic, _AT_ONCE_S):
                yield
                asked = TopicPartition(topic, partition)
                _, end = self._consumer.get_watermark_offsets(asked, _AT_ONCE_S)
                ends[RowKey(topic, partition)] = end
        return Ends(ends, is_silent=False)

    def committed(self, keys: Collection[RowKey]) -> Question[Mapping[RowKey, int]]:
        """Ask for the group's committed offsets of *keys*; negative where it has none."""
        yield
        found = committed(self._consumer, keys, _AT_ONCE_S)
        return {RowKey(p.topic, p.partition): p.offset for p in found}


def _offsets(
    admin: AdminClient, keys: Sequence[RowKey], spec: OffsetSpec
) -> dict[Any, "Future[Any]"]:
    return admin.list_offsets(
        {TopicPartition(*key): spec for key in keys},
        # What an open transaction holds has been appended: it is to be waited for.
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=_ANSWER_S,
    )


def _answers(futures: Iterable["Future[Any]"]) -> Question[list[Any]]:
    asked = list(futures)
    while not all(one.done() for one in asked):
        yield
    return [one.result() for one in asked]

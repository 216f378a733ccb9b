"""at_least_once: outputs delivered, then offsets committed; after a crash outputs may repeat."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.kafka.asking import committed
from processor.kafka.clock import Clock
from processor.kafka.errors import NOT_TAKEN, TIMED_OUT, ends_the_process, is_transient
from processor.kafka.loop.publishing import NewProducer, Publisher
from processor.kafka.producer import serve
from processor.records import Output, RowKey

_REFUSED_S: Final = 3.0
"""How long offsets are sent that are not taken: a rebalance refuses them while it happens."""
_RESENT_S: Final = 0.5
"""librdkafka sends a commit again, up to twice, within less: then it may land after the next."""

_Offsets = dict[RowKey, tuple[int, str]]
"""Offsets with their metadata, to be compared."""

log = structlog.get_logger()


class Refusals:
    """The last answer to a commit, which the group's consumer hears with a later poll."""

    def __init__(self) -> None:
        self._last: KafkaError | None = None

    def heard(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Note the answer to a commit; set as the consumer's ``on_commit``."""
        self._last = error or next((p.error for p in partitions if p.error), None)
        if self._last is not None:
            log.info("offsets_refused", kind=self._last.name())

    def check(self) -> None:
        """Raise a refusal that is permanent."""
        if self._last is not None and ends_the_process(self._last):
            raise KafkaException(self._last)


class Deliveries:
    """The idempotent producer of the process, and what it has not delivered yet."""

    def __init__(
        self,
        new_producer: NewProducer,
        consumer: Consumer,
        refusals: Refusals,
        topics: Mapping[str, str],
        reach: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._consumer = consumer
        self._refusals = refusals
        self._reach = reach
        self._clock = clock
        self._now = clock.now
        self._publisher = Publisher(topics)
        self._producer = new_producer(self._publisher.delivered)

    def ready(self, _within: float) -> bool:
        """Return true, as there is nothing to settle; raise a permanent refusal of offsets."""
        self._refusals.check()
        return True

    def publish(self, outputs: Sequence[Output]) -> None:
        """Hand *outputs* to the producer."""
        self._publisher.publish(self._producer, outputs)

    def commit(self, offsets: Sequence[TopicPartition], within: float) -> None:
        """Wait until every output is delivered, then commit *offsets*."""
        deadline = self._now() + within
        while serve(self._producer.flush, max(0.0, deadline - self._now())):
            if self._now() >= deadline:
                self._publisher.refuse(KafkaError(TIMED_OUT))
        self._publisher.check()
        self._reach("before_kafka_commit")
        if offsets:
            self._commit_offsets(offsets, deadline)

    def abort(self, _within: float) -> None:
        """Forget failures: what is still under way may arrive, and will be published again."""
        serve(self._producer.poll, 0)
        self._publisher.clear()

    def serve(self) -> None:
        """Let the producer's callbacks run."""
        serve(self._producer.poll, 0)

    def _commit_offsets(self, offsets: Sequence[TopicPartition], deadline: float) -> None:
        """Send *offsets*, and ask whether the group has them.

        A commit that waits for its answer has no timeout: it waits however long the coordinator is
        away, and all other calls to the consumer wait for it. Asking for committed offsets has a
        timeout. It travels behind the commit on one connection, so it sees its effect; where
        librdkafka may have sent the commit again, we pause before asking.
        """
        wanted = _by_row(offsets)
        until = min(deadline, self._now() + _REFUSED_S)
        pause = 0.0
        while True:
            self._consumer.commit(offsets=list(offsets), asynchronous=True)
            self._clock.sleep(pause)
            found = self._committed(wanted, deadline)
            if found == wanted:
                return
            if found is not None and self._now() >= until:
                self._publisher.refuse(KafkaError(NOT_TAKEN, "the group did not take the offsets"))
            pause = _RESENT_S

    def _committed(self, keys: Collection[RowKey], deadline: float) -> _Offsets | None:
        """Return what the group has of *keys*; None if it cannot say now."""
        try:
            return _by_row(committed(self._consumer, keys, max(0.0, deadline - self._now())))
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if not is_transient(error) or self._now() >= deadline:
                self._publisher.refuse(error)
            return None


def _by_row(offsets: Sequence[TopicPartition]) -> _Offsets:
    return {RowKey(p.topic, p.partition): (p.offset, p.metadata or "") for p in offsets}

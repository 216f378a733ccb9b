"""at_least_once: outputs delivered, then offsets committed; after a crash outputs may repeat."""

from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic, sleep
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from processor.kafka.asking import committed
from processor.kafka.clients import Config
from processor.kafka.errors import NOT_TAKEN, TIMED_OUT, ends_the_process, passes
from processor.kafka.loop.publishing import Publishing, serve
from processor.records import Output, RowKey

_REFUSED_S: Final = 3.0
"""How long offsets are sent that are not taken: a rebalance refuses them while it happens."""
_RESENT_S: Final = 0.5
"""librdkafka sends a commit again, up to twice, within less: then it may land after the next."""

_Short = dict[RowKey, tuple[int, str]]

log = structlog.get_logger()


class Refusals:
    """What the group had against offsets, which its consumer hears with a later poll."""

    def __init__(self) -> None:
        self._last: KafkaError | None = None

    def heard(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """Note the answer to a commit; set as the consumer's ``on_commit``."""
        self._last = error or next((p.error for p in partitions if p.error), None)
        if self._last is not None:
            log.info("offsets_refused", kind=self._last.name())

    def check(self) -> None:
        """Raise what refuses offsets for good."""
        if self._last is not None and ends_the_process(self._last):
            raise KafkaException(self._last)


class Deliveries:
    """The idempotent producer of the process, and what it has not delivered yet."""

    def __init__(
        self,
        config: Config,
        consumer: Consumer,
        refusals: Refusals,
        topics: Mapping[str, str],
        reach: Callable[[str], None],
    ) -> None:
        self._consumer = consumer
        self._refusals = refusals
        self._reach = reach
        self._publishing = Publishing(topics)
        self._producer = Producer({**config, "on_delivery": self._publishing.delivered})

    def ready(self, within: float) -> bool:
        """Return true, as there is nothing to settle; raise what refuses offsets for good."""
        self._refusals.check()
        return within >= 0

    def publish(self, outputs: Sequence[Output]) -> None:
        """Hand *outputs* to the producer."""
        self._publishing.produce(self._producer, outputs)

    def commit(self, offsets: Sequence[TopicPartition], within: float) -> None:
        """Wait until every output is delivered, then commit *offsets*."""
        deadline = monotonic() + within
        while serve(self._producer.flush, max(0.0, deadline - monotonic())):
            if monotonic() >= deadline:
                self._publishing.refuse(KafkaError(TIMED_OUT))
        self._publishing.check()
        self._reach("before_kafka_commit")
        if offsets:
            self._commit_offsets(offsets, deadline)

    def _commit_offsets(self, offsets: Sequence[TopicPartition], deadline: float) -> None:
        """Send *offsets*, and ask whether the group has them.

        A commit that waits for its answer has no timeout: it waits however long the coordinator is
        away, and all other calls to the consumer wait for it. The question has one. It follows the
        commit on the same connection, so its answer tells; if the commit may have been sent again,
        only after a while.
        """
        wanted = _in_short(offsets)
        until = min(deadline, monotonic() + _REFUSED_S)
        pause = 0.0
        while True:
            self._consumer.commit(offsets=list(offsets), asynchronous=True)
            sleep(pause)
            found = self._committed(wanted, deadline)
            if found == wanted:
                return
            if found is not None and monotonic() >= until:
                self._publishing.refuse(KafkaError(NOT_TAKEN, "the group did not take the offsets"))
            pause = _RESENT_S

    def _committed(self, keys: Collection[RowKey], deadline: float) -> _Short | None:
        """Return what the group has of *keys*; None if it cannot say now."""
        try:
            return _in_short(committed(self._consumer, keys, max(0.0, deadline - monotonic())))
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if not passes(error) or monotonic() >= deadline:
                self._publishing.refuse(error)
            return None

    def abort(self, within: float) -> None:
        """Forget failures: what is still under way may arrive, and will be published again."""
        serve(self._producer.poll, min(within, 0))
        self._publishing.clear()

    def serve(self) -> None:
        """Let the producer's callbacks run."""
        serve(self._producer.poll, 0)


def _in_short(offsets: Sequence[TopicPartition]) -> _Short:
    return {RowKey(p.topic, p.partition): (p.offset, p.metadata or "") for p in offsets}

"""at_least_once: outputs delivered, then offsets committed; after a crash outputs may repeat."""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from processor.apart import apart
from processor.kafka.clients import Config
from processor.kafka.errors import TIMED_OUT, commits_again
from processor.kafka.publishing import Publishing, serve
from processor.outcome import Output


class Deliveries:
    """The idempotent producer of the process, and what it has not delivered yet."""

    def __init__(
        self,
        config: Config,
        consumer: Consumer,
        topics: Mapping[str, str],
        reach: Callable[[str], None],
    ) -> None:
        self._consumer = consumer
        self._reach = reach
        self._publishing = Publishing(topics)
        self._producer = Producer({**config, "on_delivery": self._publishing.delivered})

    def ready(self, within: float) -> bool:
        """Return true: there is nothing to settle."""
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
        while offsets and (error := self._commit_offsets(list(offsets), deadline)):
            if not commits_again(error) or monotonic() >= deadline:
                self._publishing.refuse(error)

    def _commit_offsets(self, offsets: list[TopicPartition], deadline: float) -> KafkaError | None:
        """Commit; librdkafka waits for the group's coordinator however long that is away."""

        def commit() -> list[TopicPartition]:
            return self._consumer.commit(offsets=offsets, asynchronous=False)

        try:
            done = apart(commit, deadline - monotonic(), "commit-offsets")
        except TimeoutError:
            return KafkaError(TIMED_OUT)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            return error
        return next((p.error for p in done if p.error), None)

    def abort(self, within: float) -> None:
        """Forget failures: what is still under way may arrive, and will be published again."""
        serve(self._producer.poll, min(within, 0))
        self._publishing.clear()

    def serve(self) -> None:
        """Let the producer's callbacks run."""
        serve(self._producer.poll, 0)

"""A client that sends many records to the input topics, and hears the answers: ``generate``."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from processor.kafka.asking import partitions_of
from processor.kafka.clients import idempotent_config, reader_config
from processor.kafka.messages import record, split
from processor.kafka.producer import produce, serve
from processor.records import Record
from processor.settings import KafkaSettings

_WITHIN_S: Final = 10.0
_TAKE: Final = 500


class Sending:
    """Sends records as producers do, and reads the answers to requests from now on."""

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str]) -> None:
        """Open the connections; NoTopic where one of *topics* or that of answers is missing."""
        self._failed: KafkaError | None = None
        self.delivered = 0
        config = {**idempotent_config(kafka), "delivery.report.only.error": False}
        self._producer = Producer({**config, "on_delivery": self._heard})
        self._consumer = Consumer(reader_config(kafka, f"{kafka.group_id}-generate"))
        try:
            for topic in topics:
                partitions_of(self._consumer, topic, _WITHIN_S)
            answers = kafka.topics.responses
            partitions = partitions_of(self._consumer, answers, _WITHIN_S)
        except BaseException:
            self._consumer.close()
            raise
        self._consumer.assign([TopicPartition(answers, p, OFFSET_END) for p in partitions])

    def send(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Queue a record; raise KafkaException where one before it could not be delivered."""
        produce(self._producer, topic, value, key, headers)
        self._serve(0)

    def answers(self, within: float) -> list[Record]:
        """Return the answers that have come, or come within so many seconds."""
        messages, _ = split(self._consumer.consume(_TAKE, within))
        return [record(message) for message in messages]

    def finish(self) -> None:
        """Wait until everything that was queued is delivered."""
        while serve(self._producer.flush, _WITHIN_S):
            self._serve(0)
        self._serve(0)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _serve(self, seconds: float) -> None:
        serve(self._producer.poll, seconds)
        if self._failed is not None:
            raise KafkaException(self._failed)

    def _heard(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self._failed = error

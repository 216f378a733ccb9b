"""A client that sends many records to the input topics, and hears the answers: ``generate``."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.kafka.asking import partitions_of
from processor.kafka.clients import idempotent_config
from processor.kafka.listening import Listening
from processor.kafka.producer import produce, serve
from processor.records import Record
from processor.settings import KafkaSettings

_WITHIN_S: Final = 10.0


class Sending:
    """Sends records as producers do, and reads the answers to requests from now on."""

    def __init__(self, kafka: KafkaSettings, topics: Sequence[str]) -> None:
        """Open the connections; NoTopic where one of *topics* or that of answers is missing."""
        self._failed: KafkaError | None = None
        self._producer = Producer({**idempotent_config(kafka), "on_delivery": self._heard})
        self._answers = Listening(kafka, "generate", [kafka.topics.responses])
        try:
            for topic in topics:
                partitions_of(self._answers.consumer, topic, _WITHIN_S)
        except BaseException:
            self.close()
            raise

    def send(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Queue a record; raise KafkaException where one before it could not be delivered."""
        produce(self._producer, topic, value, key, headers)
        self._serve(0)

    def answers(self, within: float) -> list[Record]:
        """Return the answers that have come, or come within so many seconds."""
        return self._answers.read(within)

    def finish(self) -> None:
        """Wait until everything that was queued is delivered."""
        while serve(self._producer.flush, _WITHIN_S):
            self._serve(0)
        self._serve(0)

    def close(self) -> None:
        """Close the connections."""
        self._answers.close()

    def _serve(self, seconds: float) -> None:
        serve(self._producer.poll, seconds)
        if self._failed is not None:
            raise KafkaException(self._failed)

    def _heard(self, error: KafkaError | None, _: Message) -> None:
        self._failed = error or self._failed

"""A client that sends one record at a time and reads what is published: ``idstream demo``."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from processor.kafka.clients import producer_config, reader_config
from processor.kafka.clock import Clock
from processor.kafka.messages import record, split
from processor.kafka.producer import produce
from processor.records import Record
from processor.settings import KafkaSettings

SEND_SECONDS: Final = 10.0
_TAKE: Final = 500
_WAIT_SECONDS: Final = 0.05


class Place(NamedTuple):
    """Where a sent record is; outputs name it in their source headers."""

    topic: str
    partition: int
    offset: int


class NoAnswer(Exception):
    """The broker or the processor did not answer in time."""


class Conversation:
    """Writes to the input topics and reads every output topic from its beginning."""

    def __init__(self, kafka: KafkaSettings, clock: Clock) -> None:
        self._clock = clock
        # Successful deliveries are reported too: they say where the record is.
        config = {**producer_config(kafka), "delivery.report.only.error": False}
        self._producer = Producer(config)
        self._consumer = Consumer(reader_config(kafka, f"{kafka.group_id}-conversation"))
        self._consumer.assign(self._partitions(list(kafka.topics.outputs.values())))

    def send(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Place:
        """Send a record, and return where it is."""
        places: list[Place] = []

        def delivered(error: object, message: Message) -> None:
            if error is None:
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                places.append(Place(topic, partition, offset))

        produce(self._producer, topic, value, key, headers, on_delivery=delivered)
        self._producer.flush(SEND_SECONDS)
        if not places:
            raise NoAnswer(f"a record could not be sent to {topic}")
        return places[0]

    def read(self, within: float) -> list[Record]:
        """Return what has come on the output topics, after *within* seconds at the latest."""
        deadline = self._clock.now() + within
        while self._clock.now() < deadline:
            messages, _ = split(self._consumer.consume(_TAKE, _WAIT_SECONDS))
            if messages:
                return [record(message) for message in messages]
        return []

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        found = []
        for topic in topics:
            try:
                metadata = self._consumer.list_topics(topic, SEND_SECONDS).topics[topic]
            except KafkaException as failure:
                raise NoAnswer(f"the broker does not know {topic}: {failure.args[0]}") from None
            found += [TopicPartition(topic, n, OFFSET_BEGINNING) for n in metadata.partitions]
        return found

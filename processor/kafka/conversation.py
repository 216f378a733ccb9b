"""A client that sends one record at a time and reads what is published: ``idstream demo``."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from confluent_kafka import KafkaException, Message, Producer

from processor.kafka.asking import NoTopic
from processor.kafka.clients import producer_config
from processor.kafka.clock import Clock
from processor.kafka.listening import Listening
from processor.kafka.producer import produce
from processor.records import Record
from processor.settings import KafkaSettings

SEND_SECONDS: Final = 10.0
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
        topics = list(kafka.topics.outputs.values())
        try:
            self._heard = Listening(kafka, "conversation", topics, from_start=True)
        except (KafkaException, NoTopic) as failure:
            raise NoAnswer(f"the broker does not know the topics of outputs: {failure}") from None

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
            if found := self._heard.read(_WAIT_SECONDS):
                return found
        return []

    def close(self) -> None:
        """Close the connections."""
        self._heard.close()

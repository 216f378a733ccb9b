"""Single records for a topic, each answered with the place that it got: no transaction, no loss."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec import Struct

from processor.kafka.clients import idempotent_config
from processor.kafka.producer import produce, serve
from processor.settings import KafkaSettings

_WITHIN_S: Final = 30.0


class NotAppended(Exception):
    """Kafka has not said that the record is there; the message says why, and holds nothing of it.

    It may be there all the same where the answer was lost.
    """


class Appended(Struct, frozen=True):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


class Appender:
    """An idempotent producer that waits for every replica; one thread at a time uses it."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._config = {
            **idempotent_config(kafka),
            "acks": "all",
            "delivery.report.only.error": False,
        }
        self._producer = Producer(self._config)

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        within_s: float = _WITHIN_S,
    ) -> Appended:
        """Append a record and wait for its place; NotAppended where none is told in time.

        Then the next one goes through another producer: this one may have failed for good, or look
        for no broker any more (librdkafka's issue 5301).
        """
        try:
            return self._append(topic, key, value, headers, within_s)
        except NotAppended:
            with suppress(KafkaException):  # where none can be made just now, this one stays
                self._producer = Producer(self._config)
            raise

    def _append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        within_s: float,
    ) -> Appended:
        heard: list[tuple[KafkaError | None, Message]] = []
        try:
            produce(
                self._producer,
                topic,
                value,
                key,
                headers,
                on_delivery=lambda error, message: heard.append((error, message)),
            )
            serve(self._producer.flush, within_s)
        except KafkaException as failure:
            raise NotAppended(f"{topic}: {failure.args[0].str()}") from None
        if not heard:
            self._producer.purge()
            raise NotAppended(f"{topic}: Kafka did not answer within {within_s:.0f} s")
        error, message = heard[0]
        if error is not None:
            raise NotAppended(f"{topic}: {error.str()}")
        return Appended(topic, message.partition() or 0, message.offset() or 0)

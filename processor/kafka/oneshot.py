"""Transactions of a command: all outputs of one are seen, or none."""

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.kafka.clients import command_config
from processor.kafka.producer import produce
from processor.records import Output
from processor.settings import KafkaSettings

_WITHIN_S: Final = 30.0


class OneShot:
    """Publishes in transactions of the id ``<group>-<name>``; fences an earlier producer of it."""

    def __init__(self, kafka: KafkaSettings, name: str) -> None:
        self._topics: Mapping[str, str] = kafka.topics.produced
        self._failed: list[KafkaError] = []
        config = {**command_config(kafka, name), "on_delivery": self._heard}
        self._producer = Producer(config)
        self._producer.init_transactions(_WITHIN_S)

    def publish(self, outputs: Sequence[Output]) -> None:
        """Publish *outputs* in one transaction."""
        producer = self._producer
        producer.begin_transaction()
        for one in outputs:
            where = {} if one.partition is None else {"partition": one.partition}
            produce(producer, self._topics[one.role], one.value, one.key, one.headers, **where)
        producer.flush(_WITHIN_S)
        if self._failed:
            producer.abort_transaction(_WITHIN_S)
            raise KafkaException(self._failed[0])
        producer.commit_transaction(_WITHIN_S)

    def _heard(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error)

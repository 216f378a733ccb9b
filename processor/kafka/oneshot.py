"""Transactions of a command: all outputs of one are seen, or none."""

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.kafka.clients import transactional_config
from processor.records import Output
from processor.settings import KafkaSettings

_WITHIN_S: Final = 30.0


class OneShot:
    """Publishes in transactions of the id ``<group>-<name>``; fences whoever did so before."""

    def __init__(self, kafka: KafkaSettings, name: str) -> None:
        self._topics: Mapping[str, str] = kafka.topics.outputs
        self._failed: list[KafkaError] = []
        config = transactional_config(kafka, name)
        config |= {"transactional.id": f"{kafka.group_id}-{name}", "on_delivery": self._heard}
        self._producer = Producer(config)
        self._producer.init_transactions(_WITHIN_S)

    def publish(self, outputs: Sequence[Output]) -> None:
        """Publish *outputs* in one transaction."""
        producer = self._producer
        producer.begin_transaction()
        for one in outputs:
            while True:
                try:
                    topic = self._topics[one.role]
                    producer.produce(topic, one.value, one.key, headers=list(one.headers))
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush(_WITHIN_S)
        if self._failed:
            producer.abort_transaction(_WITHIN_S)
            raise KafkaException(self._failed[0])
        producer.commit_transaction(_WITHIN_S)

    def _heard(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error)

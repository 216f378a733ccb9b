"""One transaction for a command: all of its outputs are seen, or none."""

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.kafka.clients import transactional_config
from processor.outcome import Output
from processor.settings import KafkaSettings

_WITHIN_S: Final = 30.0


def publish(kafka: KafkaSettings, name: str, outputs: Sequence[Output]) -> None:
    """Publish *outputs* in one transaction of the id ``<group>-<name>``; fences an earlier one."""
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    config = transactional_config(kafka, name)
    config |= {"transactional.id": f"{kafka.group_id}-{name}", "on_delivery": delivered}
    producer = Producer(config)
    producer.init_transactions(_WITHIN_S)
    producer.begin_transaction()
    topics: Mapping[str, str] = kafka.topics.outputs
    for one in outputs:
        while True:
            try:
                producer.produce(topics[one.role], one.value, one.key, headers=list(one.headers))
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(_WITHIN_S)
    if failed:
        producer.abort_transaction(_WITHIN_S)
        raise KafkaException(failed[0])
    producer.commit_transaction(_WITHIN_S)

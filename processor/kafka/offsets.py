"""What a group has committed."""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from processor.kafka.rebalance import Key


def committed(consumer: Consumer, keys: Iterable[Key], within: float) -> list[TopicPartition]:
    """Return the group's offsets of *keys*; raise KafkaException if one is not to be had.

    It takes *within* seconds at most, and librdkafka asks again meanwhile.
    """
    found = consumer.committed([TopicPartition(*key) for key in keys], within)
    for one in found:
        if one.error:
            raise KafkaException(one.error)
    return found

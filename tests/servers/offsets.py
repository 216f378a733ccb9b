"""The committed offsets of a group, put back to the beginning as an operator does."""

from collections.abc import Iterable

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from tests.servers.kafka import ANSWER_S, Kafka
from tests.servers.waiting import eventually


def to_the_beginning(kafka: Kafka, group: str, topics: Iterable[str]) -> None:
    """Let *group* begin anew with *topics*, once the sessions of its members have ended."""
    starts = [
        TopicPartition(topic, partition, 0)
        for topic in topics
        for partition in kafka.admin.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
    ]
    asked = ConsumerGroupTopicPartitions(group, starts)

    def is_altered() -> bool:
        (done,) = kafka.admin.alter_consumer_group_offsets([asked]).values()
        try:
            return all(one.error is None for one in done.result(ANSWER_S).topic_partitions)
        except KafkaException:
            return False

    eventually(is_altered, 60, every=1)

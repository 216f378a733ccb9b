"""What the cluster knows of a topic that a command was told of."""

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient


class NoTopic(Exception):
    """A topic is not there, or may not be seen; the message names it."""


def partitions_of(client: AdminClient | Consumer, topic: str, within_s: float) -> list[int]:
    """Return the partitions of *topic*, as *client* hears of them within so many seconds."""
    known = client.list_topics(topic, timeout=within_s).topics[topic]
    if known.error is not None:
        raise NoTopic(f"topic {topic} of the configuration: {known.error.str()}")
    return sorted(known.partitions)

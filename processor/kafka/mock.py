"""librdkafka's mock cluster as a broker inside this process: real clients reach it over a socket.

It knows no admin requests, and keeps the last few megabytes of each partition in memory.
"""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import Producer

_START_SECONDS: Final = 10.0


class EmbeddedBroker:
    """A running mock cluster of one broker that has *topics*."""

    def __init__(self, topics: Sequence[str]) -> None:
        config: dict[str, str | int] = {
            "bootstrap.servers": "embedded",  # replaced by the mock's own
            "test.mock.num.brokers": 1,
            "log_level": 2,
        }
        self._cluster: Producer | None = Producer(config)
        for topic in topics:
            # Asking for a topic makes it.
            self._cluster.list_topics(topic, _START_SECONDS)
        (broker,) = self._cluster.list_topics(timeout=_START_SECONDS).brokers.values()
        self.bootstrap_servers = f"{broker.host}:{broker.port}"

    def stop(self) -> None:
        """End the cluster; its topics are gone."""
        self._cluster = None

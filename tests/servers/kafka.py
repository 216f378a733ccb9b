"""A real Kafka for tests: of ``IDSTREAM_TEST_KAFKA``, else started here, else skipped."""

import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from processor.kafka.asking import close
from tests.servers.kafka_node import Node, Unavailable, start_node
from tests.servers.missing import missing
from tests.servers.waiting import eventually

ANSWER_S = 45.0
"""How long a busy machine may take to answer what is asked of the cluster."""
COORDINATING = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
"""What is told of a group whose coordinator has just begun, as after a restart of the broker."""
FOUND_S = 5.0
"""How long a client looks for the broker before another one does."""


class Kafka:
    """A Kafka cluster as tests see it; *node* only where the tests may kill the broker."""

    def __init__(self, bootstrap: str, node: Node | None) -> None:
        self.bootstrap = bootstrap
        self._node = node
        self._admin = self._new_admin()
        self._producer = self._new_producer()
        self._errors: list[KafkaError] = []

    @property
    def admin(self) -> AdminClient:
        """An admin client that finds the broker, or a new one."""
        if not _finds_the_broker(self._admin):
            self._replace_admin()
        return self._admin

    def _replace_admin(self) -> None:
        close(self._admin)
        self._admin = self._new_admin()

    def _new_admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def _new_producer(self) -> Producer:
        return Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0, "log_level": 0})

    @property
    def node(self) -> Node:
        """The broker's process, for tests that kill it: they skip where it is not ours."""
        if self._node is None:
            pytest.skip("the broker of IDSTREAM_TEST_KAFKA is not ours to kill")
        return self._node

    def ailing(self) -> str:
        """Return what keeps our broker from answering, with the end of its log; '' if nothing."""
        if ailing := self.node.ailing():
            return ailing
        deadline = time.monotonic() + ANSWER_S
        while not _finds_the_broker(self._admin):
            if time.monotonic() > deadline:
                return f"without an answer: {self.node.told()}"
            self._replace_admin()
        return ""

    def unique(self, stem: str) -> str:
        """Return a name like *stem* that no other test has."""
        return f"{stem}-{uuid.uuid4().hex[:8]}"

    def create_topic(self, stem: str, partitions: int = 1, **config: str) -> str:
        """Create a topic named like *stem* that no other test has, and return its name."""
        name = self.unique(stem)
        self.restore_topic(name, partitions, **config)
        return name

    def restore_topic(self, name: str, partitions: int, **config: str) -> None:
        """Create the topic of this very *name*, when the cluster has forgotten an earlier one."""
        eventually(lambda: name not in self.admin.list_topics(timeout=10).topics)
        settings = {key.replace("_", "."): value for key, value in config.items()}
        eventually(lambda: self._create(NewTopic(name, partitions, 1, config=settings)))
        eventually(lambda: self._has_leaders(name, partitions))

    def _create(self, topic: NewTopic) -> bool:
        """Create *topic*; False while the broker, just started or paused, counts as away."""
        try:
            self.admin.create_topics([topic])[topic.topic].result(ANSWER_S)
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.INVALID_REPLICATION_FACTOR:
                raise
            return False
        return True

    def alter_topic(self, topic: str, **config: str) -> None:
        """Change settings of *topic*."""
        entries = [
            ConfigEntry(
                name.replace("_", "."),
                value,
                incremental_operation=AlterConfigOpType.SET,
            )
            for name, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(ANSWER_S)

    def empty(self, topic: str, partitions: Iterable[int]) -> None:
        """Delete every record of *partitions*, as a retention does."""
        ends = [TopicPartition(topic, partition, OFFSET_END) for partition in partitions]
        for done in self.admin.delete_records(ends).values():
            done.result(ANSWER_S)

    def _has_leaders(self, topic: str, partitions: int) -> bool:
        known = self.admin.list_topics(topic, timeout=10).topics[topic].partitions
        return len(known) == partitions and all(p.leader >= 0 for p in known.values())

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        partition: int = 0,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Append *values* to one partition, and return when all are there."""
        self.hand_over(topic, values, partition, key, headers)
        self.flush()

    def flush(self) -> None:
        """Return when everything that was handed over is there."""
        assert self._producer.flush(60) == 0
        errors, self._errors = self._errors, []
        assert not errors, errors

    def hand_over(
        self,
        topic: str,
        values: Iterable[bytes | None],
        partition: int = 0,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Hand *values* for one partition to the producer, which appends them soon (``flush``)."""
        if len(self._producer) == 0 and not _finds_the_broker(self._producer):
            self._producer = self._new_producer()

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error:
                self._errors.append(error)

        for value in values:
            while True:
                try:
                    self._producer.produce(
                        topic,
                        value,
                        key,
                        partition=partition,
                        headers=list(headers),
                        on_delivery=delivered,
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)

    def read(self, *topics: str, isolation: str = "read_committed") -> list[Message]:
        """Return every record of *topics* up to their (last stable) end, partition by partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"reader-{uuid.uuid4().hex}",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        try:
            return list(_until_the_end(consumer, _partitions(consumer, topics)))
        finally:
            consumer.close()

    def committed(self, group: str, topic: str) -> dict[int, TopicPartition]:
        """Return the group's committed offsets of *topic* where it has any."""
        consumer = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0}
        )
        try:
            parts = list(_partitions(consumer, [topic]))
            found = eventually(lambda: _committed(consumer, parts))
            return {p.partition: p for p in found if p.offset >= 0}
        finally:
            consumer.close()


def _committed(consumer: Consumer, parts: list[TopicPartition]) -> list[TopicPartition] | None:
    """Return the group's offsets; None while its coordinator is being found, or is loading."""
    try:
        return consumer.committed(parts, timeout=30)
    except KafkaException as failure:
        if failure.args[0].code() in COORDINATING:
            return None
        raise


def _finds_the_broker(client: AdminClient | Producer) -> bool:
    """Return whether *client* finds the broker; else it may look for none any more.

    A client that is told of no brokers just as its connection ends, which tests that kill or freeze
    the broker bring about, is left without any for good (librdkafka's issue 5301).
    """
    try:
        client.list_topics(timeout=FOUND_S)
    except KafkaException:
        return False
    return True


def _partitions(consumer: Consumer, topics: Sequence[str]) -> Iterator[TopicPartition]:
    for topic in topics:
        for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
            yield TopicPartition(topic, partition, OFFSET_BEGINNING)


def _until_the_end(consumer: Consumer, parts: Iterator[TopicPartition]) -> Iterator[Message]:
    assigned = list(parts)
    consumer.assign(assigned)
    unfinished = {(p.topic, p.partition) for p in assigned}
    deadline = time.monotonic() + 60
    while unfinished:
        assert time.monotonic() < deadline, f"no end of {unfinished}"
        for message in consumer.consume(1000, timeout=0.2):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                unfinished.discard((message.topic(), message.partition()))
            elif not error.retriable():
                raise KafkaException(error)


OURS = pytest.StashKey[Kafka]()


@pytest.fixture(autouse=True)
def broker_is_left_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let whoever leaves the broker dead or frozen fail, and give those that follow one that runs.

    Else every later test of the session would fail at it, each after a long wait, and none of them
    would say why.
    """
    yield
    ours = request.config.stash.get(OURS, None)
    if "kafka" in request.fixturenames and ours is not None and (ailing := ours.ailing()):
        ours.node.kill()
        ours.node.start()
        pytest.fail(f"the broker was left behind {ailing}")


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> Iterator[Kafka]:
    """One real broker for the session."""
    if address := os.environ.get("IDSTREAM_TEST_KAFKA"):
        yield Kafka(address, None)
        return
    try:
        node = start_node()
    except Unavailable as reason:
        missing(f"no Kafka broker: {reason}")
    pytestconfig.stash[OURS] = ours = Kafka(node.bootstrap, node)
    try:
        yield ours
    finally:
        node.close()

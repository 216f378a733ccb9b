"""A rebalance overtakes a commit: the group has a new generation, and refuses the one before."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from processor.apart import apart
from processor.kafka.clock import Clock
from processor.kafka.loop.publishing import Undone
from processor.kafka.loop.transactions import Producers, Transactions
from processor.records import Output
from tests.servers.kafka import Kafka
from tests.servers.waiting import eventually

pytestmark = pytest.mark.kafka

OUTPUTS = [Output("enriched", b"k", b"one", ()), Output("enriched", b"k", b"two", ())]


class Late(Consumer):
    """A member that goes on telling what it knew of its place in the group at *remember*."""

    def __init__(self, config: dict[str, object]) -> None:
        super().__init__(config)
        self._known: object = None
        self.late = 0
        """How often it tells that yet."""

    def remember(self) -> None:
        self._known = super().consumer_group_metadata()

    def consumer_group_metadata(self):
        if self.late:
            self.late -= 1
            return self._known
        return super().consumer_group_metadata()


@contextmanager
def overtaken(kafka: Kafka) -> Iterator[tuple[Late, str]]:
    """Give a member that remembers its place before the last rebalance, and its input topic."""
    topic = kafka.create_topic("in", 2)
    config = {
        "bootstrap.servers": kafka.bootstrap,
        "group.id": kafka.unique("group"),
        "partition.assignment.strategy": "cooperative-sticky",
        "heartbeat.interval.ms": 300,
        "enable.auto.commit": False,
    }
    member, other = Late(config), Consumer(config)

    def poll() -> int:
        member.poll(0.05)
        other.poll(0.05)
        return len(other.assignment())

    try:
        member.subscribe([topic])
        eventually(lambda: member.poll(0.05) or member.assignment())
        member.remember()
        other.subscribe([topic])
        eventually(poll)
        yield member, topic
    finally:
        other.close()
        member.close()


def published(kafka: Kafka, member: Consumer) -> tuple[Transactions, str]:
    """Return an open transaction of *member* that holds OUTPUTS, and the topic they go to."""
    output = kafka.create_topic("out")
    config = {"bootstrap.servers": kafka.bootstrap, "transactional.id": output, "linger.ms": 0}

    def new_producer(delivered) -> Producer:
        return Producer({**config, "on_delivery": delivered})

    opened = Transactions(
        Producers(new_producer, 60),
        member,
        {"enriched": output},
        lambda _point: None,
        Clock(),
        apart,
    )
    eventually(lambda: opened.ready(1.0))
    opened.publish(OUTPUTS)
    return opened, output


def committed(member: Consumer, topic: str) -> int:
    (found,) = member.committed([TopicPartition(topic, 0)], 10)
    return found.offset


def cannot_commit(kafka: Kafka, member: Consumer, topic: str) -> KafkaError:
    """Check that nothing comes of a transaction of *member*, and return why."""
    opened, output = published(kafka, member)
    with pytest.raises(Undone) as undone:
        opened.commit([TopicPartition(topic, 0, 7)], 10)
    opened.abort(5)
    assert kafka.read(output) == []
    assert committed(member, topic) < 0
    return undone.value.error


def test_a_transaction_that_a_rebalance_overtook_is_published_again_and_committed(kafka):
    with overtaken(kafka) as (member, topic):
        opened, output = published(kafka, member)
        member.late = 2
        opened.commit([TopicPartition(topic, 0, 7)], 10)
        assert member.late == 0
        opened.publish(OUTPUTS[:1])  # the next one holds nothing of it
        opened.commit([TopicPartition(topic, 0, 8)], 10)
        assert committed(member, topic) == 8
    assert [m.value() for m in kafka.read(output)] == [b"one", b"two", b"one"]


def test_a_transaction_that_rebalances_go_on_to_overtake_is_undone(kafka):
    with overtaken(kafka) as (member, topic):
        member.late = 1000
        assert cannot_commit(kafka, member, topic).code() == KafkaError.ILLEGAL_GENERATION


def test_who_is_no_member_commits_nothing(kafka):
    """With neither member ID nor generation a broker takes offsets unchecked."""
    stranger = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": kafka.unique("group")})
    why = cannot_commit(kafka, stranger, kafka.create_topic("in"))
    stranger.close()
    assert why.code() == KafkaError.UNKNOWN_MEMBER_ID

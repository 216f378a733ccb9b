"""The loop on librdkafka's mock cluster: what ``run --embedded`` rests on."""

import json
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from processor.index.errors import IndexUnavailable
from processor.kafka.clock import Clock
from processor.kafka.loop.horizon import Horizon, HorizonPace
from processor.kafka.loop.inputs import ConsumerInputs
from processor.kafka.mock import EmbeddedBroker
from processor.settings import KafkaSettings, TopicSettings
from tests.kafka.passing import Flow, PassThrough, running
from tests.servers.waiting import eventually

TOPICS = TopicSettings(batches=("in",), requests=(), enriched="out")


@pytest.fixture
def broker():
    broker = EmbeddedBroker(["in", "out"])
    yield broker
    broker.stop()


@pytest.fixture
def line(broker):
    settings = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        group_id="g",
        guarantee="at_least_once",
        topics=TOPICS,
        client={"fetch.wait.max.ms": 20},
    )
    return Flow(None, "in", "out", "g", 4, settings)


def send(broker, values):
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for n, value in enumerate(values):
        producer.produce("in", value, b"key", partition=n % 4, headers=[("h", b"1"), ("n", None)])
    assert producer.flush(10) == 0


def received(broker, topic="out"):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(4)])
    try:
        yield from iter(lambda: consumer.poll(3), None)
    finally:
        consumer.close()


def committed(broker):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "g"})
    try:
        return consumer.committed([TopicPartition("in", p) for p in range(4)], timeout=10)
    finally:
        consumer.close()


def test_records_pass_and_offsets_are_committed_with_their_metadata(broker, line):
    send(broker, [b"%d" % n for n in range(40)])
    step = PassThrough("embedded")
    with running(line, step, embedded=True):
        eventually(lambda: [p.offset for p in committed(broker)] == [10] * 4)
    assert {json.loads(p.metadata)["by"] for p in committed(broker)} == {"embedded"}
    assert sorted(int(m.value()) for m in received(broker)) == list(range(40))
    (partitions, _) = step.assigned[0]
    assert {p.topic_id for p in partitions} == {"in"}


def test_a_loop_goes_on_where_the_one_before_it_committed(broker, line):
    send(broker, [b"%d" % n for n in range(40)])
    with running(line, PassThrough("first"), embedded=True):
        eventually(lambda: [p.offset for p in committed(broker)] == [10] * 4)
    second = PassThrough("second")
    with running(line, second, embedded=True):
        send(broker, [b"%d" % n for n in range(40, 80)])
        eventually(lambda: second.processed == 40)
    assert {p.committed for p in second.assigned[0][0]} == {10}


def test_a_rewind_takes_the_records_again(broker, line):
    send(broker, [b"%d" % n for n in range(40)])

    class Away(PassThrough):
        def process(self, records):
            if not self.forgotten:
                raise IndexUnavailable
            return super().process(records)

    step = Away()
    with running(line, step, embedded=True):
        eventually(lambda: step.processed == 40)
    assert step.forgotten == 1


def test_how_far_the_clock_may_go_is_asked_through_the_consumer(broker, line):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "g"})
    horizon = Horizon(ConsumerInputs(consumer, ["in"]), HorizonPace(grace_s=0), Clock())
    send(broker, [b"%d" % n for n in range(9)])
    eventually(lambda: horizon.look() or horizon.held()[0] == "lag")
    assert horizon.look() == 0
    with running(line, PassThrough(), embedded=True, horizon=HorizonPace()):
        assert eventually(horizon.look) <= time.time() * 1000
    consumer.close()

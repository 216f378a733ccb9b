"""How far the clock may go, on a real broker: ends behind markers, and the questions about them."""

import time
from contextlib import closing

import pytest
from confluent_kafka import Consumer

from processor.kafka.clients import consumer_config
from processor.kafka.clock import Clock
from processor.kafka.loop.horizon import Horizon, HorizonPace
from processor.kafka.loop.partitions import Partitions
from processor.records import RowKey
from processor.settings import KafkaSettings
from tests.kafka.asking import answer, inputs_of, opened, standing, transaction
from tests.kafka.deaf import Deaf
from tests.kafka.passing import PassThrough, flow, running
from tests.servers.waiting import eventually

pytestmark = pytest.mark.kafka

PACE = HorizonPace(grace_s=0, max_silence_s=0)


def committed(line):
    return {n: p.offset for n, p in line.kafka.committed(line.group, line.input).items()}


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_the_end_behind_a_producers_markers_is_committed_like_a_position(kafka, guarantee):
    line = flow(kafka, 2, guarantee=guarantee)
    with running(line, PassThrough(), horizon=PACE), transaction(line, b"1", b"2") as producer:
        producer.commit_transaction(30)
        eventually(lambda: committed(line) == {0: 3, 1: 0})
    assert len(line.results()) == 2


def test_without_a_clock_the_group_stays_before_the_markers(kafka):
    line = flow(kafka, 1)
    with running(line, PassThrough()), transaction(line, b"1") as producer:
        producer.commit_transaction(30)
        eventually(lambda: committed(line) == {0: 1})
        with inputs_of(line) as inputs:
            assert answer(inputs.ends(None)).ends == {RowKey(line.input, 0): 2}


def test_a_partition_that_holds_only_an_aborted_transaction_is_passed(kafka):
    line = flow(kafka, 1)
    with running(line, PassThrough(), horizon=PACE), transaction(line, b"1") as producer:
        eventually(lambda: committed(line) == {0: 0})
        producer.abort_transaction(30)
        eventually(lambda: committed(line) == {0: 2})
    assert line.results() == []


def test_records_behind_a_passed_end_are_processed(kafka):
    line = flow(kafka, 1)
    step = PassThrough()
    with running(line, step, horizon=PACE):
        for n in range(3):
            with transaction(line, b"%d" % n) as producer:
                producer.commit_transaction(30)
            eventually(lambda n=n: committed(line) == {0: 2 * n + 2})
    with running(line, step, horizon=PACE):
        line.kafka.produce(line.input, [b"3"])
        eventually(lambda: committed(line) == {0: 7})
    assert [message.value() for message in line.results()] == [b"0", b"1", b"2", b"3"]


def test_a_partition_whose_records_follow_one_another_is_read_up_though_no_end_is_told(kafka):
    line = flow(kafka, 1)
    place = RowKey(line.input, 0)
    config = {**consumer_config(line.settings), "enable.partition.eof": True}
    with transaction(line, b"before") as producer, closing(Consumer(config)) as consumer:
        producer.commit_transaction(30)
        partitions = Partitions(consumer, Deaf())
        partitions.given([place])
        partitions.start({place: 0})
        for is_read_up in (False, True):
            (message,) = eventually(lambda: [m for m in consumer.consume(1, 0.1) if not m.error()])
            partitions.moved({place: message.offset() + 1})
            assert bool(partitions.read_up) is is_read_up
            producer.begin_transaction()
            producer.produce(line.input, b"and so on", partition=0)
            producer.commit_transaction(30)


def test_the_cluster_says_where_inputs_end_whether_they_are_silent_and_where_the_group_is(kafka):
    line = flow(kafka, 2)
    first, second = RowKey(line.input, 0), RowKey(line.input, 1)
    with inputs_of(line) as inputs:
        empty = answer(inputs.ends(since_ms=1))
        assert (empty.ends, empty.is_silent) == ({first: 0, second: 0}, True)

        line.kafka.produce(line.input, [b"1", b"2"])
        now_ms = round(time.time() * 1000)
        assert answer(inputs.ends(None)).ends == {first: 2, second: 0}
        assert not answer(inputs.ends(None)).is_silent
        assert not answer(inputs.ends(now_ms - 3_600_000)).is_silent
        assert answer(inputs.ends(now_ms + 3_600_000)).is_silent

        found = standing(inputs, [first, second])
        assert found.keys() == {first, second}
        assert max(found.values()) < 0


def test_what_an_open_transaction_holds_counts(kafka):
    line = flow(kafka, 1)
    with inputs_of(line) as inputs, transaction(line, b"1") as producer:
        assert answer(inputs.ends(None)).ends == {RowKey(line.input, 0): 1}
        producer.abort_transaction(30)


def test_the_clock_goes_on_once_all_that_was_there_is_committed(kafka):
    line = flow(kafka, 2)
    line.kafka.produce(line.input, [b"1", b"2"])
    with inputs_of(line) as inputs:
        horizon = Horizon(inputs, PACE, Clock())
        eventually(lambda: horizon.look() or horizon.held()[0] == "lag")
        assert horizon.look() == 0
        with running(line, PassThrough(), horizon=PACE):
            assert eventually(horizon.look) <= time.time() * 1000


def test_an_open_transaction_of_a_producer_holds_the_clock(kafka):
    line = flow(kafka, 1)
    with (
        inputs_of(line) as inputs,
        running(line, PassThrough(), horizon=PACE),
        transaction(line, b"1") as producer,
    ):
        began_ms = round(time.time() * 1000)
        horizon = Horizon(inputs, PACE, Clock())
        eventually(lambda: horizon.look() or horizon.held()[0] == "lag")
        assert horizon.look() == 0
        producer.commit_transaction(30)
        assert eventually(horizon.look) >= began_ms


def test_where_no_input_has_a_record_of_late_the_clock_stands(kafka):
    line = flow(kafka, 1)
    with inputs_of(line) as inputs, running(line, PassThrough(), horizon=PACE):
        horizon = Horizon(inputs, HorizonPace(grace_s=0, max_silence_s=3600), Clock())
        eventually(lambda: horizon.look() or horizon.held()[0] == "silence")
        assert horizon.look() == 0
        line.kafka.produce(line.input, [b"1"])
        assert eventually(horizon.look)


def test_a_cluster_that_is_away_leaves_the_clock_where_it_is():
    with opened(KafkaSettings(bootstrap_servers="127.0.0.1:9", group_id="g"), "in") as inputs:
        horizon = Horizon(inputs, PACE, Clock())
        eventually(lambda: horizon.look() == 0 and horizon.held()[1] > 0.5)
        assert horizon.held()[0] == "unanswered"

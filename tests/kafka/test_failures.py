import os
import time

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from processor.codecs.avro.reading import RegistryUnavailable
from processor.index.errors import Fenced, IndexRefused, IndexUnavailable, LostWrites
from processor.records import Output
from tests.kafka.passing import (
    GUARANTEES,
    Freeze,
    PassThrough,
    all_came_out_once,
    at_nth,
    fill,
    flow,
    running,
)
from tests.servers.kafka import ANSWER_S
from tests.servers.waiting import eventually

# Beyond what the waits of one test, and the broker's start, may take together.
pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]
ENDED = (KafkaError._FENCED, KafkaError._FATAL)


def code(failure: BaseException) -> int:
    assert isinstance(failure, KafkaException), failure
    return failure.args[0].code()


def test_a_producer_fenced_by_another_process_ends_the_loop(kafka):
    line = flow(kafka, instance_id="one")
    step = PassThrough()
    with running(line, step) as one:
        fill(line, 400)
        eventually(lambda: step.commits)
        usurper = Producer(
            {"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{line.group}-one"}
        )
        usurper.init_transactions(30)
        fill(line, 400, start=400)
        assert code(one.failure()) in ENDED
    with running(line, PassThrough()):
        all_came_out_once(line)


def test_a_transaction_that_outlived_its_timeout_leaves_nothing_and_is_made_again(kafka):
    line = flow(kafka, client={"transaction.timeout.ms": 2000}, commit_interval_ms=20)
    fill(line, 4000)

    def outlive() -> None:
        time.sleep(4)  # the broker's clock is what is tested

    with running(line, PassThrough(), reach=at_nth("before_kafka_commit", 1, outlive)) as one:
        all_came_out_once(line)
        assert one.listener.kinds["aborted"]


def test_a_broker_killed_under_at_least_once_costs_no_record(kafka):
    line = flow(kafka, guarantee="at_least_once", max_batch_records=50, commit_interval_ms=20)
    fill(line, 10_000)

    def restart():
        kafka.node.kill()
        kafka.node.start()

    with running(line, PassThrough(), reach=at_nth("before_kafka_commit", 3, restart)):
        eventually(lambda: line.offsets_in() <= line.offsets_out().keys(), within=60, every=1)


def test_a_broker_that_is_not_there_at_the_start_is_waited_for(kafka):
    line = flow(kafka)
    fill(line, 100)
    kafka.node.kill()
    with running(line, PassThrough()) as one:
        eventually(lambda: one.listener.errors)
        kafka.node.start()
        all_came_out_once(line)


@pytest.mark.parametrize("point", ["after_produce", "before_send_offsets", "before_kafka_commit"])
def test_a_broker_killed_inside_a_transaction_costs_no_record(kafka, point):
    line = flow(kafka, max_batch_records=50, commit_interval_ms=20)
    fill(line, 10_000)
    step = PassThrough()

    def restart():
        assert step.processed
        kafka.node.kill()
        kafka.node.start()

    with running(line, step, reach=at_nth(point, 2, restart)):
        all_came_out_once(line, within=60)


def test_a_commit_without_an_answer_is_settled_by_a_new_producer(kafka):
    """The broker freezes for longer than a commit may take: nobody knows what became of it."""
    client = {"transaction.timeout.ms": 60_000}  # or the broker may end it first, and fence us
    # A commit for each poll batch: over an interval, two may hold all that there is.
    line = flow(kafka, max_batch_records=50, commit_interval_ms=0, client=client)
    fill(line, 2000)
    freeze = Freeze(kafka, "before_kafka_commit", 3)
    with running(line, PassThrough(), reach=freeze.reach) as one:
        with freeze:
            assert freeze.struck.wait(30)
            eventually(lambda: one.listener.kinds["aborted"], within=60)
        all_came_out_once(line, within=60)


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_broker_frozen_in_a_commit_does_not_freeze_the_loop(kafka, guarantee):
    line = flow(kafka, guarantee=guarantee)
    fill(line, 4000)
    freeze = Freeze(kafka, "before_kafka_commit", 2)
    with running(line, PassThrough(), reach=freeze.reach) as one:
        with freeze:
            assert freeze.struck.wait(30)
            eventually(lambda: one.listener.kinds["aborted"])
            turns = one.listener.turns
            eventually(lambda: one.listener.turns > turns + 2)
        eventually(lambda: line.offsets_in() <= line.offsets_out().keys())


@pytest.mark.parametrize(
    ("guarantee", "away", "told"),
    [
        *((g, IndexUnavailable(), ("index", "IndexUnavailable")) for g in GUARANTEES),
        ("exactly_once", RegistryUnavailable("asleep"), ("registry", "asleep")),
    ],
)
def test_what_is_away_means_committing_waiting_and_starting_again(kafka, guarantee, away, told):
    line = flow(kafka, guarantee=guarantee)
    fill(line, 2000)

    class Away(PassThrough):
        times = 0

        def process(self, records):
            if self.processed >= 1000 and self.times < 4:
                self.times += 1
                raise away
            return super().process(records)

        def assign(self, partitions, others):
            super().assign(partitions, others)
            if 0 < self.times < 4:
                self.times += 1
                raise away

    step = Away()
    with running(line, step) as one:
        eventually(lambda: line.offsets_in() <= line.offsets_out().keys())
        assert one.listener.errors.count(told) == step.forgotten == 4
        assert len(step.assigned) == 5
        assert all(len(partitions) == 4 for partitions, _ in step.assigned)
    # What was acknowledged is committed first: nothing is processed twice.
    assert step.processed == 2000
    all_came_out_once(line)


@pytest.mark.parametrize(
    ("failure", "is_rescued"),
    [
        (LostWrites("behind"), True),
        (Fenced("newer owner"), False),
        (IndexRefused("NOPERM"), False),
    ],
)
def test_what_cannot_be_lived_with_ends_the_loop(kafka, failure, is_rescued):
    line = flow(kafka, commit_interval_ms=60_000)
    fill(line, 2000)

    class Failing(PassThrough):
        def process(self, records):
            if self.processed:
                raise failure
            return super().process(records)

    step = Failing()
    with running(line, step) as one:
        assert one.failure() is failure
    assert step.processed
    assert step.excused == (not is_rescued)
    # What the index had acknowledged before it lost it is committed; a zombie's work is aborted.
    assert bool(line.results()) is is_rescued
    with running(line, PassThrough()):
        all_came_out_once(line, within=8)  # an open transaction would hold its offsets for 10 s


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_an_output_too_large_for_its_topic_ends_the_loop(kafka, guarantee):
    line = flow(kafka, guarantee=guarantee)

    class Large(PassThrough):
        def process(self, records):
            return [Output("enriched", b"k", os.urandom(2_000_000), ())]

    fill(line, 1)
    step = Large()
    with running(line, step) as one:
        assert code(one.failure()) == KafkaError.MSG_SIZE_TOO_LARGE
    assert not step.excused, "a record's doing"


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_an_output_topic_that_does_not_exist_ends_the_loop(kafka, guarantee):
    line = flow(kafka, guarantee=guarantee, client={"topic.metadata.propagation.max.ms": 1000})
    kafka.admin.delete_topics([line.output])[line.output].result(ANSWER_S)
    fill(line, 1)
    step = PassThrough()
    with running(line, step) as one:
        assert code(one.failure()) == KafkaError._UNKNOWN_TOPIC
    assert step.excused == 1, "no record's doing"


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_metadata_that_kafka_refuses_ends_the_loop(kafka, guarantee):
    line = flow(kafka, guarantee=guarantee)
    fill(line, 1)

    class Wordy(PassThrough):
        def metadata(self, topic, partition):
            return "x" * 4097

    with running(line, Wordy()) as one:
        assert code(one.failure()) == KafkaError.OFFSET_METADATA_TOO_LARGE


def test_a_second_process_with_the_same_instance_id_ends_the_first(kafka):
    line = flow(kafka, instance_id="one")
    fill(line, 1000)
    with running(line, PassThrough()) as one:
        eventually(lambda: one.listener.started == 4)
        with running(line, PassThrough()):
            fill(line, 1000, start=1000)
            assert code(one.failure()) in ENDED
            all_came_out_once(line)

import signal
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from processor.index.errors import NoStart
from processor.kafka.asking import wait_for_cluster_id
from processor.kafka.loop.open import Process, open_loop
from processor.records import Output
from processor.settings import KafkaSettings, SettingsError
from tests.kafka.deaf import Deaf
from tests.kafka.passing import (
    GUARANTEES,
    Freeze,
    PassThrough,
    all_came_out_once,
    fill,
    flow,
    origin,
    running,
    spawned,
)
from tests.servers.kafka import ANSWER_S
from tests.servers.waiting import eventually

pytestmark = pytest.mark.kafka


def commit(line, offsets: dict[int, int], metadata: str = "") -> None:
    """Commit offsets as an operator does, from outside."""
    consumer = Consumer({"bootstrap.servers": line.kafka.bootstrap, "group.id": line.group})
    consumer.commit(
        offsets=[TopicPartition(line.input, p, o, metadata) for p, o in offsets.items()],
        asynchronous=False,
    )
    consumer.close()


def trim(line, before: int) -> None:
    """Delete the first records of every partition, as retention does."""
    parts = [TopicPartition(line.input, p, before) for p in range(line.partitions)]
    for done in line.kafka.admin.delete_records(parts).values():
        done.result(ANSWER_S)


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_new_group_begins_at_the_first_record_there_is(kafka, guarantee):
    line = flow(kafka, guarantee=guarantee)
    fill(line, 40)
    trim(line, 3)
    step = PassThrough()
    with running(line, step):
        eventually(lambda: len(line.results()) == 28)
    assert {p.committed for p in step.assigned[0][0]} == {None}


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_where_a_new_group_begins_is_committed_before_a_record_is_taken(kafka, guarantee):
    line = flow(kafka, guarantee=guarantee)
    fill(line, 40)
    trim(line, 3)
    seen = []

    class Looking(PassThrough):
        def process(self, records):
            if not seen:
                seen.append(kafka.committed(line.group, line.input))
            return super().process(records)

    with running(line, Looking("first")):
        eventually(lambda: seen)
    assert {p: o.offset for p, o in seen[0].items()} == dict.fromkeys(range(4), 3)
    assert all('"first"' in o.metadata for o in seen[0].values())


def test_a_group_goes_on_where_it_committed(kafka):
    line = flow(kafka, partitions=1)
    fill(line, 10)
    commit(line, {0: 7}, "by hand")
    step = PassThrough()
    with running(line, step):
        eventually(lambda: len(line.results()) == 3)
    assert [origin(m) for m in line.results()] == [(0, 7), (0, 8), (0, 9)]
    assert step.assigned[0][0][0].metadata == "by hand"


@pytest.mark.parametrize("offset", [2, 100])
def test_a_committed_offset_outside_the_log_ends_the_loop_with_the_ways_out(kafka, offset):
    line = flow(kafka, partitions=1)
    fill(line, 10)
    trim(line, 4)
    commit(line, {0: offset})
    with running(line, PassThrough()) as one:
        failure = one.failure()
    assert isinstance(failure, NoStart)
    assert "idstream restore" in str(failure)
    assert "--accept-offsets" in str(failure)


@pytest.mark.parametrize(("offset", "first"), [(2, 4), (100, 10)])
def test_an_operator_may_accept_an_offset_outside_the_log(kafka, offset, first):
    line = flow(kafka, partitions=1)
    fill(line, 10)
    trim(line, 4)
    commit(line, {0: offset})
    with running(line, PassThrough("mine"), accept_offsets=True) as one:
        eventually(lambda: one.listener.started)
        # Committed as ours before anything is taken: a start anew would forget what was decided.
        eventually(lambda: "mine" in kafka.committed(line.group, line.input)[0].metadata)
        fill(line, 1, start=10)
        eventually(lambda: len(line.results()) == 11 - first)
    assert min(origin(m) for m in line.results()) == (0, first)


def test_no_start_of_the_step_ends_the_loop_and_nothing_is_committed(kafka):
    line = flow(kafka)
    fill(line, 4)

    class Unwilling(PassThrough):
        def assign(self, partitions, others):
            raise NoStart("a row, but no offset")

    with running(line, Unwilling()) as one:
        assert isinstance(one.failure(), NoStart)
    assert kafka.committed(line.group, line.input) == {}


def test_offsets_held_by_a_dead_members_transaction_are_waited_for(kafka):
    line = flow(kafka, max_batch_records=20, commit_interval_ms=0)
    fill(line, 2000)
    with spawned(line, IDSTREAM_CRASH_AT="before_kafka_commit:4") as dead:
        assert dead.wait(30) == -signal.SIGKILL
        with running(line, PassThrough()):
            all_came_out_once(line, within=40)


def test_a_topic_that_is_not_there_yet_is_waited_for(kafka):
    line = flow(kafka, client={"topic.metadata.refresh.interval.ms": 500})
    kafka.admin.delete_topics([line.input])[line.input].result(ANSWER_S)
    with running(line, PassThrough()) as one:
        eventually(lambda: ("consumer", "UNKNOWN_TOPIC_OR_PART") in one.listener.errors)
        kafka.restore_topic(line.input, line.partitions)
        fill(line, 8)
        all_came_out_once(line)


def test_a_recreated_topic_has_another_id(kafka):
    line = flow(kafka, partitions=1)
    ids = []
    for _ in range(2):
        step = PassThrough()
        with running(line, step):
            eventually(lambda: step.assigned)  # noqa: B023 - called in this turn
        ids.append(step.assigned[0][0][0].topic_id)
        kafka.admin.delete_topics([line.input])[line.input].result(ANSWER_S)
        kafka.restore_topic(line.input, 1)
    assert ids[0] != ids[1]


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_sigterm_commits_what_was_taken_and_ends_well(kafka, guarantee):
    line = flow(kafka, guarantee=guarantee, commit_interval_ms=60_000)
    fill(line, 4000)
    with spawned(line) as process:
        eventually(lambda: kafka.committed(line.group, line.input))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    out = line.offsets_out()
    committed = {p: o.offset for p, o in kafka.committed(line.group, line.input).items()}
    for partition, offset in committed.items():
        assert [out[partition, o] for o in range(offset)] == [1] * offset
    assert sum(out.values()) == sum(committed.values())


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("point", ["before_kafka_commit", "after_kafka_commit"])
def test_stopping_takes_less_than_30_seconds_even_without_a_broker(kafka, guarantee, point):
    line = flow(kafka, guarantee=guarantee)
    fill(line, 4000)
    freeze = Freeze(kafka, point, 2)
    with running(line, PassThrough(), reach=freeze.reach) as one, freeze:
        assert freeze.struck.wait(30)
        one.end(within=30)


def test_idle_work_is_done_about_once_a_second_and_its_outputs_are_committed(kafka):
    line = flow(kafka)

    class Republishing(PassThrough):
        def idle(self):
            super().idle()
            return [Output("enriched", b"k", b"again", ())]

    step = Republishing()
    began = time.monotonic()
    with running(line, step):
        eventually(lambda: len(line.results()) >= 2)
    assert 2 <= step.idled <= time.monotonic() - began + 2


def test_lag_and_life_are_told(kafka):
    line = flow(kafka, partitions=1)
    fill(line, 100)
    with running(line, PassThrough()) as one:
        eventually(lambda: one.listener.lags == {(line.input, 0): 0})
        turns = one.listener.turns
        eventually(lambda: one.listener.turns > turns + 3)
    assert one.listener.records["committed"] == 100


def test_outputs_of_a_role_without_a_topic_are_not_published(kafka):
    line = flow(kafka, partitions=1)
    fill(line, 5)

    class Outspoken(PassThrough):
        def process(self, records):
            return [*super().process(records), Output("outcomes", b"k", b"v", ())]

    with running(line, Outspoken()):
        all_came_out_once(line)


def test_the_cluster_has_an_id(kafka):
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap)
    assert wait_for_cluster_id(settings, lambda _away: False)


def test_a_setting_that_librdkafka_refuses_is_refused_before_anything_starts():
    bad = KafkaSettings(client={"session.timeout.ms": "soon"})
    with pytest.raises(SettingsError, match=r"kafka\.client.*session\.timeout\.ms"):
        open_loop(bad, PassThrough(), Process(name="p"), Deaf())

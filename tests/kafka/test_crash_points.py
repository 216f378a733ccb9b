"""Killed at any named point, and started again: every record comes out once."""

import signal
from itertools import count

import pytest

from processor.crash import POINTS
from tests.kafka.passing import GUARANTEES, all_came_out_once, fill, flow, spawned
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

ON_THE_WAY = {
    "exactly_once": [
        "after_consume",
        "before_produce",
        "after_produce",
        "before_send_offsets",
        "before_kafka_commit",
        "after_kafka_commit",
        "before_start",
    ],
    "at_least_once": [
        "after_consume",
        "before_produce",
        "after_produce",
        "before_kafka_commit",
        "after_kafka_commit",
    ],
}


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_process_killed_at_any_point_of_a_transaction_loses_nothing(kafka, guarantee):
    """One process after another takes over, each killed at its own point, at several passages."""
    line = flow(
        kafka,
        guarantee=guarantee,
        instance_id="static",
        max_batch_records=20,
        commit_interval_ms=0,
    )
    numbers = count(0, 400)
    for point in ON_THE_WAY[guarantee]:
        for passage in (1, 3) if point != "before_start" else (1,):
            fill(line, 400, start=next(numbers))
            with spawned(line, IDSTREAM_CRASH_AT=f"{point}:{passage}") as process:
                assert process.wait(60) == -signal.SIGKILL, (point, passage)
    with spawned(line):
        if guarantee == "exactly_once":
            all_came_out_once(line, within=60)
        else:
            eventually(lambda: line.offsets_in() <= line.offsets_out().keys(), 60, every=0.5)


@pytest.mark.parametrize("point", ["before_revoke", "after_revoke"])
def test_a_process_killed_while_partitions_are_taken_loses_nothing(kafka, point):
    """Dynamic members: the dead one's partitions wait for its session and its transaction."""
    line = flow(kafka, max_batch_records=20)
    fill(line, 2000)
    with spawned(line, IDSTREAM_CRASH_AT=point) as first:
        eventually(line.offsets_out, every=0.5)
        fill(line, 2000, start=2000)
        with spawned(line):
            assert first.wait(30) == -signal.SIGKILL
            all_came_out_once(line, within=60)


def test_a_process_frozen_for_longer_than_its_session_cannot_write_when_it_wakes_up(kafka):
    line = flow(kafka, max_batch_records=20, commit_interval_ms=0)
    fill(line, 2000)
    with spawned(line, IDSTREAM_STOP_AT="before_kafka_commit:4") as zombie:
        eventually(line.offsets_out, every=0.5)
        with spawned(line):
            all_came_out_once(line, within=60)
            zombie.send_signal(signal.SIGCONT)
            fill(line, 400, start=2000)
            all_came_out_once(line, within=60)  # it has ended, or is an honest member again


def test_a_misspelt_point_is_refused_at_the_start(kafka):
    with spawned(flow(kafka), IDSTREAM_CRASH_AT="after_lunch") as process:
        assert process.wait(30) == 1


def test_every_point_is_described_by_a_sentence():
    assert all(text.endswith(".") and len(text) > 20 for text in POINTS.values())

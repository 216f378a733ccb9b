from collections import Counter

import pytest

from processor.index.errors import IndexUnavailable, LostWrites
from tests.kafka.passing import (
    GUARANTEES,
    PassThrough,
    Running,
    all_came_out_once,
    fill,
    flow,
    running,
)
from tests.servers.waiting import eventually

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_second_member_takes_its_share_and_no_record_is_lost_or_doubled(kafka, guarantee):
    line = flow(kafka, partitions=4, guarantee=guarantee)
    fill(line, 4000)
    first, second = PassThrough("first"), PassThrough("second")
    with running(line, first) as one:
        eventually(lambda: first.processed)
        with running(line, second) as two:
            fill(line, 4000, start=4000)
            eventually(lambda: one.listener.started == 2 and two.listener.started == 2)
            fill(line, 4000, start=8000)
            all_came_out_once(line)
        eventually(lambda: one.listener.started == 4)
        fill(line, 400, start=12000)
        all_came_out_once(line)
    assert second.processed
    assert len(first.revoked) >= 2


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_what_is_open_while_partitions_are_taken_is_committed_without_a_rewind(kafka, guarantee):
    line = flow(kafka, guarantee=guarantee, commit_interval_ms=60_000, max_batch_records=50)
    fill(line, 400)

    class Busy(PassThrough):
        """Never runs dry before it has lost partitions, so that its interval stays open."""

        def process(self, records):
            if not self.revoked:
                fill(line, len(records), start=400 + self.processed)
            return super().process(records)

    first = Busy("first")
    points: list[str] = []
    with running(line, first, reach=points.append) as one:
        eventually(lambda: first.processed)
        with running(line, PassThrough("second")):
            eventually(lambda: first.revoked)
            all_came_out_once(line)
        assert one.listener.errors == []
        meanwhile = points[points.index("before_revoke") : points.index("after_revoke")]
        assert "after_kafka_commit" in meanwhile


def test_partitions_that_stay_are_not_assigned_again(kafka):
    line = flow(kafka, partitions=4)
    first = PassThrough("first")
    with running(line, first) as one:
        eventually(lambda: one.listener.started == 4)
        with running(line, PassThrough("second")) as two:
            eventually(lambda: two.listener.started == 2)
        eventually(lambda: one.listener.started == 4)
    times = Counter(p.partition for partitions, _ in first.assigned for p in partitions)
    assert sorted(times.values()) == [1, 1, 2, 2]


def test_the_offsets_of_the_groups_other_partitions_are_shown_at_an_assignment(kafka):
    line = flow(kafka, partitions=4)
    fill(line, 40)
    second = PassThrough("second")
    with running(line, PassThrough("first")) as one:
        all_came_out_once(line)
        with running(line, second) as two:
            eventually(lambda: one.listener.started == 2 and two.listener.started == 2)
    (mine, others) = second.assigned[0]
    assert {p.partition for p in mine}.isdisjoint(p.partition for p in others)
    assert {p.partition for p in (*mine, *others)} == {0, 1, 2, 3}
    assert all('"first"' in p.metadata for p in others)


def test_partitions_taken_before_they_were_started_are_given_up(kafka):
    line = flow(kafka, partitions=4)
    fill(line, 400)

    class Unready(PassThrough):
        def assign(self, partitions, others):
            raise IndexUnavailable

    with running(line, Unready()) as one:
        eventually(lambda: one.listener.waiting == 4)
        with running(line, PassThrough("second")) as two:
            eventually(lambda: one.listener.waiting == 2 and two.listener.started == 2)
            one.end()
            eventually(lambda: two.listener.started == 4)
            all_came_out_once(line)


def test_a_member_that_was_silent_for_too_long_loses_its_partitions_and_carries_on(kafka):
    """The other member owns them meanwhile; what was open is aborted, nothing is doubled."""
    line = flow(kafka, 4, client={"max.poll.interval.ms": 6000}, commit_interval_ms=20_000)
    fill(line, 400)

    class Sleepy(PassThrough):
        second: Running | None = None

        def process(self, records):
            outputs = super().process(records)
            if self.second is not None and not self.forgotten:
                eventually(lambda: self.second.listener.started == 4, within=30)
            return outputs

    sleepy, second = Sleepy(), PassThrough("second")
    with running(line, sleepy) as one:
        eventually(lambda: sleepy.processed)
        with running(line, second) as two:
            sleepy.second = two
            fill(line, 400, start=400)
            eventually(lambda: sleepy.forgotten, within=40)
            eventually(lambda: ("consumer", "partitions_lost") in one.listener.errors)
            eventually(lambda: one.listener.started == 2)
            all_came_out_once(line)


def test_lost_writes_noticed_while_partitions_are_taken_end_the_loop(kafka):
    line = flow(kafka, partitions=4)

    class Loser(PassThrough):
        def revoke(self, partitions):
            raise LostWrites("behind")

    with running(line, Loser()) as one:
        eventually(lambda: one.listener.started == 4)
        with running(line, PassThrough("second")) as two:
            assert isinstance(one.failure(), LostWrites)
            eventually(lambda: two.listener.started == 4)

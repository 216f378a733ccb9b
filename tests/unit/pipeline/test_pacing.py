"""How many sweeps are under way at once."""

import statistics

from hypothesis import given
from hypothesis import strategies as st

from processor.clock.wheel import MOST
from processor.identity.model import Space
from processor.pipeline.pacing import AHEAD_S, PATIENCE_S, SweepPace

SPACE = Space("shop", "production")
INTERVAL_S = 0.1
IN_TIME_S = AHEAD_S + 2 * INTERVAL_S


class Played:
    """A pace whose time is played, and the shards of which a sweep is under way."""

    def __init__(self, at_once: int) -> None:
        self.time_s = 0.0
        self.pace = SweepPace(round(at_once * MOST / AHEAD_S), INTERVAL_S, lambda: self.time_s)
        self.out: list[int] = []
        self.next = 0

    def issue(self) -> int:
        """Issue as many as may be, and return how many."""
        room = self.pace.room()
        begun = list(range(self.next, self.next + room))
        self.pace.issued([(SPACE, shard) for shard in begun])
        self.next += room
        self.out += begun
        return room

    def come_back(self, count: int) -> None:
        """Let the first *count* come back."""
        for _ in range(min(count, len(self.out))):
            self.pace.returned((SPACE, self.out.pop(0)))

    def go_round(self, takes_s: float) -> int:
        """Issue as many as may be, and let all come back after a time; tell how many."""
        issued = self.issue()
        self.time_s += takes_s
        self.come_back(len(self.out))
        return issued


def test_as_many_sweeps_are_under_way_as_a_quarter_of_a_second_lets_through():
    played = Played(7)
    assert [played.issue(), played.issue()] == [7, 0]
    assert [played.go_round(0.0) for _ in range(3)] == [0, 7, 7]


def test_sweeps_that_take_twice_as_long_as_they_may_let_half_as_many_go_out():
    played = Played(8)
    rounds = [played.go_round(2 * IN_TIME_S) for _ in range(5)]
    assert rounds == [8, 4, 2, 1, 1]


def test_where_sweeps_are_back_in_time_again_more_go_out():
    played = Played(7)
    while played.go_round(3 * IN_TIME_S) > 1:
        pass
    rounds = [played.go_round(IN_TIME_S / 2) for _ in range(8)]
    assert rounds == sorted(rounds)
    assert rounds[-1] == 7


@given(st.integers(2, 12), st.floats(0.02, 0.3))
def test_where_each_sweep_takes_its_time_as_many_are_under_way_as_are_back_in_time(at_once, each_s):
    played = Played(at_once)
    played.issue()
    out = []
    for _ in range(200):  # one is carried out after the other; each lets others go out
        played.time_s += each_s
        played.come_back(1)
        played.issue()
        out.append(len(played.out))
    fair = min(at_once, max(1.0, IN_TIME_S / each_s))
    assert fair * 0.6 - 0.5 <= statistics.mean(out[100:]) <= fair * 1.4 + 0.5


def test_a_sweep_that_has_just_missed_a_commit_is_not_late():
    played = Played(3)
    assert [played.go_round(2 * INTERVAL_S + 0.2) for _ in range(5)] == [3] * 5


def test_where_batches_never_cease_to_wait_one_sweep_a_second_goes_out():
    played = Played(3)
    played.go_round(4 * IN_TIME_S)
    issued = []
    for _ in range(4):
        issued.append(played.issue())
        played.time_s += PATIENCE_S + 0.01
    assert issued == [1, 1, 1, 0], "until as many are under way as ever may be"


def test_no_more_profiles_are_swept_than_a_second_allows():
    played = Played(1)
    played.pace.spend(5 * MOST)
    assert played.pace.room() == 0
    played.time_s = 0.25
    assert played.pace.room() == 0, "what is owed is made up for first"
    played.time_s = 0.5
    assert played.pace.room() == 1


def test_a_second_without_sweeps_is_not_saved_up_for_later_ones():
    played = Played(1)
    played.time_s = 100.0
    assert played.pace.room() == 1
    played.pace.spend(4 * MOST)
    assert played.pace.room() == 0


def test_what_went_to_partitions_of_others_keeps_nobody_back():
    played = Played(2)
    played.issue()
    played.pace.keep([1])
    assert (SPACE, 0) not in played.pace
    assert (SPACE, 1) in played.pace
    assert played.pace.room() == 1
    played.pace.keep(())
    assert played.pace.room() == 2


def test_a_sweep_that_another_process_issued_says_nothing_about_the_pace():
    played = Played(2)
    played.time_s = 100.0
    played.pace.returned((SPACE, 5))
    assert played.pace.room() == 2


@given(
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 4))),
)
def test_whatever_happens_some_sweep_may_go_out_within_a_second(at_once, steps):
    played = Played(at_once)
    for passed_ms, back in steps:
        played.time_s += passed_ms / 1000
        played.come_back(back)
        played.issue()
        assert 1 <= len(played.out) <= at_once
    played.time_s += PATIENCE_S + 0.01
    assert played.pace.room() >= (len(played.out) < at_once)

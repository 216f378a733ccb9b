"""Several processors in any order of steps, with deaths and losses between any two of them.

The loop, the pipeline, the journal and the index are real; Kafka's rules are played. ``python -m
tests.model`` plays random runs for as long as one likes.
"""

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.index.memory import MAX_KEYS
from processor.pipeline.round import ROUNDS
from tests.model.people import REGULARS, SETTINGS, TIMED
from tests.model.plans import HEALTHY
from tests.model.plans import plan as random_plan
from tests.model.play import Played, play
from tests.model.world import CALM, Plan, quiet_logs

faults = st.lists(st.sampled_from(HEALTHY), max_size=len(HEALTHY), unique=True).map(tuple)
plans = st.builds(
    Plan,
    setting=st.sampled_from(sorted((*SETTINGS, *TIMED))),
    history=st.binary(min_size=1, max_size=30),
    schedule=st.binary(min_size=50, max_size=1000),
    static=st.booleans(),
    per_transaction=st.sampled_from([1, 4, 1000]),
    faults=faults,
    rounds=st.sampled_from([1, ROUNDS]),
    max_keys=st.sampled_from([4, MAX_KEYS]),
    restores=st.booleans(),
)


@pytest.fixture(autouse=True, scope="module")
def _kafka():
    with quiet_logs():
        yield


def told(played: Played) -> str:
    return "\n".join([*played.history, *played.wrong])


@pytest.mark.timeout(300)
@given(plans)
def test_no_order_of_steps_and_deaths_loses_or_doubles_a_record_or_breaks_the_graph(plan):
    played = play(plan)
    assert not played.wrong, told(played)


@pytest.mark.timeout(300)
@given(plans.map(lambda plan: dataclasses.replace(plan, faults=(*plan.faults, "losses"))))
def test_what_the_index_loses_is_noticed_or_was_told_to_nobody(plan):
    played = play(plan)
    assert not played.wrong, told(played)


@pytest.mark.timeout(300)
def test_long_runs_end_well_and_most_processors_meet_a_fault():
    steps, ends, met = 0, 0, Counter[str]()
    for number in range(110):
        played = play(random_plan(1, number))
        assert not played.wrong, told(played)
        steps += played.steps
        ends += sum(played.ends.values())
        met += played.met
    assert steps > 40_000
    assert ends > 40
    assert met["conflict"] > 20
    assert met["out of rounds"] > 10
    assert met["unread"] > 20
    assert met["bounded read"] > 50
    assert met["recalled"] > 200


@pytest.mark.timeout(300)
def test_every_flip_is_told_once_at_its_instant_whoever_dies_and_none_while_records_wait():
    met = Counter[str]()
    for number in range(20):
        played = play(timed_plan(number, TIMED[number % 5]))
        assert not played.wrong, told(played)
        met += played.met
    assert met["left by time"] > 50
    assert met["entered by time"] > 25
    assert met["left by merge"] > 0


@pytest.mark.timeout(300)
def test_nobody_is_lost_who_lives_and_nobody_is_back_who_is_gone_whoever_dies():
    met = Counter[str]()
    for number in range(18):
        chosen = timed_plan(number, TIMED[5 + number % 5])
        if number % 2:
            few = bytes(REGULARS[byte % len(REGULARS)] for byte in chosen.history)
            chosen = dataclasses.replace(chosen, history=few)
        played = play(dataclasses.replace(chosen, restores=number % 3 == 0))
        assert not played.wrong, told(played)
        met += played.met
    assert met["profile_erased"] > 30
    assert met["profile_emptied"] > 20
    assert met["profile_back"] > 5
    assert met["restored"] > 10


def timed_plan(number: int, setting: str) -> Plan:
    """Return a plan in which time changes something, one in four of them with losses."""
    chosen = random_plan(3, number, ("losses",) if number % 4 == 3 else ())
    return dataclasses.replace(chosen, setting=setting)


@pytest.mark.timeout(300)
def test_where_nothing_fails_or_hangs_nobody_ends_of_a_rebalance():
    rebalances = 0
    for number in range(60):
        played = play(dataclasses.replace(random_plan(2, number), faults=tuple(sorted(CALM))))
        assert not played.wrong, told(played)
        rebalances += played.history.count("rebalance")
    assert rebalances > 60

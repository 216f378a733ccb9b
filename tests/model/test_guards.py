"""Each guard is needed: without it the same runs go wrong, and the checks say what did."""

import dataclasses

import pytest

from tests.model.guards import GUARDS, without
from tests.model.plans import plan
from tests.model.play import play
from tests.model.world import played_kafka

MOST_RUNS = 2000


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", GUARDS)
def test_without_a_guard_what_it_guards_against_happens(name):
    with played_kafka(), without(name) as guard:
        for number in range(guard.first, guard.first + MOST_RUNS):
            wrong = play(dataclasses.replace(plan(5, number), faults=guard.faults)).wrong
            if any(guard.complaint in one for one in wrong):
                break
        else:
            pytest.fail(f"{MOST_RUNS} runs without the guard, and no check noticed")

    # The same run with the guard in place is in order.
    with played_kafka():
        assert not play(dataclasses.replace(plan(5, number), faults=guard.faults)).wrong

"""Each guard is needed: without it the same runs go wrong, and the checks say what did."""

import pytest

from tests.model.guards import GUARDS, without
from tests.model.play import play
from tests.model.world import quiet_logs

MOST_RUNS = 2000


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", GUARDS)
def test_without_a_guard_what_it_guards_against_happens(name):
    with quiet_logs(), without(name) as guard:
        for number in range(guard.first, guard.first + MOST_RUNS):
            wrong = play(guard.plan(number)).wrong
            if any(one.startswith(guard.complaint) for one in wrong):
                break
        else:
            pytest.fail(f"{MOST_RUNS} runs without the guard, and no check noticed")

    # The same run with the guard in place is in order.
    with quiet_logs():
        assert not play(guard.plan(number)).wrong

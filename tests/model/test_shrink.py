"""What goes wrong is told by a history that one can read."""

from tests.model.guards import without
from tests.model.play import play
from tests.model.shrink import goes_wrong_like, shrunk
from tests.model.world import quiet_logs


def test_a_run_that_goes_wrong_shrinks_to_a_short_history():
    with quiet_logs(), without("journal") as guard:
        plans = (p for p in map(guard.plan, range(200)) if len(p.schedule) < 500)
        chosen = next(p for p in plans if play(p).wrong)
        short = shrunk(chosen, goes_wrong_like(chosen))
        assert goes_wrong_like(chosen)(short)
    assert len(short.history) < 4
    assert len(short.schedule) < 150  # a record takes some fifty steps

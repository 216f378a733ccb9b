"""Profiles that sweeps have set aside are told in the log, without a word of who they are."""

from processor.pipeline.tally import Tally
from processor.watch.aside import tell_set_aside
from tests.unit.watch.lines import Lines


def test_a_line_tells_of_which_shard_and_how_many_and_nobody_is_named():
    log, tally = Lines(), Tally()
    tell_set_aside(log, tally)
    assert log.told == []
    tally.set_aside["shop/production", 3] += 1
    tell_set_aside(log, tally)
    facts = {"space": "shop/production", "shard": 3, "profiles": 1}
    assert log.told == [("profiles_set_aside", facts)]

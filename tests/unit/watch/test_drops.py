"""Dropped records are told in the log, an input a minute at most."""

from processor.pipeline.tally import Tally
from processor.watch.drops import EVERY_S, Drops


class Lines:
    """A log that keeps its warnings."""

    def __init__(self):
        self.lines = []

    def warning(self, event, /, **facts):
        self.lines.append((event, facts))


def dropped(*inputs: str) -> Tally:
    tally = Tally()
    for name in inputs:
        tally.note_input(name, (), "dropped", "no_identity")
    return tally


def test_the_first_drop_is_told_at_once_and_the_next_ones_together_a_minute_later():
    log, now = Lines(), [1000.0]
    drops = Drops(log, lambda: now[0])
    drops.count(Tally())
    drops.count(dropped("a"))
    for _ in range(50):
        drops.count(dropped("a", "a"))
    assert [facts["records"] for _, facts in log.lines] == [1]
    now[0] += EVERY_S
    drops.count(Tally())
    event, facts = log.lines[-1]
    assert (event, facts) == (
        "records_dropped",
        {"input": "a", "records": 100, "reasons": {"no_identity": 100}},
    )
    now[0] += EVERY_S
    drops.count(Tally())
    assert len(log.lines) == 2


def test_every_input_has_its_own_minute():
    log = Lines()
    drops = Drops(log, lambda: 0.0)
    drops.count(dropped("a"))
    drops.count(dropped("a", "b"))
    assert [facts["input"] for _, facts in log.lines] == ["a", "b"]

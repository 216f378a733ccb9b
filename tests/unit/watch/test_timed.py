"""The watched index answers as the index does, and notes seconds and contact of each call."""

import pytest

from processor.identity.model import Space
from processor.index.errors import Fenced, IndexUnavailable
from processor.index.memory import MemoryIndex
from processor.watch.contact import Contact
from processor.watch.timed import TimedIndex
from tests.unit.watch.lines import Lines

SPACE = Space("retail", "production")


class Remote(MemoryIndex):
    """An index in memory that a test takes away."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: Exception | None = None
        self.reached = 0

    def visit(self, *asked, **how):
        if self.fails:
            raise self.fails
        return super().visit(*asked, **how)

    def reach(self) -> None:
        self.reached += 1
        if self.fails:
            raise self.fails


class Play:
    def __init__(self) -> None:
        self.seconds = 100.0
        self.took: list[tuple[str, float]] = []
        self.remote = Remote()
        self.contact = Contact("redis", "h:1", Lines(), self.now, lambda _value: None)
        self.index = TimedIndex(
            self.remote, self.contact, lambda *one: self.took.append(one), self.now
        )

    def now(self) -> float:
        return self.seconds

    def visit(self):
        return self.index.visit(SPACE, {}, [])


def test_a_call_is_an_answer_and_is_timed():
    play = Play()
    assert play.visit() == play.remote.visit(SPACE, {}, [])
    assert play.took == [("visit", 0.0)]
    assert play.contact.missing() == ""
    assert play.contact.heard_at == 100.0


def test_a_call_that_found_no_server_says_why_and_is_raised():
    play = Play()
    play.remote.fails = IndexUnavailable("Redis cannot be asked: ConnectionError: refused")
    with pytest.raises(IndexUnavailable):
        play.visit()
    assert play.contact.missing() == "Redis does not answer since 0 s (ConnectionError: refused)"
    assert len(play.took) == 1


def test_a_refusal_is_an_answer():
    play = Play()
    play.contact.failed("r")
    play.remote.fails = Fenced("a newer owner")
    with pytest.raises(Fenced):
        play.visit()
    assert play.contact.missing() == ""


def test_a_server_that_nobody_asks_is_asked_every_five_seconds():
    play = Play()
    play.index.look()
    assert play.remote.reached == 1
    play.seconds += 4
    play.index.look()
    assert play.remote.reached == 1
    play.visit()
    play.seconds += 4
    play.index.look()
    assert play.remote.reached == 1
    play.seconds += 1
    play.remote.fails = IndexUnavailable("Redis cannot be asked: gone")
    play.index.look()
    assert play.contact.missing() == "Redis does not answer since 0 s (gone)"

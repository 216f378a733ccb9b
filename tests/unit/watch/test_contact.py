"""A server that goes away is told of at once and then once a minute, and so is its return."""

from processor.watch.contact import Contact
from tests.unit.watch.lines import Lines


class Play:
    """A contact to Redis, with its time, log and gauge."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.lines = Lines()
        self.gauge: list[float] = []
        self.contact = Contact(
            "redis", "h:6379", self.lines, lambda: self.seconds, self.gauge.append
        )


def test_nothing_is_missing_and_nothing_told_before_anything_was_heard():
    play = Play()
    assert play.contact.missing() == ""
    assert play.contact.heard_at is None
    assert play.gauge == []


def test_an_outage_of_six_minutes_is_told_of_seven_times():
    play = Play()
    play.contact.answered()
    for _ in range(360):
        play.contact.failed("connection refused")
        play.seconds += 1
    play.contact.answered()
    play.contact.answered()
    waiting = {"address": "h:6379", "reason": "connection refused"}
    assert play.lines.told == [
        *(("waiting_for_redis", {**waiting, "since_s": s}) for s in range(0, 360, 60)),
        ("redis_answers", {"address": "h:6379", "away_s": 360}),
    ]
    assert play.gauge == [1, 0, 1]


def test_a_server_that_goes_away_again_is_news():
    play = Play()
    for _ in range(3):
        play.contact.failed("r")
        play.contact.answered()
    assert [name for name, _ in play.lines.told] == ["waiting_for_redis", "redis_answers"] * 3


def test_the_reason_is_the_last_one_and_the_time_that_of_the_first():
    play = Play()
    play.contact.failed("a")
    play.seconds += 40
    play.contact.failed("b")
    assert play.contact.missing() == "Redis does not answer since 40 s (b)"

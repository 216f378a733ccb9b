"""The log is lines of JSON, and says nothing below its level."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from processor.settings import Secret
from processor.watch.logs import open_log


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    logging.getLogger("idstream.librdkafka").handlers = []


class Time:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def opened(stream, level="info", now=None):
    return open_log(stream, level, now or Time(), {})


def test_an_event_is_one_line_of_json_with_name_level_time_and_facts():
    stream = io.StringIO()
    opened(stream).info("batch_committed", records=500, topic="a\nb")
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "batch_committed",
        "level": "info",
        "records": 500,
        "topic": "a\nb",
    }


class Writes(io.RawIOBase):
    """A file without a buffer, as workers share one: what each write to it was."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, some) -> int:
        self.found.append(bytes(some))
        return len(some)


@pytest.mark.parametrize("write_through", [False, True])
def test_an_event_is_one_write_so_that_workers_do_not_write_into_each_others_lines(write_through):
    writes = Writes()
    stream = io.TextIOWrapper(writes, write_through=write_through)
    log = opened(stream)
    log.info("one")
    log.warning("two", topic="a" * 2000)
    assert [one.count(b"\n") for one in writes.found] == [1, 1]
    assert all(one.endswith(b"\n") for one in writes.found)


def test_what_is_below_the_level_is_not_written():
    stream = io.StringIO()
    log = opened(stream, "warning")
    log.debug("one")
    log.info("two")
    log.warning("three")
    log.error("four")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "three",
        "four",
    ]


def test_a_secret_and_an_error_are_written_as_text():
    stream = io.StringIO()
    opened(stream).info("started", url=Secret("redis://:hidden@h"), error=KeyError("x"))
    event = json.loads(stream.getvalue())
    assert event["url"] == "***"
    assert event["error"] == "'x'"


def test_modules_that_ask_structlog_for_a_log_write_to_the_same_one():
    stream = io.StringIO()
    asked_before = structlog.get_logger()
    opened(stream)
    asked_before.info("partitions_started", partitions=3)
    assert json.loads(stream.getvalue())["partitions"] == 3


def test_what_librdkafka_says_is_an_event_of_the_same_log():
    stream = io.StringIO()
    opened(stream, "warning")
    opened(stream, "warning")
    theirs = logging.getLogger("idstream.librdkafka")
    theirs.info("quiet")
    theirs.warning("FAIL [%s] broker %d down", "thrd", 1)
    theirs.error("ERROR all brokers down")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(e["level"], e["line"]) for e in events] == [
        ("warning", "FAIL [thrd] broker 1 down"),
        ("error", "ERROR all brokers down"),
    ]


def told(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_warning_that_repeats_itself_is_told_once_a_minute_with_how_often_it_was_not():
    stream, now = io.StringIO(), Time()
    log = opened(stream, now=now)
    for _ in range(121):
        log.warning("rewound", source="index", kind="IndexUnavailable")
        now.seconds += 1
    assert [one.get("untold") for one in told(stream)] == [None, 59, 59]


def test_lines_of_librdkafka_are_of_a_kind_by_their_first_word():
    stream, now = io.StringIO(), Time()
    opened(stream, now=now)
    theirs = logging.getLogger("idstream.librdkafka")
    for number in range(300):
        theirs.error("FAIL [thrd:%d] connect to broker %d refused", number, number)
    theirs.error("REQTMOUT [thrd] timed out")
    now.seconds += 60
    theirs.error("FAIL [thrd] again")
    assert [(one["line"].split()[0], one.get("untold")) for one in told(stream)] == [
        ("FAIL", None),
        ("REQTMOUT", None),
        ("FAIL", 299),
    ]


def test_what_is_news_is_told_each_time():
    stream = io.StringIO()
    log = opened(stream)
    for _ in range(2):
        log.info("partitions_started", partitions=4)
        log.warning("waiting_for_redis", address="h:1", reason="r", since_s=0)
        log.warning("rewound", source="consumer", kind="partitions_lost")
        log.warning("topic_problem", topic="a")
    log.warning("topic_problem", topic="b")
    events = [one["event"] for one in told(stream)]
    assert [events.count(name) for name in dict.fromkeys(events)] == [2, 2, 2, 2]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("environ", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_lines_for_people(environ, is_coloured):
    stream = Terminal()
    open_log(stream, "info", Time(), environ).info("stopped", partitions=4)
    line = stream.getvalue()
    assert not line.startswith("{")
    assert "stopped" in line
    assert ("\x1b[" in line) == is_coloured

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


def test_an_event_is_one_line_of_json_with_name_level_time_and_facts():
    stream = io.StringIO()
    open_log(stream, "info").info("batch_committed", records=500, topic="a\nb")
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "batch_committed",
        "level": "info",
        "records": 500,
        "topic": "a\nb",
    }


def test_what_is_below_the_level_is_not_written():
    stream = io.StringIO()
    log = open_log(stream, "warning")
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
    open_log(stream, "info").info("started", url=Secret("redis://:hidden@h"), error=KeyError("x"))
    event = json.loads(stream.getvalue())
    assert event["url"] == "***"
    assert event["error"] == "'x'"


def test_modules_that_ask_structlog_for_a_log_write_to_the_same_one():
    stream = io.StringIO()
    asked_before = structlog.get_logger()
    open_log(stream, "info")
    asked_before.info("partitions_started", partitions=3)
    assert json.loads(stream.getvalue())["partitions"] == 3


def test_what_librdkafka_says_is_an_event_of_the_same_log():
    stream = io.StringIO()
    open_log(stream, "warning")
    open_log(stream, "warning")
    theirs = logging.getLogger("idstream.librdkafka")
    theirs.info("quiet")
    theirs.warning("FAIL [%s] broker %d down", "thrd", 1)
    theirs.error("ERROR all brokers down")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(e["level"], e["line"]) for e in events] == [
        ("warning", "FAIL [thrd] broker 1 down"),
        ("error", "ERROR all brokers down"),
    ]

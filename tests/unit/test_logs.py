"""The log is lines of JSON, and says nothing below its level."""

import io
import json

from processor.logs import open_log
from processor.settings import Secret


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


def test_two_logs_have_their_own_stream_and_level():
    quiet, loud = io.StringIO(), io.StringIO()
    open_log(quiet, "error")
    open_log(loud, "debug").debug("heard")
    assert quiet.getvalue() == ""
    assert "heard" in loud.getvalue()

"""Checks of flips by time tell what they are for, on histories written by hand."""

import json
import math

import pytest

from processor.clock.bucket import MINUTE_MS
from processor.records import Record
from tests.faults.clock import flips_take_turns, nobody_left_early, overdue, visits_before
from tests.faults.oracle import Published, Seen, Source

WITHIN_MS = {"recent": 10 * MINUTE_MS}


def told(version: int, at_ms: int, change: str, reason: str = "record") -> Seen:
    body = {
        "mpid": "7",
        "audience": "recent",
        "change": change,
        "reason": reason,
        "version": version,
        "timestamp_ms": at_ms,
    }
    return Seen("audience_changes", b"retail/production/7", json.dumps(body).encode(), {})


def visits(*times_ms: int) -> tuple[dict[Source, Record], list[Seen]]:
    """Return batches of one person with an event each, and their outcomes."""
    inputs, outcomes = {}, []
    for offset, at_ms in enumerate(times_ms):
        value = json.dumps({"events": [{"event_type": "session_start"}]}).encode()
        inputs["batches", 0, offset] = Record("batches", 0, offset, at_ms, None, value)
        headers = {
            "source-topic": b"batches",
            "source-partition": b"0",
            "source-offset": b"%d" % offset,
        }
        outcome = json.dumps({"outcome": "forwarded", "mpid": "7"}).encode()
        outcomes.append(Seen("outcomes", None, outcome, headers))
    return inputs, outcomes


IN_TURNS = [told(1, 5, "entered"), told(2, 6, "updated"), told(3, 9, "left", "time")]


def test_flips_in_turns_are_in_order_in_whichever_order_they_were_read():
    assert not flips_take_turns(Published({}, {"audience_changes": IN_TURNS[::-1]}))


@pytest.mark.parametrize(
    "more", [told(3, 9, "left", "time"), told(2, 8, "entered"), told(4, 9, "left")]
)
def test_a_flip_that_is_told_twice_or_out_of_turn_is_noticed(more: Seen):
    assert flips_take_turns(Published({}, {"audience_changes": [*IN_TURNS, more]}))


@pytest.mark.parametrize(
    ("times_ms", "is_early"),
    [
        ([0], False),
        ([0, 11 * MINUTE_MS], False),  # after it, so it kept nobody in
        ([0, 3 * MINUTE_MS], True),
        ([], True),
        ([-MINUTE_MS], True),
    ],
)
def test_whoever_leaves_while_an_event_keeps_them_in_is_noticed(times_ms, is_early):
    inputs, outcomes = visits(*times_ms)
    left = [told(2, 10 * MINUTE_MS, "left", "time")]
    published = Published(inputs, {"outcomes": outcomes, "audience_changes": left})
    assert bool(nobody_left_early(published, WITHIN_MS, visits_before(math.inf))) == is_early


@pytest.mark.parametrize(
    ("shard", "due_ms", "is_overdue"),
    [
        (7, 8 * MINUTE_MS, True),
        (7, 10 * MINUTE_MS, False),
        (6, 8 * MINUTE_MS, False),  # another shard was swept
    ],
)
def test_whoever_is_due_still_where_sweeps_have_been_is_noticed(shard, due_ms, is_overdue):
    as_of_ms = 10 * MINUTE_MS
    order = {"scope": "retail", "environment": "production", "as_of_ms": 1 << 60, "shard": shard}
    record = Record("clock", 0, 0, as_of_ms, None, json.dumps(order).encode())
    headers = {"source-topic": b"clock", "source-partition": b"0", "source-offset": b"0"}
    swept = Seen("outcomes", None, b'{"outcome":"swept"}', headers)
    published = Published({("clock", 0, 0): record}, {"outcomes": [swept]})
    assert bool(overdue(published, {"retail/production/7": due_ms})) == is_overdue

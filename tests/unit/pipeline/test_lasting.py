"""What may be remembered of a decision: each condition of ``pipeline.lasting`` by itself."""

import json

import pytest

from processor.identity.model import Space
from processor.records import Record
from tests.unit.pipeline.test_erased import ERASED
from tests.unit.pipeline.test_erased import Line as Erasing
from tests.unit.pipeline.test_memory import (
    BATCH,
    CONFIG,
    HOUR,
    MINUTE,
    START,
    Line,
    taking,
)

DAY = 24 * HOUR
ODD_TYPE = {"custom_event_type": "no such"}


@pytest.fixture
def line() -> Line:
    """A line that knows a user."""
    made = Line()
    made.send(BATCH)
    return made


def remembered(line: Line, value: dict, at: int = START, input_name: str = "default") -> bool:
    """Whether a batch that comes again and again is decided from memory at last."""
    for _ in range(3):
        line.send(value, at=at, input_name=input_name)
    return line.remembers(value, at=at, input_name=input_name)


# ---- it did nothing -----------------------------------------------------------------------------


def test_the_first_batch_of_a_user_is_not_remembered():
    line = Line()
    line.send(BATCH)
    assert not line.remembers(BATCH)


def test_what_changed_something_is_not_remembered(line):
    line.send(taking(BATCH, user_attributes={"color": "blue"}))
    assert not line.remembers(taking(BATCH, user_attributes={"color": "blue"}))


def test_who_was_not_found_is_not_remembered():
    assert not remembered(Line(), BATCH, input_name="feed")


def test_what_is_told_as_a_change_each_time_is_not_remembered():
    blocks = 'strategy = "profile_isolation"\nblocked_values = ["bad@example.com"]'
    line = Line(CONFIG.replace('strategy = "profile_isolation"', blocks))
    blocked = {"customerid": "7", "email": "bad@example.com"}
    assert not remembered(line, taking(BATCH, user_identities=blocked))
    roles = [output.role for output in line.send(taking(BATCH, user_identities=blocked))]
    assert roles == ["enriched", "changes"]


def test_who_is_evaluated_each_time_for_want_of_room_is_not_remembered():
    line = Line(f"[limits]\nmax_profile_bytes = 1024\n{CONFIG}")
    large = taking(BATCH, events=None, user_attributes={"color": "x" * 100})
    for _ in range(3):
        line.send(large, input_name="counted")
    assert [tally.computed_bounded["counted",] for tally in line.tallies] == [1, 1, 1]


# ---- nothing mattered but its words -------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        {"events": [{"event_type": "custom_event", "data": ODD_TYPE}]},
        {"timestamp_unixtime_ms": START + 400 * DAY, "events": None},
    ],
    ids=["an event", "a time far off"],
)
def test_what_is_odd_is_counted_each_time(line, odd):
    value = taking(BATCH, **odd)
    for _ in range(3):
        line.send(value)
    assert [sum(tally.ignored.values()) for tally in line.tallies[1:]] == [1, 1, 1]
    assert not line.made._memory._memos


PURCHASE = {
    "event_type": "custom_event",
    "data": {"event_name": "Purchase", "timestamp_unixtime_ms": START},
}


def counted(*values: dict, at: int = START, line: Line | None = None) -> Line:
    """A line whose user has bought something and came again, so that the batch is remembered."""
    line = line or Line()
    for value in values or (taking(BATCH, events=[PURCHASE]), BATCH, BATCH):
        line.send(value, at=at, input_name="counted")
    return line


def test_a_user_of_whom_something_is_computed_is_remembered_where_no_event_counts():
    plain = taking(BATCH, events=[{"event_type": "screen_view", "data": {"screen_name": "x"}}])
    line = counted(taking(BATCH, events=[PURCHASE]), plain, plain)
    assert line.remembers(plain, input_name="counted")


def test_a_batch_with_an_event_that_counts_is_decided_anew():
    plain = taking(BATCH, events=None)
    line = counted(taking(BATCH, events=[PURCHASE]), plain, plain)
    assert line.remembers(plain, input_name="counted")
    assert not line.remembers(taking(BATCH, events=[PURCHASE]), input_name="counted")


def test_what_was_decided_with_an_event_that_counts_is_not_remembered():
    line = counted(*[taking(BATCH, events=[PURCHASE])] * 3)
    assert not line.made._memory._memos


def test_what_was_decided_with_a_wanted_event_that_changed_nothing_is_not_remembered():
    """It is long past: no window has room for it."""
    late = {**PURCHASE, "data": {**PURCHASE["data"], "timestamp_unixtime_ms": START - 5 * HOUR}}
    value = taking(BATCH, events=[late])
    line = counted(*[value] * 3)
    assert [one.role for one in line.send(value, input_name="counted")] == ["enriched"]
    assert not line.made._memory._memos


def test_inputs_that_need_change_events_are_not_remembered():
    scope = 'identity_scope = "isolated"'
    line = Line(CONFIG.replace(scope, f"{scope}\nsdk_requires_change_events = true"))
    for _ in range(3):
        line.send(BATCH)
    assert not line.remembers(BATCH)


def test_a_read_only_input_is_not_remembered():
    line = Line()
    for _ in range(3):
        line.send(BATCH, input_name="seen")
    value = json.dumps(BATCH).encode()
    record = Record("batches", 0, 1 << 40, START, None, value, (("input", b"seen"),))
    assert not hasattr(line.made._intake.take(record), "content")


def test_consent_that_is_dated_by_its_record_is_decided_anew():
    line, year_ms = Line(), 365 * 24 * HOUR
    answer = {"consented": True, "timestamp_unixtime_ms": START + year_ms}
    value = taking(BATCH, consent_state={"gdpr": {"ads": answer}})
    for _ in range(3):
        line.send(value)
    (enriched, _) = line.send(value, at=START + MINUTE)
    told = json.loads(enriched.value)["consent_state"]["gdpr"]["ads"]
    assert told["timestamp_unixtime_ms"] == START + MINUTE
    dated = {"gdpr": {"ads": {**answer, "timestamp_unixtime_ms": START - 1}}}
    line.send(taking(value, consent_state=dated), taking(value, consent_state=dated))
    assert line.remembers(taking(value, consent_state=dated))


# ---- all that it read has slots -----------------------------------------------------------------


def test_what_was_decided_over_what_an_earlier_record_changed_is_not_remembered():
    line = Line()
    line.send(BATCH, BATCH)
    assert not line.remembers(BATCH)
    line.send(BATCH)
    assert line.remembers(BATCH)


def test_what_the_index_cache_has_forgotten_meanwhile_is_not_remembered(line):
    index = line.made._cache
    cache, look = index.cache(Space("isolated", "production")), index.slots
    index.slots = lambda *asked: cache.clear() or look(*asked)
    line.send(BATCH)
    assert not line.made._memory._memos


def test_what_bears_a_marker_is_not_remembered():
    line = Erasing()
    line.batch(ERASED - 1, "d", user_identities={"customer_id": "ada"})
    for _ in range(3):
        line.batch(ERASED - 1, "d", user_identities={"customer_id": "bob"})
    assert line.is_recalled
    line.erase(ERASED, customerid="ada")  # the device that both have gets a marker
    for _ in range(3):
        line.batch(ERASED + 1, "d", user_identities={"customer_id": "bob"})
        assert not line.is_recalled
    for _ in range(3):
        line.batch(ERASED + 1, "e", user_identities={"customer_id": "bob"})
    assert line.is_recalled


# ---- until when: activity, by the record's own time ---------------------------------------------


def test_activity_that_is_due_is_decided_anew(line):
    line.send(BATCH)
    late = taking(BATCH, events=None, timestamp_unixtime_ms=START + HOUR)
    assert line.remembers(late, at=START + HOUR)
    later = taking(BATCH, events=None, timestamp_unixtime_ms=START + HOUR + 1)
    assert not line.remembers(later, at=START + HOUR + 1)


def test_who_is_contested_is_remembered_up_to_the_last_match():
    line, device = Line(), taking(BATCH, user_identities=None, events=None, user_attributes=None)
    ids = [{"user_identities": {"customerid": name}} for name in ("7", "8")]
    line.send(*[taking(device, device_info=None, **one) for one in ids], input_name="best")
    line.send(*[{**device, **one} for one in ids], input_name="best")
    assert remembered(line, device, input_name="best")
    assert not line.remembers(device, at=START + 1, input_name="best")


def test_an_identity_that_stays_another_user_s_is_asked_for_each_time():
    line, first, second = Line(), {"customerid": "7"}, {"customerid": "8", "email": "e@x.example"}
    line.send(*[taking(BATCH, user_identities=one) for one in (first, second)])
    value = taking(BATCH, user_identities={"customerid": "7", "email": "e@x.example"})
    assert not remembered(line, value, input_name="default")
    assert remembered(line, taking(BATCH, user_identities=second))


def until_ms(line: Line) -> list[int]:
    return [memo.term.until_ms for memo in line.made._memory._memos.values()]


def test_an_attribute_that_is_to_be_renewed_by_event_time_ends_what_is_remembered():
    line, half = Line(), START + 30 * MINUTE
    plain = taking(BATCH, events=None, device_info=None)
    both = {"user_id": "7", "anonymous_id": "a"}
    line.send({**plain, "user_identities": {"user_id": "7"}}, input_name="flat")
    line.send(taking(plain, user_identities=both, user_attributes=None), at=half, input_name="flat")
    value = {**plain, "user_identities": {"anonymous_id": "a"}}
    assert remembered(line, value, at=half, input_name="flat")
    assert until_ms(line) == [START + HOUR]


def test_a_device_that_is_to_be_noted_again_ends_what_is_remembered():
    line, value = Line(), taking(BATCH, events=None, user_attributes=None)
    line.send(value, input_name="beside")
    line.send(value, at=START + HOUR - 1, input_name="counted")
    line.send(value, at=START + HOUR + 1, input_name="beside")
    assert remembered(line, value, at=START + HOUR + 1, input_name="counted")
    assert until_ms(line) == [START + 2 * HOUR - 1]


# ---- until when: time alone, by the record's timestamp ------------------------------------------


def test_what_is_remembered_ends_where_time_alone_changes_what_is_computed():
    plain = taking(BATCH, events=None)
    line = counted(taking(BATCH, events=[PURCHASE]), plain, plain)
    before, due = START + 30 * MINUTE - 1, START + 30 * MINUTE
    assert line.remembers(plain, at=before, input_name="counted")
    assert not line.remembers(plain, at=due, input_name="counted")
    roles = [o.role for o in line.send(plain, at=due, input_name="counted")]
    assert "audience_changes" in roles


def test_what_is_remembered_ends_where_time_changes_what_another_workspace_computes():
    plain, due = taking(BATCH, events=None), START + 30 * MINUTE
    line = Line()
    line.send(taking(BATCH, events=[PURCHASE]), input_name="counted")
    for _ in range(2):
        line.send(plain, input_name="beside")
    assert line.remembers(plain, at=due - 1, input_name="beside")
    roles = [o.role for o in line.send(plain, at=due, input_name="beside")]
    assert "audience_changes" in roles


def test_what_is_remembered_ends_where_a_receipt_is_to_be_noted_that_lengthens_a_life():
    scope = 'identity_scope = "isolated"'
    ages = f"{scope}\nretention = {{ anonymous_days = 2, known_days = 4 }}"
    line = Line(CONFIG.replace(scope, ages))
    assert remembered(line, BATCH)
    (memo,) = line.made._memory._memos.values()
    assert START < memo.term.due_ms < START + 2 * DAY
    assert line.remembers(BATCH, at=memo.term.due_ms - 1)
    assert not line.remembers(BATCH, at=memo.term.due_ms)
    for _ in range(2):
        line.send(BATCH, at=memo.term.due_ms + 1)
    assert line.remembers(BATCH, at=memo.term.due_ms + 1)

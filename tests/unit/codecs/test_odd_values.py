"""An odd value in a field that decides nothing never costs the record: it is left out and noted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.codecs.batch import changed_attributes, decode_batch
from processor.codecs.envelope import open_object
from processor.codecs.moment import milliseconds_of
from processor.codecs.request import decode_request
from processor.codecs.segment import open_segment
from processor.identity.types import STANDARD_KEYS, IdentityKeys
from processor.records import EventBatch
from processor.rules import Limits

EMAIL = {"user_identities": {"email": "a"}}
NAMES = {name: name for name in ("user_id", "email", "ga_client_id", "phone")}
FLAT_KEYS = IdentityKeys(request=NAMES, batch=NAMES, is_literal=True)
AT_MS = 1_634_400_027_000


def read(batch, keys=STANDARD_KEYS, opener=open_object):
    decoded = decode_batch(json.dumps(batch).encode(), keys, Limits(), opener)
    assert isinstance(decoded, EventBatch), decoded
    return decoded


def noted(batch):
    return [(one.field, one.reason) for one in batch.ignored]


def event(data, kind="custom_event"):
    return {**EMAIL, "events": [{"event_type": kind, "data": data}]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("events", {}),
        ("events", ""),
        ("device_info", []),
        ("user_attributes", []),
        ("user_attributes", ""),
        ("deleted_user_attributes", {}),
        ("deleted_user_attributes", "a"),
        ("consent_state", []),
        ("timestamp_unixtime_ms", "now"),
        ("timestamp_unixtime_ms", {}),
        ("timestamp_unixtime_ms", True),
        ("source_request_id", {}),
    ],
)
def test_such_a_field_is_left_out_of_the_batch(name, value):
    batch = read({**EMAIL, name: value})
    assert [place for place, _ in noted(batch)] == [name]
    assert name not in batch.fields
    assert batch.identifiers == (("email", "a"),)
    assert (batch.has_events, batch.time_ms, batch.user_attributes) == (False, None, {})


@pytest.mark.parametrize(
    ("data", "place", "reason"),
    [
        ("x", "events[...].data", "type"),
        ([], "events[...].data", "type"),
        ({"timestamp_unixtime_ms": "now"}, "events[...].data.timestamp_unixtime_ms", "time"),
        ({"custom_event_type": 5}, "events[...].data.custom_event_type", "type"),
        ({"custom_event_type": "mine"}, "events[...].data.custom_event_type", "value"),
    ],
)
def test_the_bytes_of_an_odd_event_go_out_as_they_came(data, place, reason):
    batch = read(event(data))
    assert noted(batch) == [(place, reason)]
    assert json.loads(bytes(batch.fields["events"])) == event(data)["events"]
    assert batch.has_events
    assert changed_attributes(batch.fields) == frozenset()


def test_attributes_that_are_nested_are_left_out_by_name_and_the_others_set():
    batch = read({**EMAIL, "user_attributes": {"a": 1, "b": {"c": 1}, "d": [[1]], "e": [1]}})
    assert batch.user_attributes == {"a": 1, "e": [1]}
    assert [(one.field, one.name) for one in batch.ignored] == [
        ("user_attributes[...]", "b"),
        ("user_attributes[...]", "d"),
    ]


def test_names_to_delete_that_are_no_text_are_left_out():
    batch = read({**EMAIL, "deleted_user_attributes": ["a", 5, None]})
    assert batch.deleted_user_attributes == ("a",)
    assert noted(batch) == [("deleted_user_attributes[...]", "type")]


def test_a_number_may_stand_for_its_text_and_text_for_its_number():
    batch = read({**EMAIL, "source_request_id": 17, "mpid": "5"})
    assert (batch.source_request_id, batch.mpid, batch.ignored) == ("17", 5, ())
    assert bytes(batch.fields["source_request_id"]) == b'"17"'


def test_times_are_read_in_any_common_form_and_sent_on_as_numbers():
    batch = read({**EMAIL, "timestamp_unixtime_ms": "2021-10-16T16:00:27Z"})
    assert (batch.time_ms, batch.ignored) == (AT_MS, ())
    assert bytes(batch.fields["timestamp_unixtime_ms"]) == b"%d" % AT_MS
    assert read(event({"timestamp_unixtime_ms": str(AT_MS)})).time_ms == AT_MS


def test_consent_keeps_its_answers_where_times_and_facts_are_odd():
    answer = {"consented": True, "timestamp_unixtime_ms": "2021-10-16T16:00:27Z"}
    state = {"gdpr": {"a": answer, "b": {"consented": False, "timestamp_unixtime_ms": "x"}}}
    batch = read({**EMAIL, "consent_state": state})
    assert batch.consent_state["gdpr"] == {
        "a": {"consented": True, "timestamp_unixtime_ms": AT_MS},
        "b": {"consented": False},
    }
    assert noted(batch) == [("consent_state[...][...].timestamp_unixtime_ms", "time")]
    odd = {"gdpr": {"a": {"consented": True, "location": {"x": 1}}, "b": []}, "ccpa": []}
    batch = read({**EMAIL, "consent_state": odd})
    assert batch.consent_state == {"gdpr": {"a": {"consented": True}, "b": None}, "ccpa": None}
    assert len(batch.ignored) == 3


@pytest.mark.parametrize("value", ["2021-10-16T16:00:27Z", str(AT_MS), AT_MS], ids=repr)
def test_the_time_of_a_request_has_many_forms_and_its_id_decides_nothing(value):
    request = {
        "request_type": "identify",
        "environment": "production",
        "request_timestamp_ms": value,
        "known_identities": [],
        "request_id": {},
    }
    call = decode_request(json.dumps(request).encode(), STANDARD_KEYS, Limits(), open_object)
    assert (call.error, call.time_ms, call.request_id) == (None, AT_MS, None)
    assert [one.field for one in call.ignored] == ["request_id"]


CALL = {"type": "track", "event": "E", "userId": "u"}


@pytest.mark.parametrize(
    ("odd", "place"),
    [
        ({"integrations": ["All"]}, "integrations"),
        ({"integrations": "All"}, "integrations"),
        ({"integrations": {"Google Analytics": 7}}, "integrations.Google Analytics"),
        ({"properties": "x"}, "properties"),
        ({"properties": []}, "properties"),
        ({"context": []}, "context"),
        ({"context": {"traits": []}}, "context.traits"),
        ({"context": {"device": ""}}, "context.device"),
        ({"context": {"externalIds": {}}}, "context.externalIds"),
        ({"context": {"externalIds": ["x"]}}, "context.externalIds[...]"),
        ({"timestamp": "2021-10-16T16:00:27.029:Z"}, "timestamp"),
    ],
)
def test_a_call_goes_on_without_what_is_odd(odd, place):
    batch = read({**CALL, **odd}, FLAT_KEYS, open_segment)
    assert [one.field for one in batch.ignored] == [place]
    assert batch.identifiers == (("user_id", "u"),)


@pytest.mark.parametrize("flag", [True, False])
def test_switches_of_integrations_are_not_odd(flag):
    call = {**CALL, "integrations": {"All": flag, "Google Analytics": flag}}
    assert read(call, FLAT_KEYS, open_segment).ignored == ()
    assert read({**CALL, "integrations": flag}, FLAT_KEYS, open_segment).ignored == ()


def test_numbers_too_large_for_anything_cost_no_call():
    value = (
        b'{"type": "track", "event": "E", "userId": "u", "messageId": 1e400, "timestamp": 1e400}'
    )
    batch = decode_batch(value, FLAT_KEYS, Limits(), open_segment)
    assert batch.source_request_id == "1e400"
    assert [one.reason for one in batch.ignored] == ["time"]


@pytest.mark.parametrize(
    "text",
    [
        "2021-10-16T16:00:27Z",
        "2021-10-16t18:00:27+02:00",
        "2021-10-16T16:00:27",
        "2021-10-16 16:00:27 UTC",
        "2021-10-16 16:00:27.000 +0000 UTC",
        "20211016T160027Z",
        "Sat, 16 Oct 2021 16:00:27 GMT",
        "Sat Oct 16 2021 18:00:27 GMT+0200 (CEST)",
        " 1634400027000 ",
        "1634400027",
        "1634400027.0",
        1634400027,
        1634400027.0,
        1634400027000,
        1634400027000000,
        1634400027000000000,
        "Oct 16, 2021 4:00:27 PM",
        "Oct 16, 2021 at 4:00:27\u202fPM",
        "2021-10-16 04:00:27 pm UTC",
        "Sat, 16 October 2021 4:00:27 p.m.",
        "2021-10-16 6:00:27 PM +0200",
    ],
    ids=repr,
)
def test_one_time_in_many_forms(text):
    assert milliseconds_of(text) == AT_MS


@pytest.mark.parametrize(
    "value",
    ["", "now", "null", "2021-10-16T16:00:27.029:Z", "16/10/2021", True, None, [], 1e30, "9" * 30],
    ids=repr,
)
def test_what_is_no_time_is_none(value):
    assert milliseconds_of(value) is None


@pytest.mark.parametrize("text", ["2021-10-16 16:00 PM", "2021-10-16 PM", "4 PM on 16 Oct 2021"])
def test_half_a_day_is_no_guess(text):
    assert milliseconds_of(text) is None


@pytest.mark.parametrize(("text", "hour"), [("12:00:00 AM", 0), ("12:00:00 PM", 12)])
def test_twelve_begins_each_half_of_a_day(text, hour):
    assert milliseconds_of(f"Oct 16, 2021 {text}") == 1_634_342_400_000 + hour * 3_600_000


def test_the_time_of_an_answer_may_be_in_any_unit():
    state = {"gdpr": {"a": {"consented": True, "timestamp_unixtime_ms": AT_MS // 1000}}}
    batch = read({**EMAIL, "consent_state": state})
    assert batch.consent_state["gdpr"]["a"]["timestamp_unixtime_ms"] == AT_MS


def test_what_answers_nothing_about_consent_is_told():
    state = {"gdpr": {"a": {"document": "x"}}, "ccpa": {"sale": {"consented": True}}}
    batch = read({**EMAIL, "consent_state": state})
    assert noted(batch) == [
        ("consent_state[...][...]", "missing"),
        ("consent_state.ccpa[...]", "value"),
    ]


@given(st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_no_value_raises_and_none_is_before_1970(value):
    time_ms = milliseconds_of(value)
    assert time_ms is None or time_ms >= 0

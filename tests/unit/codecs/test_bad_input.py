"""Bad input costs nothing but itself: each kind has its reason, and nothing raises."""

import json
import tracemalloc
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.codecs.batch import decode_batch
from processor.codecs.envelope import MAX_DEPTH, open_object
from processor.codecs.request import decode_request
from processor.identity.types import STANDARD_KEYS, IdentityKeys
from processor.records import DeadLetter, EventBatch, IdentityCall
from processor.rules import Limits

LIMITS = Limits()
FLAT_KEYS = IdentityKeys(
    request={"user_id": "user_id"}, batch={"user_id": "user_id"}, is_literal=True
)
SECRET = "s3cr3t-value"  # stands in every bad record below and must not come out again

KINDS = {
    "a tombstone": (None, "malformed"),
    "an empty value": (b"", "malformed"),
    "white space": (b"  \n", "malformed"),
    "no JSON": (b"s3cr3t-value", "malformed"),
    "a truncated object": (b'{"mpid": 12, "x": "s3cr3t-value', "malformed"),
    "a top-level array": (b'["s3cr3t-value"]', "malformed"),
    "a top-level string": (b'"s3cr3t-value"', "malformed"),
    "a top-level number": (b"12", "malformed"),
    "a top-level null": (b"null", "malformed"),
    "two objects": (b"{} {}", "malformed"),
    "a byte order mark": (b'\xef\xbb\xbf{"x": "s3cr3t-value"}', "malformed"),
    "UTF-16": ('{"x": "s3cr3t-value"}'.encode("utf-16"), "malformed"),
    "invalid UTF-8 in a field we pass through": (b'{"x": "s3cr3t-value\xff"}', "malformed"),
    "invalid UTF-8 in a name": (b'{"s3cr3t-value\xff": 1}', "malformed"),
    "a surrogate encoded as UTF-8": (b'{"x": "\xed\xa0\x80"}', "malformed"),
    "a lone high surrogate": (b'{"x": "\\ud800 s3cr3t-value"}', "malformed"),
    "a lone high surrogate at the end": (b'{"x": "\\ud800"}', "malformed"),
    "a lone low surrogate": (b'{"x": ["\\uDC00 s3cr3t-value"]}', "malformed"),
    "a surrogate pair the wrong way round": (b'{"x": "\\udc00\\ud800 and more"}', "malformed"),
    "two high surrogates": (b'{"x": "\\ud83d\\ud83d\\ude00"}', "malformed"),
    "a lone surrogate in a name": (b'{"\\ud800 more text": 1}', "malformed"),
    "a lone surrogate after an escaped backslash": (b'{"x": "\\\\\\ud800 text"}', "malformed"),
    "NaN": (b'{"x": NaN}', "malformed"),
    "NaN in an event": (
        b'{"events": [{"event_type": "opt_out", "data": {"x": NaN}}]}',
        "malformed",
    ),
    "Infinity": (b'{"x": -Infinity}', "malformed"),
    "a control character in text": (b'{"x": "a\x01b"}', "malformed"),
    "single quotes": (b"{'x': 1}", "malformed"),
    "a trailing comma": (b'{"x": 1,}', "malformed"),
    "10,000 levels of arrays": (b'{"x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "malformed"),
    "10,000 levels of objects": (b'{"x":' * 10_000 + b"1" + b"}" * 10_000, "malformed"),
    "10,000 levels, never closed": (b'{"x": ' + b"[" * 10_000, "malformed"),
    "nesting just over the bound": (
        b'{"x": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
        "malformed",
    ),
    "50 MB": (b'{"x": "' + b"s3cr3t-value" * 4_400_000 + b'"}', "oversize"),
    "a byte over the limit": (
        b'{"x": "%s"}' % (b"x" * (LIMITS.max_record_bytes - 8)),
        "oversize",
    ),
}

BROKEN_BATCHES = {
    "an event without event_type": ({"events": [{"data": {}}]}, "invalid", "events[0].event_type"),
    "an empty event_type": ({"events": [{"event_type": ""}]}, "invalid", "events[0].event_type"),
    "an unknown event_type": (
        {"events": [{"event_type": "opt_out"}, {"event_type": SECRET}]},
        "invalid",
        "events[1].event_type",
    ),
    "an event_type of null": ({"events": [{"event_type": None}]}, "invalid", "events[0]"),
    "an event that is a string": ({"events": [SECRET]}, "invalid", "events[0]"),
    "events as an object": ({"events": {"a": SECRET}}, "invalid", "events"),
    "an unknown environment": ({"environment": SECRET}, "invalid", "environment"),
    "an environment that is a number": ({"environment": 1}, "invalid", "environment"),
    "an mpid of 64 unsigned bits": ({"mpid": 2**63}, "invalid", "mpid"),
    "an mpid of 30 digits": ({"mpid": 10**29}, "invalid", "mpid"),
    "an mpid below the least integer": ({"mpid": -(2**63) - 1}, "invalid", "mpid"),
    "an mpid with a fraction": ({"mpid": 1.5}, "invalid", "mpid"),
    "an mpid that is true": ({"mpid": True}, "invalid", "mpid"),
    "an mpid that is no number": ({"mpid": SECRET}, "invalid", "mpid"),
    "an mpid in other digits": ({"mpid": "١٢"}, "invalid", "mpid"),
    "an mpid with an underscore": ({"mpid": "1_000"}, "invalid", "mpid"),
    "an unknown identity type": (
        {"user_identities": {SECRET: "bob"}},
        "unknown_identity_type",
        "user_identities",
    ),
    "an unknown identity type without a value": (
        {"user_identities": {"nickname": None}},
        "unknown_identity_type",
        "user_identities",
    ),
    "a device id among the user identities": (
        {"user_identities": {"ios_idfv": SECRET}},
        "unknown_identity_type",
        "user_identities",
    ),
    "an unknown identity type in the array form": (
        {"user_identities": [{"identity_type": "nickname", "identity": SECRET}]},
        "unknown_identity_type",
        "user_identities",
    ),
    "an identity that is an object": (
        {"user_identities": {"email": {"x": SECRET}}},
        "invalid",
        "user_identities",
    ),
    "an identity that is a list": (
        {"user_identities": {"email": [SECRET]}},
        "invalid",
        "user_identities",
    ),
    "user_identities that are text": ({"user_identities": SECRET}, "invalid", "user_identities"),
    "a device id that is a list": (
        {"device_info": {"ios_idfv": [SECRET]}},
        "invalid",
        "device_info.ios_idfv",
    ),
    "device_info that is a list": ({"device_info": [SECRET]}, "invalid", "device_info"),
    "mp_deviceid that is an object": ({"mp_deviceid": {"x": SECRET}}, "invalid", "mp_deviceid"),
    "user_attributes that are a list": (
        {"user_attributes": [SECRET]},
        "invalid",
        "user_attributes",
    ),
    "consent that is text": ({"consent_state": SECRET}, "invalid", "consent_state"),
    "a purpose that is text": (
        {"consent_state": {"gdpr": {"p": SECRET}}},
        "invalid",
        "consent_state",
    ),
    "consent that is neither true nor false": (
        {"consent_state": {"gdpr": {"p": {"consented": SECRET}}}},
        "invalid",
        "consent_state",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_is_no_json_object_of_ours_is_a_dead_letter_with_its_reason(kind):
    value, reason = KINDS[kind]
    for decode in (decode_batch, decode_request):
        letter = decode(value, STANDARD_KEYS, LIMITS, open_object)
        assert isinstance(letter, DeadLetter)
        assert letter.reason == reason
        assert SECRET not in letter.detail


@pytest.mark.parametrize("kind", BROKEN_BATCHES)
def test_a_batch_that_breaks_a_rule_is_a_dead_letter_that_names_the_field(kind):
    batch, reason, path = BROKEN_BATCHES[kind]
    letter = decode_batch(json.dumps(batch).encode(), STANDARD_KEYS, LIMITS, open_object)
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.detail.startswith(path)) == (reason, True), letter
    assert SECRET not in letter.detail
    assert "\n" not in letter.detail


def test_nesting_within_the_bound_passes():
    levels = MAX_DEPTH - 1
    value = b'{"x": ' + b"[" * levels + b"]" * levels + b"}"
    assert isinstance(decode_batch(value, STANDARD_KEYS, LIMITS, open_object), EventBatch)


def test_many_brackets_side_by_side_or_in_text_are_not_deep():
    value = json.dumps({"x": [{} for _ in range(500)], "y": "[{" * 500, "z": '\\"[['}).encode()
    assert isinstance(decode_batch(value, STANDARD_KEYS, LIMITS, open_object), EventBatch)


def test_an_escaped_surrogate_pair_and_an_escaped_backslash_are_fine():
    value = b'{"user_identities": {"email": "\\ud83d\\ude00"}, "x": "\\\\ud800"}'
    batch = decode_batch(value, STANDARD_KEYS, LIMITS, open_object)
    assert batch.identifiers == (("email", "\U0001f600"),)


def test_100000_identities_cost_bounded_work_and_no_flood_of_violations():
    listed = [{"identity_type": "email", "identity": f"{n}"} for n in range(100_000)]
    value = json.dumps({"user_identities": listed}).encode()
    batch = decode_batch(value, STANDARD_KEYS, Limits(max_record_bytes=10**8), open_object)
    assert batch.identifiers == (("email", "99999"),)
    flat = {"user_identities": {"user_id": [f"{n}" for n in range(100_000)]}}
    batch = decode_batch(
        json.dumps(flat).encode(), FLAT_KEYS, Limits(max_record_bytes=10**8), open_object
    )
    assert len(batch.identifiers) == 1000
    assert batch.identifiers[:2] == (("user_id", "0"), ("user_id", "1"))
    assert [(i.identity_type, reason) for i, reason in batch.over_limit] == [("user_id", "bound")]


def test_10000_attributes_decode():
    value = json.dumps({"user_attributes": {f"k{n}": n for n in range(10_000)}}).encode()
    batch = decode_batch(value, STANDARD_KEYS, LIMITS, open_object)
    assert len(batch.user_attributes) == 10_000


def test_no_bad_input_takes_quadratic_time():
    starts = (b'{"x": "' + b'\\"[' * 80_000, b'{"x": ' + b'"[' * 100_000, b"{" * 200_000)
    for value in starts:
        before = perf_counter()
        assert decode_batch(value, STANDARD_KEYS, LIMITS, open_object).reason == "malformed"
        assert perf_counter() - before < 1


def test_memory_stays_flat_however_often_bad_input_comes():
    values = [value for value, _ in KINDS.values() if value is None or len(value) < 100_000]

    def once():
        for value in values:
            decode_batch(value, STANDARD_KEYS, LIMITS, open_object)
            decode_request(value, STANDARD_KEYS, LIMITS, open_object)

    once()
    tracemalloc.start()
    try:
        once()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            once()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 50_000


@given(st.binary())
def test_arbitrary_bytes_never_raise(value):
    for keys in (STANDARD_KEYS, FLAT_KEYS):
        assert isinstance(decode_batch(value, keys, LIMITS, open_object), EventBatch | DeadLetter)
        assert isinstance(
            decode_request(value, keys, LIMITS, open_object), IdentityCall | DeadLetter
        )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.just("9" * 25).map(int),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8)
            | st.sampled_from(
                ["email", "customer_id", "identity_type", "identity", "gdpr", "data"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "events",
            "environment",
            "mpid",
            "user_identities",
            "user_attributes",
            "deleted_user_attributes",
            "device_info",
            "mp_deviceid",
            "consent_state",
            "timestamp_unixtime_ms",
            "source_request_id",
            "known_identities",
            "previous_mpid",
            "identity_changes",
            "request_id",
            "request_timestamp_ms",
            "read_only",
            "data",
            "x",
        ]
    ),
    JSON,
)


@given(FIELDS, st.sampled_from(["identify", "login", "modify", "search", "alias"]))
def test_wrong_types_everywhere_never_raise(fields, request_type):
    value = json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for keys in (STANDARD_KEYS, FLAT_KEYS):
        assert isinstance(decode_batch(value, keys, LIMITS, open_object), EventBatch | DeadLetter)
        decode_request(value, keys, LIMITS, open_object)
    request = json.dumps({**fields, "request_type": request_type}).encode()
    call = decode_request(request, STANDARD_KEYS, LIMITS, open_object)
    if b"\\ud" not in request:
        assert isinstance(call, IdentityCall)

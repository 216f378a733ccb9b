"""What is read of an event batch."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.codecs.batch import decode_batch
from processor.codecs.envelope import open_object
from processor.identity.types import STANDARD_KEYS, IdentityKeys
from processor.records import EventBatch
from processor.rules import Limits

LIMITS = Limits()
FLAT_KEYS = IdentityKeys(
    request={"user_id": "user_id", "device_application_stamp": "device_application_stamp"},
    batch={"user_id": "user_id", "device_application_stamp": "device_application_stamp"},
    is_literal=True,
)


def decode(batch, keys=STANDARD_KEYS) -> EventBatch:
    value = batch if isinstance(batch, bytes) else json.dumps(batch).encode()
    decoded = decode_batch(value, keys, LIMITS, open_object)
    assert isinstance(decoded, EventBatch), decoded
    return decoded


def identities(value: bytes, keys=STANDARD_KEYS):
    return decode(b'{"user_identities": ' + value + b"}", keys).identifiers


def test_an_empty_batch_is_a_production_batch_about_nobody():
    batch = decode({})
    assert batch == EventBatch(
        fields={},
        environment="production",
        mpid=None,
        identifiers=(),
        has_events=False,
        time_ms=None,
        source_request_id=None,
        user_attributes={},
        deleted_user_attributes=(),
        consent_state=None,
        device_info=None,
    )


def test_null_fields_are_as_good_as_missing():
    names = [
        "environment", "mpid", "user_identities", "events", "timestamp_unixtime_ms",
        "source_request_id", "user_attributes", "deleted_user_attributes", "consent_state",
        "device_info", "mp_deviceid",
    ]  # fmt: skip
    batch = decode(dict.fromkeys(names))
    assert [*batch.fields] == names
    assert batch == replace(decode({}), fields=batch.fields)


def test_unknown_fields_are_kept_as_received():
    batch = decode(b'{"x": {"b": 1.50, "a": [ 1e400 ]}, "partner_identities": {"P": "v"}}')
    assert bytes(batch.fields["x"]) == b'{"b": 1.50, "a": [ 1e400 ]}'
    assert bytes(batch.fields["partner_identities"]) == b'{"P": "v"}'


def test_of_duplicate_keys_the_last_counts_everywhere():
    batch = decode(
        b'{"mpid": 1, "mpid": 2, "user_identities": {"email": "a", "email": "b"},'
        b' "user_attributes": {"k": 1, "k": 2}, "environment": "x", "environment": "development"}'
    )
    assert (batch.mpid, batch.environment) == (2, "development")
    assert batch.identifiers == (("email", "b"),)
    assert batch.user_attributes == {"k": 2}


def test_every_spelling_of_a_user_identity_is_one_type():
    for name in ("customer_id", "customerid"):
        assert identities(json.dumps({name: "A"}).encode()) == (("customerid", "A"),)
    assert identities(b'{"other_id_2": "B", "other3": "C"}') == (("other2", "B"), ("other3", "C"))


def test_two_spellings_of_one_type_are_one_identity_the_last():
    assert identities(b'{"customer_id": "A", "customerid": "B"}') == (("customerid", "B"),)


def test_numbers_and_booleans_become_their_json_text():
    assert identities(
        b'{"customer_id": 42, "email": 1.50, "other": -0, "google": true, "yahoo": 1e400,'
        b' "facebook": 123456789012345678901234567890, "twitter": "x"}'
    ) == (
        ("customerid", "42"),
        ("email", "1.50"),
        ("other", "-0"),
        ("google", "true"),
        ("yahoo", "1e400"),
        ("facebook", "123456789012345678901234567890"),
        ("twitter", "x"),
    )


def test_null_and_empty_values_are_no_identities():
    assert identities(b'{"customer_id": null, "email": "", "other": "x"}') == (("other", "x"),)


def test_values_are_not_trimmed_or_lowercased():
    assert identities(b'{"email": " Ed@Example.COM "}') == (("email", " Ed@Example.COM "),)


def test_the_array_form_of_outputs_is_accepted():
    assert identities(
        b'[{"identity_type": "customer_id", "identity": "A", "timestamp_unixtime_ms": 1},'
        b' {"identity_type": "email", "identity": 7}]'
    ) == (("customerid", "A"), ("email", "7"))


def test_an_identity_of_more_than_4096_characters_is_left_out_and_reported():
    batch = decode({"user_identities": {"email": "é" * 4096, "other": "x" * 4097}})
    assert batch.identifiers == (("email", "é" * 4096),)
    assert batch.over_limit == ((("other", "x" * 4097), "bound"),)


def test_device_ids_come_after_user_identities_and_are_known_by_their_canonical_types():
    batch = decode(
        {
            "mp_deviceid": "stamp",
            "device_info": {
                "brand": "Apple",
                "ios_advertising_id": "idfa",
                "push_token": "",
                "android_uuid": None,
                "microsoft_publisher_id": 7,
                "fire_advertising_id": 1.5,
            },
            "user_identities": {"email": "a"},
        }
    )
    assert batch.identifiers == (
        ("email", "a"),
        ("ios_idfa", "idfa"),
        ("fire_aid", "1.5"),
        ("microsoft_publisher_id", "7"),
        ("device_application_stamp", "stamp"),
    )
    assert batch.device_ids == batch.identifiers[1:]


def test_under_flat_matching_a_type_that_is_not_configured_is_no_error():
    assert identities(b'{"user_id": "a", "nickname": "b"}', FLAT_KEYS) == (("user_id", "a"),)


def test_under_flat_matching_unknown_types_are_ignored_and_lists_keep_their_order():
    value = {
        "user_identities": {"user_id": ["b", 1, None, "a", "b"], "nickname": {"x": 1}},
        "device_info": {"ios_idfv": "v"},
        "mp_deviceid": "stamp",
    }
    batch = decode(value, FLAT_KEYS)
    assert batch.identifiers == (
        ("user_id", "b"),
        ("user_id", "1"),
        ("user_id", "a"),
        ("device_application_stamp", "stamp"),
    )
    assert batch.device_ids == (("ios_idfv", "v"), ("device_application_stamp", "stamp"))


@pytest.mark.parametrize(
    ("text", "mpid"),
    [
        (b"1234", 1234),
        (b'"1234"', 1234),
        (b"-9223372036854775808", -(2**63)),
        (b'"9223372036854775807"', 2**63 - 1),
        (b"null", None),
        (b"0", None),
        (b'"0"', None),
    ],
)
def test_an_mpid_is_an_integer_or_decimal_text_and_zero_is_none(text, mpid):
    assert decode(b'{"mpid": ' + text + b"}").mpid == mpid


def test_the_time_of_a_batch_is_that_of_its_first_event_else_its_own():
    events = [
        {"event_type": "session_start", "data": {"timestamp_unixtime_ms": 30}},
        {"event_type": "session_end"},
        {"event_type": "opt_out", "data": None},
        {"event_type": "screen_view", "data": {"timestamp_unixtime_ms": 20.0}},
    ]
    assert decode({"events": events, "timestamp_unixtime_ms": 10}).time_ms == 20
    assert decode({"events": events[1:3], "timestamp_unixtime_ms": 10}).time_ms == 10
    assert decode({"timestamp_unixtime_ms": -5}).time_ms == 0
    assert decode({"events": events[1:3]}).time_ms is None


def test_a_batch_has_events_only_with_at_least_one():
    assert not decode({"events": []}).has_events
    assert decode({"events": [{"event_type": "opt_out"}]}).has_events


def test_custom_event_types_of_the_documents_are_accepted_and_others_only_matter_there():
    for kind in ("navigation", "attribution", "unknown", None):
        decode({"events": [{"event_type": "custom_event", "data": {"custom_event_type": kind}}]})
    decode({"events": [{"event_type": "commerce_event", "data": {"custom_event_type": "add"}}]})


def test_attributes_keep_what_they_said():
    batch = decode(
        b'{"user_attributes": {"null": null, "true": true, "int": 7, "float": 1.5, "text": "x",'
        b' "list": ["a", 1, null], "big": 9223372036854775808, "small": -9223372036854775809,'
        b' "huge": 1e400, "bigs": [123456789012345678901]}}'
    )
    assert batch.user_attributes == {
        "null": None,
        "true": True,
        "int": 7,
        "float": 1.5,
        "text": "x",
        "list": ["a", 1, None],
        "big": "9223372036854775808",
        "small": "-9223372036854775809",
        "huge": "1e400",
        "bigs": ["123456789012345678901"],
    }
    assert batch.bounded_attributes == 0


def test_attributes_over_the_limits_are_not_set_and_counted():
    attributes = {
        "n" * 256: 1,
        "n" * 257: 1,
        "text": "é" * 4096,
        "long": "é" * 4097,
        "list": ["x" * 12] * 1000,
        "entries": [1] * 1001,
        "entry": ["x" * 513],
        "digits": 0,
    }
    text = json.dumps({"user_attributes": attributes}).replace(
        '"digits": 0', f'"digits": {"9" * 5000}'
    )
    batch = decode(text.encode())
    assert sorted(batch.user_attributes) == ["list", "n" * 256, "text"]
    assert batch.bounded_attributes == 5


def test_large_numbers_of_a_device_are_kept_as_text():
    info = decode(
        b'{"device_info": {"a": 99999999999999999999, "b": {"c": [1e999, 1]}}}'
    ).device_info
    assert info == {"a": "99999999999999999999", "b": {"c": ["1e999", 1]}}


@given(
    st.dictionaries(
        st.text(max_size=10),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
    )
)
def test_no_attribute_within_the_limits_changes_its_value(attributes):
    decoded = decode({"user_attributes": attributes}).user_attributes
    assert [*decoded] == [*attributes]
    for name, value in attributes.items():
        if type(value) is int and not -(2**63) <= value < 2**63:
            assert decoded[name] == str(value)
        else:
            assert (type(decoded[name]), decoded[name]) == (type(value), value)

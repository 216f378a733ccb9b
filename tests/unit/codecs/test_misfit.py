"""Records of another shape are dead letters that say what to set, near misses what was meant."""

import json

import pytest

from processor.codecs.batch import decode_batch
from processor.codecs.envelope import open_object
from processor.codecs.nearness import ordinal
from processor.codecs.request import decode_request
from processor.codecs.segment import open_segment
from processor.identity.types import STANDARD_KEYS, IdentityKeys
from processor.records import DeadLetter, EventBatch
from processor.rules import Limits

NAMES = {"user_id": "user_id", "email": "email"}
FLAT_KEYS = IdentityKeys(request=NAMES, batch=NAMES, is_literal=True)
EVENTS = {"events": [{"event_type": "session_start"}]}
EMAIL = {"user_identities": {"email": "a"}}


def detail(value, keys=STANDARD_KEYS, opener=open_object):
    letter = decode_batch(json.dumps(value).encode(), keys, Limits(), opener)
    assert isinstance(letter, DeadLetter), letter
    return letter.detail


def request_detail(value):
    letter = decode_request(json.dumps(value).encode(), STANDARD_KEYS, Limits(), open_object)
    assert isinstance(letter, DeadLetter), letter
    return letter.detail


CALL = {"type": "track", "event": "E", "anonymousId": "a"}
ENVELOPE = {"batch": [CALL], "sentAt": "2023-11-10T00:00:00Z"}
REQUEST = {"request_type": "identify", "environment": "production", "known_identities": {}}


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (REQUEST, "kafka.topics.requests"),
        ({"known_identities": {"email": "a"}}, "kafka.topics.requests"),
        ({"request_type": "modify", "mpid": "7", "identity_changes": []}, "kafka.topics.requests"),
        (CALL, 'inputs.NAME.format = "segment"'),
        ({"type": "identify", "user_id": "u"}, 'inputs.NAME.format = "segment"'),
        ({"userId": "u"}, 'inputs.NAME.format = "segment"'),
        (ENVELOPE, "send each of them as a record of its own"),
        ([EMAIL], "send each of its entries as a record of its own"),
        ({"schema": {}, "payload": EMAIL}, "value.converter.schemas.enable = false"),
        ({"specversion": "1.0", "data": EMAIL}, "CloudEvent"),
    ],
)
def test_what_is_no_batch_at_all_is_told_what_to_set(value, advice):
    assert advice in detail(value)
    assert advice in detail(value, FLAT_KEYS)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ({"user_identites": {"email": "a"}, **EVENTS}, "user_identities"),
        ({"userIdentities": {"email": "a"}, **EVENTS}, "user_identities"),
        ({**EMAIL, "deviceInfo": {"ios_idfv": "x"}}, "device_info"),
        ({**EMAIL, "event": []}, "events"),
        ({**EMAIL, "user_attribute": {}}, "user_attributes"),
        ({"MPID": 7, **EVENTS}, "mpid"),
        ({"device_id": 7, **EVENTS}, "mp_deviceid"),
        ({"device_info": {"ios_idvf": "x"}, **EVENTS}, "ios_idfv"),
    ],
)
def test_a_name_that_is_nearly_ours_is_not_passed_over(value, meant):
    assert f"did you mean {meant}?" in detail(value)


def test_where_the_field_itself_is_there_a_name_like_it_passes():
    for value in ({**EMAIL, **EVENTS, "event": 1}, {**EMAIL, "device_id": 7}, {**EMAIL, "x": 1}):
        read = decode_batch(json.dumps(value).encode(), STANDARD_KEYS, Limits(), open_object)
        assert isinstance(read, EventBatch), read


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"email": "a@b.c", **EVENTS}, "email: belongs into user_identities"),
        ({"ios_idfv": "x", **EVENTS}, "ios_idfv: belongs into device_info"),
    ],
)
def test_identities_of_a_batch_that_names_nobody_are_looked_for_elsewhere(value, place):
    assert detail(value) == place
    assert isinstance(
        decode_batch(json.dumps({**value, **EMAIL}).encode(), STANDARD_KEYS, Limits(), open_object),
        EventBatch,
    )


def test_literal_names_that_are_nearly_configured_ones_are_told():
    assert "did you mean user_id?" in detail({"user_identities": {"userId": "u"}}, FLAT_KEYS)


def test_an_unknown_identity_type_is_told_by_its_place_and_what_it_resembles():
    found = detail({"user_identities": {"customer_id": "1", "e-mail": "a"}})
    assert found == "user_identities: its 2nd key is no identity type (did you mean email?)"


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ({**EMAIL, **EVENTS}, 'only calls of Segment\'s come through format = "segment"'),
        (REQUEST, "kafka.topics.requests"),
        (ENVELOPE, "batch: holds many calls"),
        ({**CALL, "userID": "u"}, "did you mean userId?"),
        ({"type": "identify", "anonymous-id": "a"}, "did you mean anonymousId?"),
        ({"type": "identify", "trait": {"email": "a"}}, "did you mean traits?"),
        ({"type": "Identify"}, "type: must be identify"),
    ],
)
def test_what_is_no_call_comes_back_with_advice(value, advice):
    assert advice in detail(value, FLAT_KEYS, open_segment)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ({**EMAIL, **EVENTS}, "kafka.topics.batches"),
        (CALL, 'inputs.NAME.format = "segment"'),
        ({"known_identities": {"email": "a"}}, "request_type: must be identify"),
        ({**REQUEST, "request_type": "signup"}, "request_type: must be identify"),
    ],
)
def test_what_is_no_request_is_told_where_it_belongs(value, advice):
    assert advice in request_detail(value)


def test_an_unknown_event_type_comes_back_with_those_that_are_known():
    found = detail({"events": [{"event_type": "sesion_start"}]})
    assert found.startswith("events[0].event_type: is none of custom_event, commerce_event, ")


@pytest.mark.parametrize(
    ("place", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (22, "22nd")],
)
def test_ordinals_read_as_in_english(place, text):
    assert ordinal(place) == text

"""Segment's messages as batches."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.codecs.batch import decode_batch
from processor.codecs.segment import open_segment, places_of
from processor.identity.types import IdentityKeys
from processor.records import DeadLetter
from processor.rules import Limits
from processor.settings.flat import SEGMENT_IDENTIFIERS

NAMES = {name: name for name in (*SEGMENT_IDENTIFIERS, "group_id", "braze_id")}
KEYS = IdentityKeys(request=NAMES, batch=NAMES, is_literal=True)
AT = "2024-01-02T03:04:05.678Z"
AT_MS = 1_704_164_645_678

IDENTIFY = {
    "type": "identify",
    "messageId": "m1",
    "timestamp": AT,
    "userId": "u1",
    "anonymousId": "a1",
    "traits": {"email": "jane@example1.com", "plan": "pro", "address": {"city": "Oslo"}},
}
TRACK = {
    "type": "track",
    "event": "Order Completed",
    "timestamp": AT,
    "userId": 17,
    "properties": {"revenue": 25.0},
    "context": {"traits": {"email": "jane@example1.com"}},
}


def read(call):
    return decode_batch(json.dumps(call).encode(), KEYS, Limits(), open_segment)


def known(call):
    return [tuple(identifier) for identifier in read(call).identifiers]


def detail(call):
    letter = read(call)
    assert isinstance(letter, DeadLetter)
    assert letter.reason == "invalid"
    return letter.detail


def out(call, field):
    return json.loads(bytes(read(call).fields[field]))


def test_an_identify_is_a_batch_without_events_that_sets_traits():
    batch = read(IDENTIFY)
    assert known(IDENTIFY) == [
        ("user_id", "u1"),
        ("anonymous_id", "a1"),
        ("email", "jane@example1.com"),
    ]
    assert batch.user_attributes == {
        "email": "jane@example1.com",
        "plan": "pro",
        "address": '{"city": "Oslo"}',
    }
    assert (batch.has_events, batch.time_ms, batch.source_request_id) == (False, AT_MS, "m1")
    assert batch.environment == "production"


def test_a_track_is_a_custom_event_and_sets_nothing():
    batch = read({**TRACK, "messageId": "m2"})
    (event,) = out({**TRACK, "messageId": "m2"}, "events")
    assert event == {
        "event_type": "custom_event",
        "data": {
            "event_name": "Order Completed",
            "custom_event_type": "other",
            "custom_attributes": {"revenue": 25.0},
            "source_message_id": "m2",
            "timestamp_unixtime_ms": AT_MS,
        },
    }
    assert known(TRACK) == [("user_id", "17"), ("email", "jane@example1.com")]
    assert batch.user_attributes == {}
    assert batch.time_ms == AT_MS


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ({"type": "page", "name": "Home"}, "Home"),
        ({"type": "page", "properties": {"title": "Start"}}, "Start"),
        ({"type": "page", "properties": {"url": "https://x.com"}}, "https://x.com"),
        ({"type": "screen"}, "screen"),
    ],
)
def test_pages_and_screens_are_screen_views(call, name):
    (event,) = out({**call, "anonymousId": "a1"}, "events")
    assert (event["event_type"], event["data"]["screen_name"]) == ("screen_view", name)


def test_a_group_names_a_group_and_its_traits_are_not_the_users():
    call = {"type": "group", "groupId": "g1", "userId": "u1"}
    call |= {"traits": {"industry": "art", "email": "info@art"}}
    assert known(call) == [("user_id", "u1"), ("group_id", "g1")]
    assert read(call).user_attributes == {}


def test_an_alias_takes_no_part():
    assert known({"type": "alias", "userId": "u1", "previousId": "a1"}) == []


def test_names_are_read_in_snake_case_too():
    call = {"type": "identify", "user_id": "u1", "anonymous_id": "a1", "message_id": "m1"}
    assert known(call) == [("user_id", "u1"), ("anonymous_id", "a1")]
    assert read(call).source_request_id == "m1"


@pytest.mark.parametrize("platform", ["ios", "android", "iOS"])
def test_a_phone_has_three_identifiers(platform):
    device = {
        "type": platform,
        "id": "d1",
        "token": "t1",
        "advertisingId": "i1",
        "adTrackingEnabled": True,
    }
    call = {"type": "track", "event": "e", "context": {"device": device}}
    prefix = platform.lower()
    assert known(call) == [
        (f"{prefix}.id", "d1"),
        (f"{prefix}.push_token", "t1"),
        (f"{prefix}.idfa", "i1"),
    ]


def test_an_advertising_id_counts_only_where_tracking_is_allowed():
    device = {"type": "ios", "advertisingId": "i1", "adTrackingEnabled": False}
    assert known({"type": "track", "event": "e", "context": {"device": device}}) == []


def test_other_places_of_identifiers():
    context = {
        "integrations": {"Google Analytics": {"clientId": "ga1"}},
        "externalIds": [
            {"id": "b1", "type": "braze_id", "collection": "users", "encoding": "none"},
            {"id": "b2", "type": "braze_id", "collection": "accounts"},
            {"id": "x1", "type": "not configured", "collection": "users"},
            {"type": "braze_id"},
        ],
    }
    call = {"type": "track", "event": "e", "crossDomainId": "x", "context": context}
    assert known(call) == [("cross_domain_id", "x"), ("ga_client_id", "ga1"), ("braze_id", "b1")]


def named(call, places):
    batch = decode_batch(
        json.dumps(call).encode(), KEYS, Limits(), partial(open_segment, places=places)
    )
    return [tuple(identifier) for identifier in batch.identifiers]


OWN = {"braze_id": places_of("braze_id", ())}


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ({"type": "identify", "traits": {"braze_id": "b"}}, ["b"]),
        ({"type": "track", "event": "e", "properties": {"braze_id": 7}}, ["7"]),
        ({"type": "page", "context": {"traits": {"braze_id": ["b", "c"]}}}, ["b", "c"]),
        (
            {
                "type": "track",
                "event": "e",
                "context": {"externalIds": [{"type": "braze_id", "id": "b"}]},
            },
            ["b"],
        ),
        ({"type": "group", "groupId": "g", "traits": {"braze_id": "b"}}, []),
        ({"type": "identify", "traits": {"braze_id": {"a": 1}}}, []),
        ({"type": "identify", "traits": {"braze_id": [{"a": 1}]}}, []),
        ({"type": "identify", "traits": {"braze_id": []}}, []),
    ],
)
def test_an_identifier_of_ones_own_is_found_by_its_name_among_traits_and_properties(call, found):
    assert named(call, OWN) == [("braze_id", value) for value in found]


def test_a_configured_place_takes_the_place_of_the_usual_ones():
    places = {"braze_id": places_of("braze_id", ["properties.crm.id", "context.externalIds.crm"])}
    call = {"type": "track", "event": "e", "properties": {"crm": {"id": "b"}, "braze_id": "x"}}
    external = [{"type": "crm", "id": "c"}, {"type": "braze_id", "id": "y"}]
    assert named({**call, "context": {"externalIds": external}}, places) == [
        ("braze_id", "b"),
        ("braze_id", "c"),
    ]


def test_every_default_identifier_has_its_place():
    phones = (
        {"type": kind, "id": "d", "token": "t", "advertisingId": "i", "adTrackingEnabled": True}
        for kind in ("ios", "android")
    )
    found = {"cross_domain_id", "ga_client_id"}
    for device in phones:
        call = {**IDENTIFY, "context": {"device": device}}
        found |= {identity_type for identity_type, _ in known(call)}
    assert found == set(SEGMENT_IDENTIFIERS)


def test_what_has_no_other_place_is_kept_with_the_batch():
    call = {**TRACK, "channel": "browser", "context": {"page": {"path": "/"}}}
    kept = out(call, "segment")
    assert kept["channel"] == "browser"
    assert kept["context"] == {"page": {"path": "/"}}
    assert "properties" not in kept


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"userId": "u1"}, "type: must be identify"),
        ({"type": "identity"}, "type: must be identify"),
        ({"type": "track"}, "event: is required"),
        ({"type": "identify", "traits": ["secret"]}, "traits: must be an object"),
        ({"type": "identify", "context": "secret"}, "context: must be an object"),
        ({"type": "identify", "context": {"device": 1}}, "context.device: must be an object"),
        (
            {"type": "identify", "context": {"externalIds": {"a": 1}}},
            "context.externalIds: must be",
        ),
        (
            {"type": "identify", "userId": {"secret": 1}},
            "user_identities.user_id: an identity must be",
        ),
    ],
)
def test_a_call_that_breaks_a_rule_is_a_dead_letter_that_quotes_nothing(call, message):
    assert message in detail(call)
    assert "secret" not in detail(call)


def test_a_null_trait_stays_one_so_that_it_deletes():
    assert read({"type": "identify", "traits": {"plan": None}}).user_attributes == {"plan": None}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"timestamp": AT.lower()}, AT_MS),
        ({"timestamp": "2024-01-02T04:04:05.678+01:00"}, AT_MS),
        ({"timestamp": "2024-01-02T03:04:05.678"}, AT_MS),
        ({"timestamp": "", "originalTimestamp": AT}, AT_MS),
        ({"timestamp": None, "originalTimestamp": AT}, AT_MS),
        ({"timestamp": ""}, None),
        ({"timestamp": "2026-11-22T10:00:00.123Z"}, 1_795_341_600_123),
        ({"timestamp": "2026-11-22T10:00:00.001Z"}, 1_795_341_600_001),
        ({"timestamp": "1960-01-01T00:00:00Z"}, 0),
    ],
)
def test_a_time_is_read_to_the_millisecond_however_it_is_spelled(times, expected):
    assert read({"type": "identify", "userId": "u1", **times}).time_ms == expected


@given(st.integers(0, 4_102_444_800_000))
def test_every_millisecond_is_itself(time_ms):
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).isoformat()
    assert read({"type": "identify", "userId": "u1", "timestamp": text}).time_ms == time_ms

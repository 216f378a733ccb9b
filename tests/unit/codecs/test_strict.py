"""Strict validation: what the published schema refuses, beside what the lenient mode takes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.codecs.batch import changed_attributes
from processor.codecs.envelope import open_object
from processor.codecs.json import decode_batch
from processor.codecs.published import EVENT_DATA
from processor.codecs.strict import strictly
from processor.identity.types import STANDARD_KEYS
from processor.outcome import DeadLetter
from processor.profiles.batch import EventBatch
from processor.rules import Limits

LIMITS = Limits()
UUID = "7d1f4c3e-1111-4222-8333-444444444444"


def strict(batch: dict[str, Any]) -> EventBatch | DeadLetter:
    value = json.dumps(batch).encode()
    return decode_batch(value, STANDARD_KEYS, LIMITS, strictly(open_object))


def lenient(batch: dict[str, Any]) -> EventBatch | DeadLetter:
    return decode_batch(json.dumps(batch).encode(), STANDARD_KEYS, LIMITS)


def event(kind: str, data: Any = None) -> dict[str, Any]:
    return {"events": [{"event_type": kind, "data": data}]}


COMPLETE = {
    "custom_event": {"event_name": "x", "custom_event_type": "other"},
    "commerce_event": {"product_action": {"action": "purchase", "products": [{"id": "1"}]}},
    "screen_view": {"screen_name": "home"},
    "session_start": {},
    "session_end": {"session_duration_ms": 5},
    "application_state_transition": {"application_transition_type": "application_exit"},
    "push_registration": {"register": True, "registration_token": "t"},
    "push_message": {
        "push_message_token": "t",
        "push_message_type": "sent",
        "push_notification_payload": "{}",
    },
    "opt_out": {"is_opted_out": True},
    "crash_report": {"severity": "fatal", "message": "x"},
    "network_performance": {"url": "u", "response_code": 200},
    "breadcrumb": {"label": "x"},
    "user_attribute_change": {"user_attribute_name": "a", "new": "b", "old": None},
    "user_identity_change": {"new": {"identity_type": "email", "identity": "a"}, "old": None},
    "profile": {"previous_mpid": 1, "current_mpid": 2, "profile_event_type": "login"},
    "first_run": {},
    "uninstall": {},
}


def test_every_type_of_event_has_an_example():
    assert COMPLETE.keys() == EVENT_DATA.keys()


@pytest.mark.parametrize("kind", COMPLETE)
def test_a_complete_event_is_taken_in_both_modes(kind):
    assert isinstance(strict(event(kind, COMPLETE[kind])), EventBatch)
    assert isinstance(lenient(event(kind, COMPLETE[kind])), EventBatch)


@pytest.mark.parametrize(
    ("kind", "field"),
    [(k, f) for k, data in COMPLETE.items() for f in data if f != "product_action"],
)
def test_an_event_without_a_field_that_it_requires_is_refused_by_its_path(kind, field):
    if field in ("new", "old") and kind == "user_attribute_change":
        return
    data = {name: value for name, value in COMPLETE[kind].items() if name != field}
    refusal = DeadLetter("invalid", f"events[0].data.{field}: is required")
    assert strict(event(kind, data)) == refusal
    assert isinstance(lenient(event(kind, data)), EventBatch)


REFUSED = [
    ({"colour": "red"}, "the batch holds a top-level field that the schema does not know"),
    (
        {"device_info": {"colour": "red"}},
        "device_info: holds a field that the schema does not know",
    ),
    ({"device_info": {"ios_idfv": "9876"}}, "device_info.ios_idfv: must be a UUID"),
    (
        {"device_info": {"platform": "toaster"}},
        "device_info.platform: is not one of the values allowed here",
    ),
    (
        {"device_info": {"screen_width": "wide"}},
        "device_info.screen_width: must be int | null, not str",
    ),
    ({"mp_deviceid": "9876"}, "mp_deviceid: must be a UUID"),
    ({"ip": "1.2.3"}, "ip: must be an IPv4 or IPv6 address"),
    ({"context": {"data_plan": {}}}, "context.data_plan.plan_id: is required"),
    ({"attribution_info": {}}, "attribution_info.service_provider: is required"),
    (
        {"consent_state": {"gdpr": {"p": {"consented": True}}}},
        "consent_state.gdpr[...].timestamp_unixtime_ms: is required",
    ),
    ({"consent_state": {"lgpd": {}}}, "consent_state: holds a field that the schema does not know"),
    (
        {"consent_state": {"ccpa": {"other": {}}}},
        "consent_state.ccpa: holds a field that the schema does not know",
    ),
    (
        {"user_identities": [{"identity_type": "email", "identity": "a"}]},
        "user_identities: must be object | null, not array",
    ),
    (
        {"integration_attributes": {"1": "x"}},
        "integration_attributes[...]: must be object, not str",
    ),
    ({"application_info": {"os": 5}}, "application_info.os: must be str | null, not int"),
    (event("push_reaction"), "events[0].event_type: is not one of the values allowed here"),
    (
        event("custom_event", {"event_name": "x", "custom_event_type": "unknown"}),
        "events[0].data.custom_event_type: is not one of the values allowed here",
    ),
    (
        event("commerce_event", {"product_action": {"action": "remove_from_wishlist"}}),
        "events[0].data.product_action.action: is not one of the values allowed here",
    ),
    (
        event("session_start", {"location": {"latitude": 1}}),
        "events[0].data.location.longitude: is required",
    ),
    (event("session_start", {"session_uuid": "x"}), "events[0].data.session_uuid: must be a UUID"),
    (
        event("session_start", {"timestamp_unixtime_ms": "now"}),
        "events[0].data.timestamp_unixtime_ms: must be int | null, not str",
    ),
    (
        event("session_start", {"custom_attributes": {"a": {}}}),
        "events[0].data.custom_attributes[...]: must be",
    ),
]


@pytest.mark.parametrize(("batch", "detail"), REFUSED, ids=[detail for _, detail in REFUSED])
def test_what_only_the_strict_mode_refuses_is_refused_by_path_and_rule(batch, detail):
    found = strict(batch)
    assert isinstance(found, DeadLetter)
    assert found.reason == "invalid"
    assert found.detail.startswith(detail)
    if "data" not in str(batch) or "timestamp_unixtime_ms" not in detail:
        assert isinstance(lenient(batch), EventBatch)


@pytest.mark.parametrize(
    "batch",
    [
        {},
        {"schema_version": 2, "modified": True, "environment": "development"},
        {"device_info": {"ios_idfv": UUID, "platform": "iOS", "att_authorization_status": None}},
        {"mp_deviceid": UUID, "ip": "::1", "mpid": -5},
        {"ip": None, "events": None, "context": None, "consent_state": {"gdpr": None}},
        {"user_attributes": {"a": [1, "b"], "c": None, "d": 1.5, "e": True}},
        {"user_attributes": {"a": "x" * 5000}},
        {
            "consent_state": {
                "ccpa": {
                    "data_sale_opt_out": {
                        "consented": True,
                        "timestamp_unixtime_ms": 1,
                        "document": "d",
                    }
                }
            }
        },
        {"partner_identities": {"Partner_Id": "x"}, "integration_attributes": {"5": {"a": "b"}}},
        {"source_info": {"channel": "native"}, "sdk_version": "1", "api_keys": ["k"]},
    ],
)
def test_what_the_schema_has_is_taken(batch):
    assert isinstance(strict(batch), EventBatch)


def test_an_unknown_identity_type_keeps_its_own_reason():
    found = strict({"user_identities": {"shoe_size": "42"}})
    assert isinstance(found, DeadLetter)
    assert found.reason == "unknown_identity_type"


SECRETS = st.text(min_size=4, alphabet="qzxjkvw")


@given(
    SECRETS, st.sampled_from(["device_info", "context", "consent_state", "user_attributes", "ip"])
)
def test_a_refusal_holds_nothing_of_the_record(secret, field):
    for value in ({secret: {secret: [secret]}}, secret, [secret], {"ios_idfv": secret}):
        for batch in ({field: value}, event("custom_event", {secret: secret}), {secret: secret}):
            found = strict(batch)
            assert isinstance(found, EventBatch) or secret not in found.detail


def test_attributes_that_an_event_announces_are_named():
    batch = {
        "events": [
            {"event_type": "user_attribute_change", "data": {"user_attribute_name": "a"}},
            {"event_type": "user_attribute_change", "data": {"user_attribute_name": 5}},
            {"event_type": "user_attribute_change"},
            {"event_type": "session_start", "data": {"user_attribute_name": "b"}},
        ]
    }
    assert changed_attributes(open_object(json.dumps(batch).encode(), 1000)) == {"a"}
    assert changed_attributes({}) == frozenset()

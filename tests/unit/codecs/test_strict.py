"""Strict validation: what the published schema refuses, beside what the lenient mode takes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.codecs.avro.reading import AvroWriter
from processor.codecs.batch import changed_attributes, decode_batch
from processor.codecs.envelope import open_object
from processor.codecs.fault import Fault
from processor.codecs.formats import Codecs
from processor.codecs.strict.check import strictly
from processor.codecs.strict.published import FIELDS
from processor.codecs.strict.published_events import EVENT_DATA
from processor.identity.profile import Identity
from processor.identity.types import STANDARD_KEYS
from processor.pipeline.enrichment import enrich
from processor.profiles.update import apply_batch
from processor.records import DeadLetter, EventBatch
from processor.rules import Limits
from tests.unit.profiles.people import profile, rules

LIMITS = Limits()
SCHEMAS = Path(__file__).parents[3] / "schemas"
UUID = "7d1f4c3e-1111-4222-8333-444444444444"


def strict(batch: dict[str, Any]) -> EventBatch | DeadLetter:
    value = json.dumps(batch).encode()
    return decode_batch(value, STANDARD_KEYS, LIMITS, strictly(open_object))


def lenient(batch: dict[str, Any]) -> EventBatch | DeadLetter:
    return decode_batch(json.dumps(batch).encode(), STANDARD_KEYS, LIMITS, open_object)


def event(kind: str, data: Any = None) -> dict[str, Any]:
    return {"events": [{"event_type": kind, "data": data}]}


def commerce(**data: Any) -> dict[str, Any]:
    return event("commerce_event", data)


EMAIL = {"identity_type": "email", "identity": "a", "timestamp_unixtime_ms": 1}


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
    "user_identity_change": {"new": EMAIL, "old": None},
    "profile": {"previous_mpid": 1, "current_mpid": 2, "profile_event_type": "login"},
    "first_run": {},
    "uninstall": {},
}


def test_the_strict_rules_are_for_json_and_avro_and_not_for_segments_calls():
    call = b'{"type": "identify", "userId": "a", "colour": "red"}'
    assert Codecs().batch_opener("segment", "strict")(call, 1000)["segment"]
    batch = {
        "json": b'{"colour": "red"}',
        "avro": AvroWriter("event-batch").write(b'{"colour": "red"}'),
    }
    for form, value in batch.items():
        assert bytes(Codecs().batch_opener(form, "lenient")(value, 1000)["colour"]) == b'"red"'
        with pytest.raises(Fault, match="its 1st field"):
            Codecs().batch_opener(form, "strict")(value, 1000)


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
    ({"colour": "red"}, "the batch: the schema does not know its 1st field"),
    (
        {"device_info": {"colour": "red"}},
        "device_info: holds a field that the schema does not know",
    ),
    ({"device_info": {"ios_idfv": "9876"}}, "device_info.ios_idfv: must be a UUID"),
    (
        {"device_info": {"platform": "toaster"}},
        "device_info.platform: is none of iOS, Android, web, ",
    ),
    (
        {"device_info": {"screen_width": "wide"}},
        "device_info.screen_width: must be an integer or null, not text",
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
    ({"user_identities": "x"}, "user_identities: must be "),
    ({"user_identities": {"email": []}}, "user_identities[...]: must be "),
    (
        {"user_identities": [{**EMAIL, "colour": "red"}]},
        "user_identities[0]: holds a field that the schema does not know",
    ),
    ({"system_notifications": "x"}, "system_notifications: must be a list or null, not text"),
    (
        {"system_notifications": [{"type": "weather", "data": {}}]},
        "system_notifications[0].type: is none of gdpr_change, ccpa_change",
    ),
    (
        {"integration_attributes": {"1": "x"}},
        "integration_attributes[...]: must be an object, not text",
    ),
    ({"application_info": {"os": 5}}, "application_info.os: must be text or null, not an integer"),
    (
        {"application_info": {"os": "toaster"}},
        "application_info.os: is none of IOS, Android, ",
    ),
    (
        {"application_info": {"colour": "red"}},
        "application_info: holds a field that the schema does not know",
    ),
    ({"source_info": {}}, "source_info.channel: is required"),
    (
        {"source_info": {"channel": "pigeon"}},
        "source_info.channel: is none of native, javascript, ",
    ),
    (
        {"source_info": {"channel": "pixel", "is_historical": "no"}},
        "source_info.is_historical: must be true or false or null, not text",
    ),
    (
        {"source_info": {"channel": "pixel", "colour": "red"}},
        "source_info: holds a field that the schema does not know",
    ),
    (
        {"context": {"data_plan": {"plan_id": "p", "colour": "red"}}},
        "context.data_plan: holds a field that the schema does not know",
    ),
    (
        {
            "attribution_info": {
                "service_provider": "s",
                "publisher": "p",
                "campaign": "c",
                "colour": "red",
            }
        },
        "attribution_info: holds a field that the schema does not know",
    ),
    ({"mp_deviceid": UUID + "\n"}, "mp_deviceid: must be a UUID"),
    ({"device_info": {"ios_idfv": UUID + "\n"}}, "device_info.ios_idfv: must be a UUID"),
    ({"partner_identity": {}}, "partner_identity: must be "),
    ({"events": [{"event_type": "first_run"}]}, "events[0].data: is required"),
    (event("first_run"), "events[0].data: must be an object, not null"),
    (
        event("first_run", {"session_id": "5"}),
        "events[0].data.session_id: must be an integer or null",
    ),
    (event("first_run", {"event_id": "5"}), "events[0].data.event_id: must be an integer or null"),
    (
        event("first_run", {"is_goal_defined": 1}),
        "events[0].data.is_goal_defined: must be true or false",
    ),
    (
        event("first_run", {"lifetime_value_change": "5"}),
        "events[0].data.lifetime_value_change: must be ",
    ),
    (event("first_run", {"canonical_name": []}), "events[0].data.canonical_name: must be "),
    (
        event("first_run", {"device_current_state": {"battery_level": "full"}}),
        "events[0].data.device_current_state.battery_level: must be ",
    ),
    (
        event("first_run", {"device_current_state": {"colour": "red"}}),
        "events[0].data.device_current_state: holds a field that the schema does not know",
    ),
    (
        event("first_run", {"location": {"latitude": 1, "longitude": 2, "colour": "red"}}),
        "events[0].data.location: holds a field that the schema does not know",
    ),
    (
        event("first_run", {"event_system_notification_info": {"type": "weather"}}),
        "events[0].data.event_system_notification_info.type: is none of gdpr_change",
    ),
    *(
        (
            event(kind, {**COMPLETE[kind], "custom_flags": flags}),
            f"events[0].data.custom_flags{at}: must be ",
        )
        for kind in ("custom_event", "screen_view", "commerce_event")
        for flags, at in (("x", ""), ({"a": {}}, "[...]"))
    ),
    (
        event("custom_event", {"event_name": "x", "custom_event_type": None}),
        "events[0].data.custom_event_type: must be text, not null",
    ),
    (commerce(promotion_action={}), "events[0].data.promotion_action.action: is required"),
    (
        commerce(promotion_action={"action": "purchase"}),
        "events[0].data.promotion_action.action: is none of view, click",
    ),
    (
        commerce(promotion_action={"action": "view", "promotions": [{"colour": "red"}]}),
        "events[0].data.promotion_action.promotions[0]: holds a field that the schema",
    ),
    (commerce(product_impressions={}), "events[0].data.product_impressions: must be a list"),
    (
        commerce(product_impressions=[{"products": []}]),
        "events[0].data.product_impressions[0].product_impression_list: is required",
    ),
    (
        commerce(product_impressions=[{"product_impression_list": "l"}]),
        "events[0].data.product_impressions[0].products: is required",
    ),
    (commerce(shopping_cart={}), "events[0].data.shopping_cart.products: is required"),
    (
        commerce(custom_event_type="unknown"),
        "events[0].data.custom_event_type: is not one of the values allowed here",
    ),
    (commerce(event_name=5), "events[0].data.event_name: must be text or null, not an integer"),
    (
        commerce(product_action={"action": "purchase", "colour": "red"}),
        "events[0].data.product_action: holds a field that the schema does not know",
    ),
    (
        commerce(product_action={"action": "purchase", "products": [{"price": "5"}]}),
        "events[0].data.product_action.products[0].price: must be ",
    ),
    (
        event("crash_report", {**COMPLETE["crash_report"], "class_name": {}}),
        "events[0].data.class_name: must be ",
    ),
    (
        event("crash_report", {**COMPLETE["crash_report"], "exception_handled": "no"}),
        "events[0].data.exception_handled: must be true or false or null, not text",
    ),
    (
        event("crash_report", {**COMPLETE["crash_report"], "breadcrumbs": [{"data": {}}]}),
        "events[0].data.breadcrumbs[0]",
    ),
    (
        event("push_message", {**COMPLETE["push_message"], "message": ["x"]}),
        "events[0].data.message: must be ",
    ),
    (
        event("network_performance", {**COMPLETE["network_performance"], "bytes_in": "5"}),
        "events[0].data.bytes_in: must be an integer or null, not text",
    ),
    (
        event("application_state_transition", {"application_transition_type": "sleep"}),
        "events[0].data.application_transition_type: is none of application_initialized, ",
    ),
    (
        event("user_attribute_change", {"user_attribute_name": "a", "new": {}}),
        "events[0].data.new: must be ",
    ),
    (
        event("user_identity_change", {"new": {**EMAIL, "colour": "red"}, "old": None}),
        "events[0].data.new: holds a field that the schema does not know",
    ),
    (
        event("user_identity_change", {"new": {"identity_type": "email"}, "old": None}),
        "events[0].data.new.identity: is required",
    ),
    (
        event(
            "user_identity_change",
            {"new": {"identity_type": "email", "identity": "a"}, "old": None},
        ),
        "events[0].data.new.timestamp_unixtime_ms: is required",
    ),
    (
        event("profile", {**COMPLETE["profile"], "profile_event_type": "birth"}),
        "events[0].data.profile_event_type: is none of signup, login, logout, update, delete",
    ),
    (event("push_reaction"), "events[0].event_type: is none of custom_event, commerce_event, "),
    (
        event("custom_event", {"event_name": "x", "custom_event_type": "unknown"}),
        "events[0].data.custom_event_type: is none of navigation, location, ",
    ),
    (
        event("commerce_event", {"product_action": {"action": "remove_from_wishlist"}}),
        "events[0].data.product_action.action: is none of add_to_cart, ",
    ),
    (
        event("session_start", {"location": {"latitude": 1}}),
        "events[0].data.location.longitude: is required",
    ),
    (event("session_start", {"session_uuid": "x"}), "events[0].data.session_uuid: must be a UUID"),
    (
        event("session_start", {"timestamp_unixtime_ms": "now"}),
        "events[0].data.timestamp_unixtime_ms: must be an integer or null, not text",
    ),
    (
        event("session_start", {"custom_attributes": {"a": {}}}),
        "events[0].data.custom_attributes[...]: must be",
    ),
]


LENIENT_TOO = {
    "events[0].data.timestamp_unixtime_ms: must be an integer or null, not text",
    "user_identities: must be ",
    "user_identities[...]: must be ",
}


@pytest.mark.parametrize(
    ("batch", "detail"),
    REFUSED,
    ids=[f"{n} {one[1]}" for n, one in enumerate(REFUSED)],
)
def test_what_only_the_strict_mode_refuses_is_refused_by_path_and_rule(batch, detail):
    found = strict(batch)
    assert isinstance(found, DeadLetter)
    assert found.reason == "invalid"
    assert found.detail.startswith(detail)
    if detail not in LENIENT_TOO:
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
        {"source_info": {"channel": "unknown", "is_historical": True, "partner": "p"}},
        {"application_info": {"os": "IOS", "package": "p"}},
        {"application_info": {"os": "Unknown"}, "sdk_version": 5, "device_info": {"brand": 5}},
        {"user_identities": {"email": 5, "customerid": True, "other2": None}},
        {"context": {"data_plan": {"plan_id": "p"}, "anything": 1}},
        event("first_run", {"anything": {"at": "all"}, "session_id": 5, "location": None}),
        event("push_message", {**COMPLETE["push_message"], "message": 5}),
        event("crash_report", {"severity": None, "message": None, "class_name": "x"}),
        event("user_identity_change", {"new": None, "old": EMAIL}),
        event("user_identity_change", {"new": None, "old": None}),
        event("profile", {**COMPLETE["profile"], "previous_mpid": None, "current_mpid": None}),
        commerce(),
        commerce(promotion_action={"action": "view", "promotions": [{"id": "p", "position": 1}]}),
        commerce(product_impressions=[{"product_impression_list": "l", "products": None}]),
        commerce(custom_event_type="impression", shopping_cart={"products": []}),
    ],
)
def test_what_the_schema_has_is_taken(batch):
    assert isinstance(strict(batch), EventBatch)


def test_an_unknown_identity_type_keeps_its_own_reason():
    found = strict({"user_identities": {"shoe_size": "42"}})
    assert isinstance(found, DeadLetter)
    assert found.reason == "unknown_identity_type"


@pytest.mark.parametrize("message", ["event-batch", "enriched-batch"])
def test_the_full_examples_are_taken_so_that_an_output_can_be_fed_back_in(message):
    value = json.loads((SCHEMAS / message / "examples/full.json").read_text())
    found = strict(value)
    assert isinstance(found, EventBatch), found
    assert found == lenient(value)


INTEGERS = st.integers(-(2**63), 2**63 - 1)
LOOSE = st.none() | st.text(max_size=5) | INTEGERS | st.booleans() | st.floats(-9, 9)
WHOLE = st.none() | INTEGERS
CONSENT = st.fixed_dictionaries(
    {"consented": st.booleans(), "timestamp_unixtime_ms": WHOLE},
    optional={"document": LOOSE, "location": LOOSE, "hardware_id": LOOSE, "regulation": LOOSE},
)
STRICT = st.fixed_dictionaries(
    {},
    optional={
        "environment": st.sampled_from(["production", "development", None]),
        "user_identities": st.none()
        | st.dictionaries(
            st.sampled_from(["email", "customer_id", "customerid", "other_id_2"]), LOOSE
        ),
        "user_attributes": st.none()
        | st.dictionaries(st.text(max_size=3), LOOSE | st.lists(LOOSE, max_size=2), max_size=3),
        "deleted_user_attributes": st.none() | st.lists(st.text(max_size=3), max_size=2),
        "device_info": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "brand": LOOSE,
                "push_token": LOOSE,
                "screen_width": WHOLE,
                "is_tablet": st.none() | st.booleans(),
                "ios_idfv": st.sampled_from([None, UUID]),
            },
        ),
        "consent_state": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "gdpr": st.none() | st.dictionaries(st.text(max_size=3), CONSENT, max_size=2),
                "ccpa": st.none()
                | st.fixed_dictionaries({}, optional={"data_sale_opt_out": st.none() | CONSENT}),
            },
        ),
        "timestamp_unixtime_ms": WHOLE,
        "mp_deviceid": st.sampled_from([None, UUID]),
        "partner_identity": LOOSE,
    },
)


@given(STRICT, st.sampled_from(sorted(COMPLETE)))
def test_whatever_strict_validation_lets_in_it_lets_in_again_once_enriched(batch, kind):
    taken = strict({**batch, **event(kind, COMPLETE[kind])})
    assert isinstance(taken, EventBatch), taken
    applied = apply_batch(profile(), rules(), taken, 5, 5, LIMITS)
    document = applied.profile
    document = replace(
        document,
        identities=tuple(
            Identity(kind, value, 1, 2, "default") for kind, value in taken.identifiers
        ),
    )
    again = enrich(taken, document, "retail", applied.notifications)
    found = decode_batch(again, STANDARD_KEYS, LIMITS, strictly(open_object))
    assert isinstance(found, EventBatch), found
    assert set(found.identifiers) == set(taken.identifiers)


def test_every_field_that_an_output_adds_is_known():
    schema = json.loads((SCHEMAS / "enriched-batch/v1.schema.json").read_text())
    assert schema["properties"].keys() <= FIELDS.keys()


SECRETS = st.text(min_size=4, alphabet="qzxjkvw")


@given(
    SECRETS, st.sampled_from(["device_info", "context", "consent_state", "user_attributes", "ip"])
)
def test_a_refusal_holds_nothing_of_the_record(secret, field):
    for value in ({secret: {secret: [secret]}}, secret, [secret], {"ios_idfv": secret}):
        for batch in ({field: value}, event("custom_event", {secret: secret}), {secret: secret}):
            found = strict(batch)
            assert isinstance(found, EventBatch) or secret not in found.detail


PLACES = [
    lambda name, value: {name: value},
    lambda name, value: {"device_info": {name: value}},
    lambda name, value: {"source_info": {"channel": "pixel", name: value}},
    lambda name, value: {"source_info": {"channel": value, name: value}},
    lambda name, value: {"consent_state": {"gdpr": {name: {name: value}}}},
    lambda name, value: {"consent_state": {"gdpr": {name: {"consented": value}}}},
    lambda name, value: {"application_info": {"os": value, name: value}},
    lambda name, value: {"user_identities": {name: [value]}},
    lambda name, value: {"user_identities": [{"identity_type": value, "identity": [value]}]},
    lambda name, value: {"user_attributes": {name: {name: value}}},
    lambda name, value: {"mpid": value, "mp_deviceid": value},
    lambda name, value: {"environment": value},
    lambda name, value: event(value, {name: value}),
    lambda name, value: event("custom_event", {"event_name": [value]}),
    lambda name, value: event("first_run", {"location": {name: value}}),
    lambda name, value: event("first_run", {"session_uuid": value}),
    lambda name, value: event("first_run", {"timestamp_unixtime_ms": value}),
    lambda name, value: commerce(product_action={"action": value, name: value}),
]
"""Ways to hide a name and a value in a batch."""

DISGUISES = [
    "{}",
    "x` - at `$.{}",
    "x - at `$.{}`",
    "` - at `$[{}]",
    "Expected `{}`, got `{}`",
    "{}`\n - at `$.{}",
    "matching regex {}",
]
"""What would have a library's message, read carelessly, give away what it quotes."""


@pytest.mark.parametrize("mask", DISGUISES)
def test_no_name_and_no_value_however_disguised_is_in_a_dead_letters_detail(mask):
    secret = "qzxjkvw"
    said = mask.replace("{}", secret)
    for place in PLACES:
        for batch in (place("colour", said), place(said, "x"), place(said, said)):
            for found in (strict(batch), lenient(batch)):
                assert isinstance(found, EventBatch) or secret not in found.detail, found


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

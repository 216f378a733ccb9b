"""Batches as the PyPI package ``mparticle`` makes them, and requests as web and mobile SDKs do."""

import json
from pathlib import Path
from typing import Any

import mparticle
import pytest
from mparticle.api_client import ApiClient
from mparticle.models.batch_context import BatchContext
from mparticle.models.ccpa_consent_state import CCPAConsentState
from mparticle.models.consent_state import ConsentState
from mparticle.models.data_plan_context import DataPlanContext
from mparticle.models.gdpr_consent_state import GDPRConsentState

from processor.codecs.avro.reading import AvroWriter
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import Output, Record
from processor.settings import load_offline
from tests.conformance.test_kafka import PARTITIONS, Theatre, processing
from tests.servers.kafka import Kafka
from tests.servers.ports import free_port

UUID = "7d1f4c3e-1111-4222-8333-444444444444"
TIME_MS = 1_782_900_000_000


def batch() -> mparticle.Batch:
    """Return a batch of everything that the package's documentation shows."""
    made = mparticle.Batch()
    made.environment = "development"
    made.source_request_id = "r-1"
    made.mp_deviceid = UUID
    made.ip = "172.217.12.142"
    made.user_identities = mparticle.UserIdentities(
        customerid="ABC123", email="ed@example.com", other_id_2="o2"
    )
    made.user_attributes = {"Gender": "Female", "Toys": ["doll", "kite"], "Age": 32, "Vip": True}
    made.deleted_user_attributes = ["old"]
    made.device_info = mparticle.DeviceInformation(
        brand="Apple", platform="iOS", ios_idfv=UUID, screen_width=640, is_tablet=False
    )
    made.application_info = mparticle.ApplicationInformation(application_name="shop")
    made.context = BatchContext(data_plan=DataPlanContext(plan_id="plan", plan_version=2))
    consent = ConsentState()
    consent.gdpr = {
        "parental": GDPRConsentState(consented=True, timestamp_unixtime_ms=TIME_MS, document="d")
    }
    opted_in = CCPAConsentState(consented=False, timestamp_unixtime_ms=TIME_MS)
    consent.ccpa = {"data_sale_opt_out": opted_in}
    made.consent_state = consent
    product = mparticle.Product(name="Shirt", id="s-1", price=19.5, quantity=1)
    action = mparticle.ProductAction("purchase")
    action.products = [product]
    action.transaction_id = "t-1"
    action.total_amount = 19.5
    made.events = [
        mparticle.SessionStartEvent(timestamp_unixtime_ms=TIME_MS, session_id=12345678),
        mparticle.AppEvent("Hello World", "navigation", custom_attributes={"a": "b"}),
        mparticle.ScreenViewEvent(screen_name="home"),
        mparticle.CommerceEvent(product_action=action),
        mparticle.SessionEndEvent(session_duration_ms=1000, session_id=12345678),
    ]
    return made


def serialised(made: mparticle.Batch) -> bytes:
    """Return *made* as the package puts it on the wire."""
    return json.dumps(ApiClient.sanitize_for_serialization(made)).encode()


def configuration(**switches: Any) -> str:
    return "\n".join(
        [
            "[workspaces.retail]",
            'strategy = "profile_conversion"',
            'priority = ["customerid", "email", "ios_idfv", "device_application_stamp"]',
            'login_ids = ["customerid"]',
            'unique_ids = ["customerid", "email"]',
            *(f"{key} = {json.dumps(value)}" for key, value in switches.items()),
        ]
    )


class Playing:
    """A pipeline over an index in memory."""

    def __init__(self, folder: Path, inputs: str = "", **switches: Any) -> None:
        (folder / "idstream.toml").write_text(configuration(**switches) + inputs)
        settings = load_offline(folder / "idstream.toml", {})
        spaces = settings.space_rules()
        self._pipeline = Pipeline(
            Parts(rules=settings.rules(), spaces=spaces, index=MemoryIndex(), owner="t")
        )
        topics = ("batches", "requests")
        self._pipeline.assign([Assignment(topic, 0, topic, None, "") for topic in topics], [])
        self._offset = 0

    def one(self, topic: str, value: bytes, *headers: tuple[str, bytes]) -> Output:
        """Return what answers or forwards *value*."""
        record = Record(topic, 0, self._offset, TIME_MS, None, value, headers)
        self._offset += 1
        outputs = self._pipeline.process([record])
        (found,) = (o for o in outputs if o.role in ("enriched", "responses", "dead_letters"))
        return found


def check_enriched(value: bytes | None) -> None:
    enriched = json.loads(value or b"")
    sent = json.loads(serialised(batch()))
    assert enriched["mpid"]
    assert {i["identity_type"]: i["identity"] for i in enriched["user_identities"]} == {
        "customer_id": "ABC123",
        "email": "ed@example.com",
        "other_id_2": "o2",
    }
    assert enriched["user_attributes"] == sent["user_attributes"]
    assert enriched["consent_state"]["gdpr"] == sent["consent_state"]["gdpr"]
    assert enriched["events"] == sent["events"]
    assert enriched["context"] == sent["context"]


@pytest.mark.parametrize("validation", ["lenient", "strict"])
@pytest.mark.parametrize("form", ["json", "avro"])
def test_a_batch_of_the_package_comes_out_enriched(validation, form, tmp_path: Path):
    value = serialised(batch())
    headers = ()
    if form == "avro":
        value = AvroWriter("event-batch").write(value)
        headers = (("content-type", b"application/vnd.apache.avro+binary"),)
    output = Playing(tmp_path, validation=validation).one("batches", value, *headers)
    assert output.role == "enriched", dict(output.headers)
    check_enriched(output.value)


def on_an_unknown_platform(made: mparticle.Batch) -> None:
    made.device_info.platform = "Unknown"


def with_an_unknown_event(made: mparticle.Batch) -> None:
    made.events = [mparticle.AppEvent(event_name="e", custom_event_type="unknown")]


def with_a_profile_event(made: mparticle.Batch) -> None:
    made.events = [mparticle.ProfileEvent(profile_event_type="login", profile_name="p")]


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (
            on_an_unknown_platform,
            (
                "device_info.platform: is none of iOS, Android, web, tvOS, roku, out_of_band,"
                " alexa, smart_tv, fire_tv, xbox"
            ),
        ),
        (
            with_an_unknown_event,
            (
                "events[0].data.custom_event_type: is none of navigation, location, search,"
                " transaction, user_content, user_preference, social, other, media, attribution"
            ),
        ),
        (with_a_profile_event, "events[0].data.previous_mpid: is required"),
    ],
)
def test_what_the_package_sends_that_nobody_published_only_strict_refuses(
    change, detail, tmp_path: Path
):
    made = batch()
    change(made)
    assert Playing(tmp_path).one("batches", serialised(made)).role == "enriched"
    refused = Playing(tmp_path, validation="strict").one("batches", serialised(made))
    headers = dict(refused.headers)
    assert headers["reason"] == b"invalid"
    assert headers["detail"].decode() == detail


def announced(*names: str) -> bytes:
    made = ApiClient.sanitize_for_serialization(batch())
    made["events"] += [
        {"event_type": "user_attribute_change", "data": {"user_attribute_name": name, "new": "x"}}
        for name in names
    ]
    return json.dumps(made).encode()


def test_sdk_attributes_wait_for_their_change_events_where_the_switch_says_so(tmp_path: Path):
    playing = Playing(tmp_path, sdk_requires_change_events=True)
    output = playing.one("batches", announced("Gender", "Other"))
    assert json.loads(output.value or b"")["user_attributes"] == {"Gender": "Female"}
    output = Playing(tmp_path).one("batches", announced("Gender"))
    assert len(json.loads(output.value or b"")["user_attributes"]) == 4


def test_other_sources_need_no_change_events(tmp_path: Path):
    feed = '\n[inputs.default]\nworkspace = "retail"\nsource = "custom_feed"\n'
    playing = Playing(tmp_path, feed, sdk_requires_change_events=True)
    output = playing.one("batches", serialised(batch()))
    assert len(json.loads(output.value or b"")["user_attributes"]) == 4


WEB_IDENTIFY = {
    "client_sdk": {"platform": "web", "sdk_vendor": "mparticle", "sdk_version": "2.71.2"},
    "context": None,
    "environment": "development",
    "request_id": UUID,
    "request_timestamp_ms": TIME_MS,
    "previous_mpid": None,
    "known_identities": {"device_application_stamp": UUID, "email_sha256": "0a1b", "email": None},
}
ANDROID_LOGIN = {
    "client_sdk": {"platform": "android", "sdk_vendor": "mparticle", "sdk_version": "5.60.0"},
    "environment": "development",
    "request_id": UUID,
    "request_timestamp_ms": TIME_MS,
    "known_identities": {
        "customerid": "ABC123",
        "android_uuid": "abcdef",
        "android_aaid": UUID,
        "push_token": "token",
        "device_application_stamp": UUID,
    },
}
APPLE_LOGOUT = {
    "client_sdk": {"platform": "ios", "sdk_vendor": "mparticle", "sdk_version": "8.30.0"},
    "context": "b3BhcXVl",
    "environment": "development",
    "request_id": UUID,
    "request_timestamp_ms": TIME_MS,
    "known_identities": {"ios_idfv": UUID, "device_application_stamp": UUID},
}
WEB_MODIFY = {
    "client_sdk": {"platform": "web", "sdk_vendor": "mparticle", "sdk_version": "2.71.2"},
    "context": "b3BhcXVl",
    "environment": "development",
    "request_id": UUID,
    "request_timestamp_ms": TIME_MS,
    "identity_changes": [
        {"identity_type": "email", "old_value": None, "new_value": "ed@example.com"}
    ],
}


@pytest.mark.parametrize("validation", ["lenient", "strict"])
@pytest.mark.parametrize("form", ["json", "avro"])
def test_requests_of_the_sdks_are_answered(validation, form, tmp_path: Path):
    playing = Playing(tmp_path, validation=validation)

    def ask(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        value = json.dumps({**body, "request_type": kind}).encode()
        if form == "json":
            output = playing.one("requests", value)
        else:
            header = ("content-type", b"application/vnd.apache.avro+binary")
            output = playing.one("requests", AvroWriter("identity-request").write(value), header)
        answer: dict[str, Any] = json.loads(output.value or b"")
        assert answer["status"] == 200
        assert answer["request_id"] == UUID
        return answer

    anonymous = ask("identify", WEB_IDENTIFY)
    known = ask("login", {**ANDROID_LOGIN, "previous_mpid": anonymous["mpid"]})
    assert (anonymous["is_logged_in"], known["is_logged_in"]) == (False, True)
    changed = ask("modify", {**WEB_MODIFY, "mpid": int(known["mpid"])})
    assert changed["change_results"]
    assert ask("logout", {**APPLE_LOGOUT, "previous_mpid": known["mpid"]})["is_logged_in"] is False


class Retail:
    """What the theatre puts into its configuration."""

    def configuration(self) -> str:
        return configuration(validation="strict")


@pytest.mark.kafka
@pytest.mark.redis
@pytest.mark.timeout(120)
def test_a_batch_of_the_package_goes_through_kafka(
    kafka: Kafka, redis_url: str, redis_prefix: str, tmp_path: Path
):
    theatre, port = Theatre(kafka), free_port()
    (tmp_path / "idstream.toml").write_text(
        theatre.configuration([Retail()], redis_url, redis_prefix, port)
    )
    value = json.loads(serialised(batch()))
    with processing(tmp_path, port):
        sent = theatre.send(
            PARTITIONS - 1,
            {"topic": "batches", "value": value, "timestamp_ms": TIME_MS, "input": "default"},
        )
        outputs = theatre.outputs({sent})[sent]
    (enriched,) = (o for o in outputs if o.role == "enriched")
    check_enriched(enriched.value)

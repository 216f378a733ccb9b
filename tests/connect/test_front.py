"""SDK traffic over HTTP becomes records that the processor enriches, through deploy/connect."""

import base64
import gzip
import json
import re
import subprocess
from collections import Counter

import mparticle
import pytest
import rudderstack.analytics.client
import segment.analytics.client
import snowplow_tracker

from processor.settings import load_text
from tests.connect.conftest import CONNECT, KEYS
from tests.docs.pages import text
from tests.servers.waiting import eventually

# Building the engine takes minutes, once: by the one worker that all of Go goes to.
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.redis,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("go"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def values(messages) -> list[dict]:
    return [json.loads(message.value()) for message in messages]


def inputs(messages) -> Counter[str]:
    return Counter(dict(message.headers())["input"].decode() for message in messages)


def found(front, role: str, count: int) -> list[dict]:
    """Return what is on the topic of this role, nothing before *count* records are there."""
    there = front.records(role)
    return values(there) if len(there) >= count else []


def enriched(front, count: int) -> list[dict]:
    return eventually(lambda: found(front, "enriched", count), within=50, every=0.3)


def test_the_front_is_what_its_engine_takes(engine):
    done = subprocess.run(
        [engine, "lint", CONNECT / "front.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_segments_sdk_sends_arrives_enriched(front, processor):
    sdk = segment.analytics.client.Client(
        KEYS["SEGMENT_WRITE_KEY"], host=f"{front.url}/segment", max_retries=0, gzip=True
    )
    sdk.identify("u1", {"email": "ed@example.com", "plan": "gold"}, anonymous_id="a1")
    sdk.track("u1", "Signed Up", {"seats": 3})
    sdk.page(anonymous_id="a1", name="Home", properties={"url": "https://example.com/"})
    sdk.flush()
    sdk.join()
    signed_up, home = enriched(front, 2)
    assert signed_up["user_attributes"] == home["user_attributes"]
    assert signed_up["user_attributes"]["plan"] == "gold"
    assert signed_up["mpid"] == home["mpid"]
    assert signed_up["events"][0]["data"]["custom_attributes"] == {"seats": 3}
    assert inputs(front.records()) == {"segment": 3}


def test_what_rudderstacks_sdk_sends_arrives_enriched(front, processor):
    sdk = rudderstack.analytics.client.Client(
        KEYS["RUDDERSTACK_WRITE_KEY"], host=f"{front.url}/rudderstack", max_retries=0
    )
    sdk.identify("u1", {"email": "ed@example.com", "plan": "gold"})
    sdk.track("u1", "Signed Up", {"seats": 3})
    sdk.flush()
    sdk.join()
    (signed_up,) = enriched(front, 1)
    assert signed_up["user_attributes"] == {"email": "ed@example.com", "plan": "gold"}
    assert inputs(front.records()) == {"rudderstack": 2}


@pytest.mark.parametrize("method", ["post", "get"])
def test_what_snowplows_tracker_sends_arrives_with_its_person(front, processor, method):
    address = front.url.removeprefix("http://")
    emitter = snowplow_tracker.Emitter(address, protocol="http", method=method, batch_size=1)
    person = snowplow_tracker.Subject().set_user_id("u1").set_domain_user_id("cookie")
    person.set_network_user_id("network")
    tracker = snowplow_tracker.Tracker("cf", [emitter], subject=person, app_id="shop")
    session = snowplow_tracker.SelfDescribingJson(
        "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2",
        {"userId": "phone", "sessionId": "s", "sessionIndex": 1, "storageMechanism": "SQLITE"},
    )
    tracker.track(snowplow_tracker.PageView("https://example.com/", page_title="Home"))
    tracker.track(snowplow_tracker.StructuredEvent("shop", "add", label="shoes", value=2.0))
    signed_up = snowplow_tracker.SelfDescribingJson(
        "iglu:com.acme/signed_up/jsonschema/1-0-0", {"plan": "gold"}
    )
    tracker.track(snowplow_tracker.SelfDescribing(signed_up, context=[session]))
    home, add, sign_up = (batch for batch in enriched(front, 3))
    assert home["mpid"] == add["mpid"] == sign_up["mpid"]
    assert home["events"][0]["data"]["screen_name"] == "Home"
    assert home["events"][0]["data"]["custom_attributes"]["url"] == "https://example.com/"
    assert add["events"][0]["data"]["event_name"] == "add"
    assert add["events"][0]["data"]["custom_attributes"]["value"] == "2.0"
    assert sign_up["events"][0]["data"]["event_name"] == "signed_up"
    assert sign_up["events"][0]["data"]["custom_attributes"] == {"plan": "gold"}
    identities = {(i["identity_type"], i["identity"]) for i in sign_up["user_identities"]}
    assert identities == {
        ("user_id", "u1"),
        ("anonymous_id", "cookie"),
        ("network_userid", "network"),
    }
    assert inputs(front.records()) == {"snowplow": 3}


def test_what_mparticles_sdk_sends_arrives_enriched(front, processor):
    configuration = mparticle.Configuration()
    configuration.api_key = KEYS["MPARTICLE_KEY"]
    configuration.api_secret = KEYS["MPARTICLE_SECRET"]
    configuration.host = f"{front.url}/mparticle/v2"
    configuration.api_client = mparticle.ApiClient(configuration=configuration)
    api = mparticle.EventsApi(configuration)
    first, second = mparticle.Batch(), mparticle.Batch()
    for batch in (first, second):
        batch.environment = "production"
        batch.user_identities = mparticle.UserIdentities(customerid="u1")
        batch.events = [mparticle.AppEvent("Signed Up", "navigation")]
    first.user_attributes = {"plan": "gold"}
    api.upload_events(first)
    api.bulk_upload_events([second, second])
    batches = enriched(front, 3)
    assert [batch["user_attributes"] for batch in batches] == [{"plan": "gold"}] * 3
    assert len({batch["mpid"] for batch in batches}) == 1
    assert inputs(front.records()) == {"mparticle": 3}


def test_the_identity_api_is_taken_with_the_verb_of_its_address(front, processor):
    body = {
        "client_sdk": {"platform": "web", "sdk_vendor": "mparticle", "sdk_version": "1"},
        "environment": "production",
        "request_id": "r1",
        "request_timestamp_ms": 1782900000000,
        "known_identities": {"customerid": "u1", "email": "ed@example.com"},
    }
    key = basic(KEYS["MPARTICLE_KEY"], KEYS["MPARTICLE_SECRET"])
    assert front.send("/mparticle/v1/login", json.dumps(body).encode(), **key)[0] == 202
    changes = {**body, "identity_changes": []}
    del changes["known_identities"]
    assert front.send("/mparticle/v1/123/modify", json.dumps(changes).encode(), **key)[0] == 202
    login, modify = front.records("requests")
    assert json.loads(login.value()) == {**body, "request_type": "login"}
    assert json.loads(modify.value()) == {**changes, "request_type": "modify", "mpid": "123"}
    assert login.key() == b"u1"
    answer, refusal = eventually(lambda: found(front, "responses", 2), within=50, every=0.3)
    assert answer["status"] == 200
    assert answer["request_id"] == "r1"
    assert refusal["status"] == 400


def test_what_a_batch_says_once_is_said_of_each_call(front):
    batch = {
        "context": {"ip": "1.2.3.4", "app": {"name": "a"}},
        "batch": [
            {"type": "track", "userId": "u", "event": "A", "context": {"app": {"version": "1"}}},
            {"type": "track", "userId": "u", "event": "B"},
            "no call",
        ],
    }
    key = basic(KEYS["SEGMENT_WRITE_KEY"])
    status, _ = front.send("/segment/v1/batch", json.dumps(batch).encode(), **key)
    assert status == 200
    one, two, other = (json.loads(m.value()) for m in front.records())
    assert one["context"] == {"ip": "1.2.3.4", "app": {"name": "a", "version": "1"}}
    assert two["context"] == {"ip": "1.2.3.4", "app": {"name": "a"}}
    # It is the processor's to say what is wrong with a call: its neighbours go on.
    assert other == "no call"


@pytest.mark.parametrize(
    ("path", "type_"),
    [("/segment/v1/t", "track"), ("/segment/v1/track", "track"), ("/segment/v1/i", "identify")],
)
def test_a_single_call_may_leave_its_type_to_the_address(front, path, type_):
    call = {"anonymousId": "a", "userId": "u", "event": "A", "writeKey": "secret"}
    key = basic(KEYS["SEGMENT_WRITE_KEY"])
    body = gzip.compress(json.dumps(call).encode())
    assert front.send(path, body, **{"Content-Encoding": "gzip"}, **key)[0] == 200
    (record,) = front.records()
    assert json.loads(record.value())["type"] == type_
    assert b"secret" not in record.value()
    assert record.key() == b"a"


@pytest.mark.parametrize(
    "path", ["/segment/v1/batch", "/rudderstack/v1/batch", "/mparticle/v2/events"]
)
@pytest.mark.parametrize("key", [{}, basic("wrong"), basic("")])
def test_who_has_no_key_or_a_wrong_one_is_refused(front, path, key):
    assert front.send(path, b'{"batch": []}', **key) == (401, b'{"error":"wrong key"}')
    assert not front.records()


def test_a_browser_has_its_key_in_the_body(front):
    call = {
        "type": "track",
        "anonymousId": "a",
        "event": "A",
        "writeKey": KEYS["SEGMENT_WRITE_KEY"],
    }
    plain = {"Content-Type": "text/plain"}
    assert front.send("/segment/v1/t", json.dumps(call).encode(), **plain)[0] == 200
    wrong = {**call, "writeKey": "wrong"}
    assert front.send("/segment/v1/t", json.dumps(wrong).encode(), **plain)[0] == 401
    (record,) = front.records()
    assert KEYS["SEGMENT_WRITE_KEY"].encode() not in record.value()


@pytest.mark.parametrize("body", [b"", b"no JSON", b"[1", b'"text"', b"7"])
def test_what_is_no_json_or_no_object_is_refused(front, body):
    answer = front.send("/segment/v1/batch", body, **basic(KEYS["SEGMENT_WRITE_KEY"]))
    assert answer == (400, b'{"error":"not what this path takes"}')
    assert not front.records()


def test_a_sender_cannot_choose_the_topic_the_input_or_the_key(front):
    forged = {"topic": "profiles", "input": "warehouse", "key": "k", "source": "mparticle"}
    query = "&".join(f"{name}={value}" for name, value in forged.items())
    call = {"type": "track", "userId": "u", "event": "A"}
    path = f"/segment/v1/track?{query}"
    assert front.send(path, json.dumps(call).encode(), **basic(KEYS["SEGMENT_WRITE_KEY"]))[0] == 200
    (record,) = front.records()
    assert record.key() == b"u"
    assert record.headers() == [("input", b"segment")]


def test_a_key_that_was_not_set_lets_nobody_in(engine, kafka, tmp_path):
    from tests.connect.conftest import Front

    front = Front(engine, tmp_path, kafka, SEGMENT_WRITE_KEY="")
    try:
        assert front.send("/segment/v1/batch", b'{"batch": []}', **basic(""))[0] == 401
        assert front.send("/segment/v1/batch", b'{"batch": []}')[0] == 401
    finally:
        front.close()


def test_the_page_says_how_to_send_and_what_comes_out(front, processor):
    (command,) = re.findall(r"^\$ (curl .*)$", text("docs/connect.md"), re.MULTILINE)
    here = command.replace("http://localhost:4195", front.url)
    done = subprocess.run(here, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    (signed_up,) = enriched(front, 1)
    assert signed_up["user_attributes"] == {"email": "ed@example.com", "plan": "gold"}


def test_every_setting_of_the_front_is_on_its_page():
    used = re.findall(r'\$\{([A-Z_]+):|env\("([A-Z_]+)"\)', (CONNECT / "front.yaml").read_text())
    names = {one or other for one, other in used}
    assert names
    assert names <= set(re.findall(r"`([A-Z_]+)`", text("docs/connect.md")))


def test_every_input_that_the_front_names_is_configured():
    config = (CONNECT / "front.yaml").read_text()
    named = {s.removesuffix("_identity") for s in re.findall(r'meta source = "(\w+)"', config)}
    assert load_text((CONNECT / "idstream.toml").read_text(), {}).inputs.keys() == named

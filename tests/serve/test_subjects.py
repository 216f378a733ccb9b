"""Requests under privacy law over HTTP: checked, put on their topic, and looked up as cases."""

import base64
import json
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from processor.identity.filed import Filing
from processor.identity.model import Space
from processor.identity.view import Effects
from processor.index.sight import MemoryReader
from processor.kafka.clock import Clock
from processor.kafka.mock import EmbeddedBroker
from processor.kafka.recent import Budget, Recents
from processor.privacy.case import Case, Found, case_number, filed
from tests.serve.people import Service, index_of, scoped, serving

PATH = "/dsr/v3/requests"
REQUEST = {
    "subject_request_id": "mine",
    "subject_request_type": "erasure",
    "regulation": "gdpr",
    "submitted_time": "2026-11-01T15:00:00Z",
    "subject_identities": {"email": {"value": "ada@example.com", "encoding": "raw"}},
}
PRIVATE = """
privacy = true
[privacy]
waiting_days = 7
[inputs.office]
workspace = "retail"
topics = ["privacy-requests"]
"""
CASE = Case("retail", "production", 0, 1, "known", "erasure", "retail", "pending", b"", "a", 0, 9)
ASKS, READS = scoped(["privacy:request"]), scoped(["privacy:read"])


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(["privacy-requests"])
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory, broker) -> Iterator[Service]:
    def reader(settings):
        index = index_of(settings)
        space = Space("retail", "production")
        over = replace(CASE, request_id="over", state="completed", found=Found(1, (7,)))
        cases = {}
        for case in (CASE, over):
            number = case_number(case.request_id, "retail", settings.key())
            cases[number] = filed(replace(case, number=number))
        index.commit(space, Effects({}, {}, {}, {}, filing=Filing(cases)), ())
        return MemoryReader(index)

    environ = {"IDSTREAM_KAFKA__TOPICS__PRIVACY": "privacy-requests"}
    folder = tmp_path_factory.mktemp("subjects")
    kafka = broker.bootstrap_servers
    with serving(folder, PRIVATE, reader=reader, kafka=kafka, environ=environ) as running:
        yield running


def newest(service: Service, key: bytes) -> tuple[dict, dict[str, bytes]]:
    """The newest request on the topic under *key*: its value, and its headers."""
    recents = Recents(service.parts.settings.kafka, Clock().now)
    found = recents.of_keys("privacy-requests", [key], Budget(found=1, seconds=20.0))
    (record,) = found.records
    return json.loads(record.value or b""), dict(record.headers)


def test_a_request_stands_on_the_topic_as_it_was_sent(service):
    found = service.post(PATH, REQUEST, ASKS)
    assert (found.status_code, found.json()["subject_request_id"]) == (201, "mine")
    assert json.loads(base64.b64decode(found.json()["encoded_request"])) == REQUEST
    assert newest(service, b"mine") == (REQUEST, {"input": b"office"})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject_request_id": None}, "BAD_REQUEST"),
        ({"subject_identities": {"shoe": {"value": "1"}}}, "INVALID_DATA"),
        ({"subject_request_type": "forget"}, "INVALID_DATA"),
    ],
)
def test_a_mistake_is_told_at_once_and_nothing_is_sent(service, change, code):
    found = service.post(PATH, {**REQUEST, **change}, ASKS)
    assert (found.status_code, found.json()["errors"][0]["code"]) == (400, code)
    assert service.call("POST", PATH, ASKS, data=b"{").status_code == 400


def test_how_a_request_stands_is_read_from_its_case(service):
    waits, over = (service.get(f"{PATH}/{one}", READS).json() for one in ("known", "over"))
    assert (waits["request_status"], waits["mpids"]) == ("pending", [])
    assert (over["request_status"], over["mpids"]) == ("completed", ["7"])
    assert service.get(f"{PATH}/unknown", READS).status_code == 404


def test_only_what_waits_is_cancelled(service):
    assert service.call("DELETE", f"{PATH}/known", ASKS).status_code == 202
    value, headers = newest(service, b"known")
    said = value["subject_request_id"], value["subject_request_type"]
    assert (said, headers) == (("known", "cancel"), {"input": b"office"})
    assert service.call("DELETE", f"{PATH}/over", ASKS).status_code == 409
    assert service.call("DELETE", f"{PATH}/unknown", ASKS).status_code == 404


def test_discovery_tells_types_of_requests_and_identities(service):
    found = service.get("/dsr/v3/discovery", READS).json()
    assert found["supported_subject_request_types"] == ["access", "erasure", "portability"]
    assert {"identity_type": "email", "encoding": "raw"} in found["supported_identities"]


@pytest.mark.parametrize(
    ("method", "path", "opens"),
    [
        ("POST", PATH, ASKS),
        ("DELETE", f"{PATH}/over", ASKS),
        ("GET", f"{PATH}/known", READS),
        ("GET", "/dsr/v3/discovery", READS),
    ],
)
def test_each_scope_opens_its_routes_and_no_others(service, method, path, opens):
    for name in (ASKS, READS, scoped(["profiles:read", "identities:clear", "ui"])):
        status = service.call(method, path, name, json=REQUEST).status_code
        assert (status != 403) == (name == opens), (method, path, name)
    assert service.call(method, path, None).status_code == 401
    stranger = service.call(method, f"{path}?workspace=retail", "stranger", json=REQUEST)
    assert stranger.status_code == 403


def test_a_workspace_without_an_input_for_it_says_so(service):
    assert service.post(PATH, REQUEST, "stranger").status_code == 501


def test_without_the_setting_there_are_no_such_routes(tmp_path):
    with serving(tmp_path) as plain:
        assert plain.post(PATH, REQUEST).status_code == 404

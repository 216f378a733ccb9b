"""Requests under privacy law over HTTP: checked, put on their topic, and looked up as cases."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from processor.codecs.subject_request import REQUEST_TYPES
from processor.kafka import forward
from processor.kafka.clock import Clock
from processor.kafka.recent import Budget, Recents
from processor.serve.service import seal_of
from processor.settings import SettingsError
from tests.serve.happenings import happened
from tests.serve.people import ADA, ERASE, Service, scoped, serving, settings_of

PATH = "/dsr/v3/requests"
CERTIFICATE = "https://privacy.example.com/dsr.pem"
ASKS, READS = scoped(["privacy:request"]), scoped(["privacy:read"])


def newest(service: Service, key: bytes) -> tuple[dict, dict[str, bytes]]:
    """The newest request on the topic under *key*: its value, and its headers."""
    recents = Recents(service.parts.settings.kafka, Clock().now)
    found = recents.of_keys("privacy-requests", [key], Budget(found=1, seconds=20.0))
    (record,) = found.records
    return json.loads(record.value or b""), dict(record.headers)


def test_a_request_stands_on_the_topic_as_it_was_sent(service: Service):
    found = service.post(PATH, ERASE, ASKS)
    assert (found.status_code, found.json()["subject_request_id"]) == (201, "mine")
    assert json.loads(base64.b64decode(found.json()["encoded_request"])) == ERASE
    assert newest(service, b"mine") == (ERASE, {"input": b"office"})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject_request_id": None}, "BAD_REQUEST"),
        ({"subject_identities": {"shoe": {"value": "1"}}}, "INVALID_DATA"),
        ({"subject_request_type": "forget"}, "INVALID_DATA"),
        ({"extensions": {"idstream": {"dryrun": True}}}, "INVALID_DATA"),
    ],
)
def test_a_mistake_is_told_at_once_and_nothing_is_sent(service: Service, change, code):
    found = service.post(PATH, {**ERASE, **change}, ASKS)
    assert (found.status_code, found.json()["errors"][0]["code"]) == (400, code)
    broken = service.call("POST", PATH, ASKS, data=b"{")
    assert (broken.status_code, broken.json()["errors"][0]["code"]) == (400, "BAD_REQUEST")


def test_only_types_that_discovery_lists_are_taken(service: Service):
    listed = service.get("/dsr/v3/discovery", READS).json()["supported_subject_request_types"]
    whom = {"extensions": {"idstream": {"mpids": [str(ADA)]}}}
    taken = []
    for kind in REQUEST_TYPES:
        body = ERASE if kind in listed else {**ERASE, **whom}
        body = {**body, "subject_request_id": f"of-{kind}", "subject_request_type": kind}
        found = service.post(PATH, body, ASKS)
        if found.status_code == 201:
            taken.append(kind)
            continue
        (error,) = found.json()["errors"]
        assert (found.status_code, error["code"]) == (400, "INVALID_DATA")
        assert ", ".join(listed) in error["message"]
    assert sorted(taken) == listed


def test_how_a_request_stands_is_read_from_its_case(service: Service):
    waits, over, ada = (
        service.get(f"{PATH}/{one}", READS).json() for one in ("waits", "over", "ada")
    )
    assert (waits["request_status"], waits["mpids"], waits["results_url"]) == ("pending", [], None)
    assert (over["request_status"], over["mpids"], over["results_url"]) == (
        "completed",
        ["7"],
        None,
    )
    assert ada["mpids"] == [str(ADA)]
    assert ada["results_url"] == f"{PATH}/ada/results?workspace=retail"
    unknown = service.get(f"{PATH}/unknown", READS)
    (error,) = unknown.json()["errors"]
    assert (unknown.status_code, error["code"]) == (404, "NOT_FOUND")
    assert "if it was refused, its receipt tells why" in error["message"]


def test_the_requests_of_a_group_are_listed_as_each_of_them_stands(service: Service):
    found = service.get(f"{PATH}?group_id=g", READS).json()
    assert [one["subject_request_id"] for one in found] == ["late", "ada", "merged", "waits"]
    assert found[1] == service.get(f"{PATH}/ada", READS).json()
    assert service.get(f"{PATH}?group_id=other", READS).json() == []
    assert service.get(f"{PATH}?group_id=g&workspace=shop", "stranger").json() == []
    for query in ("", "?group_id="):
        assert service.get(f"{PATH}{query}", READS).status_code == 400


def test_where_the_topic_of_cases_cannot_be_read_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(forward, "_ANSWER_S", 0.2)
    with serving(tmp_path, "privacy = true\ntimeout_ms = 10000") as alone:
        found = alone.get(f"{PATH}?group_id=g", READS)
        assert (found.status_code, found.headers["Retry-After"]) == (503, "1")


def test_only_what_waits_is_cancelled(service: Service):
    assert service.call("DELETE", f"{PATH}/waits", ASKS).status_code == 202
    value, headers = newest(service, b"waits")
    said = value["subject_request_id"], value["subject_request_type"]
    assert (said, headers) == (("waits", "cancel"), {"input": b"office"})
    assert service.call("DELETE", f"{PATH}/over", ASKS).status_code == 409
    assert service.call("DELETE", f"{PATH}/unknown", ASKS).status_code == 404


def test_discovery_tells_types_of_requests_and_identities(service: Service):
    found = service.get("/dsr/v3/discovery", READS).json()
    assert found["supported_subject_request_types"] == ["access", "erasure", "portability"]
    assert {"identity_type": "email", "encoding": "raw"} in found["supported_identities"]
    assert found["processor_certificate"] is None


def test_a_workspace_without_an_input_for_it_says_so(service: Service):
    assert service.post(PATH, ERASE, "stranger").status_code == 501


def test_without_the_setting_there_are_no_such_routes(tmp_path):
    with serving(tmp_path) as plain:
        assert plain.post(PATH, ERASE).status_code == 404


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def written(key, folder) -> str:
    path = folder / "signing.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    own = f'domain = "privacy.example.com"\ncertificate_url = "{CERTIFICATE}"'
    return f'privacy = true\n{own}\nsigning_key_file = "{path}"'


def test_answers_are_signed_where_a_key_is_named(tmp_path, key):
    with happened() as kafka, serving(tmp_path, written(key, tmp_path), kafka=kafka) as signing:
        answers = [
            signing.post(PATH, ERASE, ASKS),
            signing.get(f"{PATH}/ada", READS),
            signing.get(f"{PATH}?group_id=g", READS),
            signing.call("DELETE", f"{PATH}/waits", ASKS),
            signing.get("/dsr/v3/discovery", READS),
        ]
    results = "https://privacy.example.com/dsr/v3/requests/ada/results?workspace=retail"
    assert answers[1].json()["results_url"] == results
    assert answers[4].json()["processor_certificate"] == CERTIFICATE
    for found in answers:
        assert found.ok
        assert found.headers["X-OpenDSR-Processor-Domain"] == "privacy.example.com"
        signature = base64.b64decode(found.headers["X-OpenDSR-Signature"])
        key.public_key().verify(signature, found.content, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "cannot be read (No such file or directory)"),
        (lambda path: path.chmod(0o644), "others may read it; run chmod 600 on it"),
        (lambda path: path.write_text("secret"), "is no private key in PEM without a password"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_at_the_start(tmp_path, key, spoil, said):
    served = settings_of(written(key, tmp_path)).serve
    spoil(tmp_path / "signing.pem")
    with pytest.raises(SettingsError) as told:
        seal_of(served)
    assert str(told.value).endswith(said)
    assert "secret" not in str(told.value)

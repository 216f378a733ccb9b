"""Results of an access over HTTP: whole, made while they are sent, and let go of at any moment."""

import io
import json
import socket
import threading
import zipfile
from collections.abc import Iterator

import pytest

from processor.codecs.moment import milliseconds_of
from processor.identity.model import Space
from processor.kafka.clock import Clock
from processor.profiles.document import from_json
from processor.serve.archive import moment_of, zipped
from processor.serve.results import Results, in_one_line, wanted_of
from tests.serve.people import ADA, PEOPLE, SURVIVOR, Service, scoped, token
from tests.servers.waiting import eventually

PATH = "/dsr/v3/requests"
READS = scoped(["privacy:read"])


def opened(data: bytes) -> zipfile.ZipFile:
    found = zipfile.ZipFile(io.BytesIO(data))
    assert found.testzip() is None
    return found


def test_results_are_byte_for_byte_what_an_export_of_the_moment_writes(service: Service):
    found = service.get(f"{PATH}/ada/results", READS)
    assert found.status_code == 200
    assert found.headers["Content-Type"] == "application/zip"
    assert found.headers["Cache-Control"] == "private, no-store"
    assert found.headers["Content-Disposition"] == 'attachment; filename="results.zip"'
    manifest = json.loads(opened(found.content).read("manifest.json"))
    assert manifest["files"]["batches-1.jsonl"] == 60
    made_ms = milliseconds_of(manifest["made"])
    (profile,) = [from_json(json.dumps(p).encode()) for p in PEOPLE if p["mpid"] == str(ADA)]
    wanted = wanted_of("retail", Space("retail", "production"), [profile])
    settings = service.parts.settings
    files = Results(settings, wanted, lambda _, value: in_one_line(value), Clock().now)
    assert found.content == b"".join(zipped(files.files(made_ms), moment_of(made_ms)))


def test_merges_since_the_request_are_followed_and_each_profile_is_there_once(service: Service):
    found = opened(service.get(f"{PATH}/merged/results", READS).content)
    (profile,) = map(json.loads, found.read("profile.jsonl").splitlines())
    assert profile["mpid"] == str(SURVIVOR)


@pytest.mark.parametrize(
    ("request_id", "status", "code"),
    [
        ("over", 404, "NOT_FOUND"),
        ("nobody", 404, "NOT_FOUND"),
        ("unknown", 404, "NOT_FOUND"),
        ("late", 410, "GONE"),
        ("ended", 410, "GONE"),
    ],
)
def test_where_there_is_nothing_to_fetch_it_is_said_why(service: Service, request_id, status, code):
    found = service.get(f"{PATH}/{request_id}/results", READS)
    assert (found.status_code, found.json()["errors"][0]["code"]) == (status, code)


def test_two_results_are_made_at_a_time(service: Service, monkeypatch):
    go_on, begun = threading.Event(), []

    def slowly(self: Results, made_ms: int) -> Iterator[tuple[str, list[bytes]]]:
        begun.append(made_ms)
        go_on.wait(20)
        yield "slow.txt", [b"slow"]

    monkeypatch.setattr(Results, "files", slowly)
    statuses: list[int] = []

    def fetch() -> None:
        statuses.append(service.get(f"{PATH}/ada/results", READS).status_code)

    fetching = [threading.Thread(target=fetch) for _ in range(2)]
    for one in fetching:
        one.start()
    eventually(lambda: len(begun) == 2)
    assert service.get(f"{PATH}/ada/results", READS).status_code == 503
    assert service.get(f"{PATH}/ada", READS).status_code == 200
    go_on.set()
    for one in fetching:
        one.join(20)
    assert statuses == [200, 200]
    assert service.get(f"{PATH}/ada/results", READS).status_code == 200


def test_who_goes_away_ends_the_reading_and_gives_the_place_back(service: Service, monkeypatch):
    ended = threading.Event()

    def for_ever(self: Results, made_ms: int) -> Iterator[tuple[str, Iterator[bytes]]]:
        def pieces() -> Iterator[bytes]:
            began = self._now()
            try:
                while self._now() < began + 3600:
                    yield made_ms.to_bytes(8, "big") * 4096
            finally:
                ended.set()

        yield "endless.bin", pieces()

    monkeypatch.setattr(Results, "files", for_ever)
    port = int(service.url.rpartition(":")[2])
    request = f"GET {PATH}/ada/results HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(READS)}"

    def is_begun() -> bool:
        ended.clear()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(f"{request}\r\n\r\n".encode())
            answer = connection.recv(65_536)
            while answer.startswith(b"HTTP/1.1 200") and b"endless.bin" not in answer:
                answer += connection.recv(65_536)
            return answer.startswith(b"HTTP/1.1 200")

    for _ in range(3):  # one more than there are places
        eventually(is_begun, 20)
        assert ended.wait(20)

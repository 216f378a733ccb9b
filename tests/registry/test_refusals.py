"""A registry that answers with an error: waited for, told, or taken at its word about one id."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from processor import registry
from processor.codecs.avro.reading import AvroReader, RegistryUnavailable
from processor.codecs.fault import Fault
from processor.registry import Registry, RegistryRefused, open_codecs

ERROR = json.dumps({"error_code": 40403, "message": "..."}).encode()
ABSENT = b"\0\x00\x00\x00\x07rest"


@contextmanager
def answering(status: int, body: bytes = ERROR, every_s: float = 0) -> Iterator[Registry]:
    """Serve one answer to whatever is asked, at once or a byte *every_s*; give a client of it."""
    is_over = Event()

    class Always(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if not every_s:
                self.wfile.write(body)
                return
            for byte in body:
                if is_over.wait(every_s):
                    return
                self.wfile.write(bytes([byte]))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Always)
    thread = Thread(target=server.serve_forever)
    thread.start()
    client = Registry(f"http://127.0.0.1:{server.server_port}")
    try:
        yield client
    finally:
        is_over.set()
        client.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("status", [401, 403, 407, 408, 429, 500, 502, 503, 504])
def test_an_answer_that_says_nothing_of_a_schema_is_waited_for(status):
    with answering(status) as client, pytest.raises(RegistryUnavailable, match=str(status)):
        AvroReader("event-batch", client).open_object(ABSENT, 100)


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 422])
def test_an_id_that_is_refused_is_a_schema_not_found(status):
    with answering(status) as client, pytest.raises(Fault) as raised:
        AvroReader("event-batch", client).open_object(ABSENT, 100)
    assert raised.value.reason == "schema_not_found"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"7", b'{"schema": 7}', b'{"schema": true}', b'{"schema": null}'],
)
def test_an_answer_that_is_no_schema_costs_only_the_records_of_its_id(body):
    with answering(200, body) as client:
        for message in ("event-batch", "identity-request"):
            with pytest.raises(Fault) as raised:
                AvroReader(message, client).open_object(ABSENT, 100)
            assert raised.value.reason in ("schema_not_found", "undecodable")


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(registry, "DEADLINE_S", 0.5)
    slow = answering(200, b'{"schema": "' + b" " * 100, every_s=0.1)
    with slow as client, pytest.raises(RegistryUnavailable, match="TimeoutError"):
        client.writer(7)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_registry_that_refuses_our_schemas_ends_the_start_and_says_why(status):
    with answering(status) as client, pytest.raises(RegistryRefused, match=f"t .*{status}"):
        open_codecs(client, {"outcomes": "t"}, waits=never)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_registry_that_cannot_take_our_schemas_now_is_asked_again(status):
    asked = []
    with answering(status) as client:
        assert open_codecs(client, {"outcomes": "t"}, lambda away: bool(asked.append(away))) is None
    assert len(asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 422])
def test_a_check_tells_that_the_registry_refuses_us(status):
    with answering(status) as client, pytest.raises(RegistryRefused, match=str(status)):
        client.accepts("outcomes", "t")


def never(away: RegistryUnavailable) -> bool:
    raise AssertionError(away)

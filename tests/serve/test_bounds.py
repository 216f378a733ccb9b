"""Who sends too much, too slowly or nothing at all keeps nobody else out."""

import socket

from processor.serve import connections
from tests.serve.people import ADA, Service, serving, token
from tests.servers.waiting import eventually

PATH = f"/v1/retail/profiles/{ADA}"
LOOKUP = b"POST /v1/retail/profiles/lookup HTTP/1.1\r\nHost: x\r\n"
BEARER = b"Authorization: Bearer " + token("all").encode() + b"\r\n"


def opened(service: Service, data: bytes) -> socket.socket:
    """A connection over which *data* was sent."""
    port = int(service.url.rpartition(":")[2])
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(data)
    return connection


def rest(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


def test_slow_sign_ins_keep_nobody_from_the_api(tmp_path):
    with serving(tmp_path, "max_concurrent = 2\ntimeout_ms = 5000") as service:
        begun = b"POST /ui/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nt"
        slow = [opened(service, begun) for _ in range(2)]
        try:
            eventually(lambda: service.get("/ui/sign-in", None).status_code == 503)
            assert service.get(PATH).status_code == 200
            assert service.get("/ui/retail").status_code == 303
        finally:
            for one in slow:
                one.close()


def test_a_body_that_does_not_come_is_told_so(tmp_path):
    with serving(tmp_path, "timeout_ms = 100") as service:
        with opened(service, LOOKUP + BEARER + b"Content-Length: 50\r\n\r\n{") as connection:
            answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"TOO_SLOW" in answer


def test_a_head_without_an_end_is_refused(service: Service):
    with opened(service, LOOKUP) as connection:
        try:
            for _ in range(4 * connections.MOST_HEAD_BYTES // 1024):
                connection.sendall(b"X-More: " + b"x" * 1014 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 400 ") or not answer
    assert service.get(PATH).status_code == 200


def test_a_large_head_that_ends_is_read(service: Service):
    assert service.get(PATH, headers={"X-More": "x" * 30_000}).status_code == 200


def test_who_sends_no_request_is_hung_up_on(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "ARRIVAL_S", 0.05)
    with serving(tmp_path) as service:
        for data in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            with opened(service, data) as connection:
                assert rest(connection) == b""
        assert service.get(PATH).status_code == 200


def test_bytes_that_are_no_text_in_a_query_are_no_error_of_ours(service: Service):
    request = b"POST /ui/sign-in?\xff HTTP/1.1\r\nHost: [\r\nConnection: close\r\n"
    body = b"token=" + token("all").encode()
    with opened(service, request + b"Content-Length: %d\r\n\r\n" % len(body) + body) as connection:
        assert not rest(connection).startswith(b"HTTP/1.1 5")

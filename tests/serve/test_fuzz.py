"""Malformed requests, thousands of them: each gets an answer, and none a 500."""

import os
import random
import socket

from tests.serve.people import ADA, Service, token

REQUESTS = int(os.environ.get("IDSTREAM_TEST_FUZZ", "1000"))
"""10,000 were tried before the first release; a run has fewer."""
SEED = int(os.environ.get("IDSTREAM_TEST_SEED", "15"))
PATHS = [
    f"/v1/retail/profiles/{ADA}",
    "/v1/retail/profiles/lookup",
    "/v1/retail/profiles/batch",
    f"/userprofile/v1/o/a/3622/{ADA}",
    "/userprofile/v1/resolve/o/a/retail",
    "/openapi.json",
]
BODIES = [
    b'{"environment":"production","identity":{"type":"customerid","value":"12345"}}',
    b'{"identities":{"customerid":"12345","email":null},"as":"search"}',
    b'{"profiles":[{"mpid":"1234"},{"identity":{"type":"email","value":"x@y"}}]}',
    b'{"environment_type":"production","identity":{"type":"customer_id","value":12345}}',
]
QUERIES = [
    b"fields=user_attributes",
    b"fields=identities,attributes.x&environment=development",
    b"min_version=3",
    b"fields=attributes.%F0%9F%92%A9&mpid=text",
]
SCRAPS = [
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"%00",
    b"%ff",
    b"%zz",
    b"9" * 400,
    b"-" * 20,
    b"null",
    b"1e999",
    b'"',
    b"{",
    b"[" * 3000,
    b"\r\nX: y",
    b"&" * 50,
    b"=",
    b"//",
    b"/../",
    "💩".encode(),
    "\u202e".encode(),
    b"",
]
METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE", b"BREW"]


def spoil(chance: random.Random, data: bytes) -> bytes:
    """Cut, double, exchange or stuff some of *data*."""
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        until = min(len(data), at + chance.randrange(6))
        data = data[:at] + chance.choice([*SCRAPS, bytes([chance.randrange(256)])]) + data[until:]
    return data


def malformed(chance: random.Random) -> bytes:
    """The bytes of a request that is more or less as it should be."""
    method = chance.choice(METHODS) if chance.random() < 0.3 else chance.choice(METHODS[:2])
    path = spoil(chance, chance.choice(PATHS).encode())
    query = spoil(chance, chance.choice(QUERIES))
    body = spoil(chance, chance.choice(BODIES))
    headers = [b"Host: x", b"Connection: close", b"Content-Length: %d" % len(body)]
    headers.append(b"Authorization: Bearer " + token("all").encode())
    if chance.random() < 0.3:
        tag = spoil(chance, b'If-None-Match: "1-2-00000000"')
        headers.append(tag.replace(b"\n", b""))
    if chance.random() < 0.2:
        headers[-1] = spoil(chance, headers[-1]).replace(b"\n", b"")
    return (
        method
        + b" "
        + path
        + b"?"
        + query
        + b" HTTP/1.1\r\n"
        + b"\r\n".join(headers)
        + (b"\r\n\r\n" + body)
    )


def status_of(service: Service, request: bytes) -> int | None:
    """The status that *request* is answered with; None where the server closes in silence."""
    port = int(service.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
        except ConnectionResetError:
            pass
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else None


def test_no_malformed_request_is_answered_with_a_500(service: Service):
    chance = random.Random(SEED)
    seen: dict[int | None, int] = {}
    for _ in range(REQUESTS):
        request = malformed(chance)
        status = status_of(service, request)
        seen[status] = seen.get(status, 0) + 1
        assert status is None or status < 500 or status == 503, request
    assert {200, 400, 404, 405} <= seen.keys(), seen
    assert seen.get(None, 0) < REQUESTS / 5, seen
    assert not [line for line in service.log.lines if "request_failed" in line]
    assert service.get(PATHS[0]).status_code == 200

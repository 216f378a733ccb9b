"""The admin server over real HTTP: three paths, and when it says what."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from processor.watch.admin import Admin, AdminUnavailable, Health, answers
from processor.watch.contact import Contact
from processor.watch.metrics import Metrics
from tests.unit.watch.lines import Lines


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kafka(clock: Clock) -> Contact:
    return Contact("kafka", "kafka:9092", Lines(), clock, lambda _value: None)


@pytest.fixture
def health(clock: Clock, kafka: Contact) -> Health:
    return Health(clock=clock, contacts=(kafka,), stale_seconds=10)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def admin(health: Health, metrics: Metrics) -> Iterator[Admin]:
    server = Admin("127.0.0.1", 0, answers(health, metrics.registry))
    yield server
    server.stop()


def ask(admin: Admin, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", admin.port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_metrics_are_served(admin, metrics):
    metrics.error("index", "unavailable")
    status, body = ask(admin, "/metrics")
    assert status == 200
    assert 'idstream_errors_total{kind="unavailable",source="index"} 1.0' in body


def test_it_is_alive_until_the_loop_stands_still_for_too_long(admin, health, clock):
    assert ask(admin, "/livez") == (200, "alive\n")
    health.turn()
    clock.now += 9
    assert ask(admin, "/livez")[0] == 200
    clock.now += 1
    assert ask(admin, "/livez") == (503, "the loop has not turned lately\n")
    health.turn()
    assert ask(admin, "/livez")[0] == 200


def test_it_is_ready_when_its_partitions_are_started(admin, health, clock):
    assert ask(admin, "/readyz") == (
        503,
        "the loop has not turned lately\npartitions wait to be started\n",
    )
    health.turn()
    health.has_started = True
    assert ask(admin, "/readyz") == (200, "ready\n")
    health.has_started = False
    assert ask(admin, "/readyz") == (503, "partitions wait to be started\n")
    health.has_started = True
    clock.now += 10
    assert ask(admin, "/readyz")[0] == 503


def test_it_is_not_ready_while_a_server_is_away_and_says_since_when_and_why(
    admin, health, kafka, clock
):
    health.turn()
    health.has_started = True
    kafka.failed("no broker is connected")
    clock.now += 4
    kafka.failed("no broker is connected")
    assert ask(admin, "/readyz") == (
        503,
        "Kafka does not answer since 4 s (no broker is connected)\n",
    )
    assert ask(admin, "/livez")[0] == 200
    kafka.answered()
    assert ask(admin, "/readyz") == (200, "ready\n")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/favicon.ico", "/config", "/livez/x", "/%2e"])
def test_nothing_else_is_served(admin, path):
    assert ask(admin, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_get_is_answered(admin, method):
    assert ask(admin, "/metrics", method)[0] == 405


def test_a_client_that_says_nothing_does_not_hold_it_for_long(admin):
    with socket.create_connection(("127.0.0.1", admin.port)):
        assert ask(admin, "/livez")[0] == 200


def test_it_stops(health, metrics):
    server = Admin("127.0.0.1", 0, answers(health, metrics.registry))
    port = server.port
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_taken_port_is_said_in_one_line(admin, health, metrics):
    with pytest.raises(AdminUnavailable, match=r"cannot be listened on .*set observability\.port"):
        Admin("127.0.0.1", admin.port, answers(health, metrics.registry))

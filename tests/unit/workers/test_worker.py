"""Workers as real processes; only the clock is moved by hand."""

import sys
from collections.abc import Iterator

import pytest

from processor.workers.worker import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Worker, pause
from tests.servers.waiting import eventually
from tests.unit.watch.lines import Lines


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> Lines:
    return Lines()


def worker(script: str, lines: Lines, clock: Clock) -> Worker:
    return Worker(1, lambda *_: (sys.executable, "-c", script), lines, clock)


@pytest.fixture
def failing(lines, clock) -> Iterator[Worker]:
    """A worker that has been started and has ended."""
    made = worker("raise SystemExit(3)", lines, clock)
    made.look()
    eventually(lambda: not made.is_running)
    made.look()
    yield made
    made.wait(0)


def test_how_a_worker_ended_is_told(failing, lines):
    name, facts = lines.told[-1]
    assert name == "worker_ended"
    assert facts == {"worker": 1, "status": 3, "starts_in_s": FIRST_PAUSE_S}


def test_a_worker_that_ended_is_started_again_after_a_pause(failing, lines, clock):
    clock.now += FIRST_PAUSE_S / 2
    failing.look()
    assert [name for name, _ in lines.told] == ["worker_started", "worker_ended"]
    clock.now += FIRST_PAUSE_S
    failing.look()
    assert lines.told[-1][0] == "worker_started"


def test_short_lives_double_the_pause_up_to_a_limit():
    pauses = [0.0]
    for _ in range(8):
        pauses.append(pause(pauses[-1], 0.0))
    assert pauses[1:4] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_after_a_long_life_the_pause_is_short_again():
    assert pause(LONGEST_PAUSE_S, STEADY_S) == FIRST_PAUSE_S


def test_a_worker_that_does_not_stop_is_killed(lines, clock):
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    made = worker(deaf, lines, clock)
    made.look()
    made.ask_to_stop()
    assert made.wait(0.2) != 0


def test_its_port_answers_for_the_process_that_was_given_the_socket(lines, clock):
    import http.client

    script = (
        "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); c, _ = s.accept();"
        " c.recv(999); c.sendall(b'HTTP/1.0 204 yes\\r\\n\\r\\n'); c.close()"
    )
    made = Worker(1, lambda _, fd: (sys.executable, "-c", script, str(fd)), lines, clock)
    made.look()
    connection = http.client.HTTPConnection("127.0.0.1", made.port, timeout=20)
    connection.request("GET", "/")
    assert connection.getresponse().status == 204
    connection.close()
    assert made.wait(20) == 0

"""What is said for all workers, over real processes that say little."""

import sys
import time
from threading import Event

import pytest

from processor.workers.workers import Unclean, Workers
from tests.servers.waiting import eventually
from tests.unit.watch.lines import Lines

ANSWERS = """
import http.server, signal, socket, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if self.path == "/readyz" else 200)
        self.end_headers()
        self.wfile.write(b"redis is away\\n" if self.path == "/readyz" else b"up 1\\n")
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Answer, bind_and_activate=False)
server.socket = socket.socket(fileno=int(sys.argv[1]))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(sys.argv[2])))
server.serve_forever()
"""


def workers(count: int, ends_with: int = 0) -> Workers:
    def command(_number: int, descriptor: int) -> tuple[str, ...]:
        return sys.executable, "-c", ANSWERS, str(descriptor), str(ends_with)

    return Workers(count, command, Lines(), time.monotonic)


def said(made: Workers, path: str, method: str = "GET") -> tuple[str, str]:
    statuses: list[str] = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method}
    body = b"".join(made.answer(environ, lambda status, _headers: statuses.append(status)))
    return statuses[0].split()[0], body.decode()


def stopped(made: Workers) -> None:
    stop = Event()
    stop.set()
    made.run(stop)


def test_workers_that_do_not_run_yet_are_alive_and_not_ready():
    made = workers(2)
    assert said(made, "/livez") == ("200", "alive\n")
    told = "worker 1: is not running\nworker 2: is not running\n"
    assert said(made, "/readyz") == ("503", told)
    assert said(made, "/metrics") == ("200", "")
    stopped(made)


def test_what_a_worker_lacks_is_told_with_its_number():
    made = workers(1)
    made._workers[0].look()
    eventually(lambda: said(made, "/readyz") == ("503", "worker 1: redis is away\n"))
    assert said(made, "/livez") == ("200", "alive\n")
    assert said(made, "/metrics") == ("200", 'up{worker="1"} 1\n')
    assert said(made, "/else")[0] == "404"
    assert said(made, "/livez", "POST")[0] == "405"
    stopped(made)


def test_workers_that_end_with_an_error_when_asked_to_stop_are_named():
    made = workers(2, ends_with=1)
    for worker in made._workers:
        worker.look()
    eventually(lambda: said(made, "/metrics")[1].count("up{") == 2)
    with pytest.raises(Unclean, match="1, 2"):
        stopped(made)

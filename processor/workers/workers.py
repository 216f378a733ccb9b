"""Workers: so many processors at once, as members of one group, with one admin server for all."""

import http.client
from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import Final
from wsgiref.types import StartResponse, WSGIEnvironment

from processor.watch.admin import say
from processor.watch.logs import Log
from processor.workers.exposition import merged
from processor.workers.worker import Command, Worker

LOOK_S: Final = 0.1
"""How often it is looked whether a worker has ended."""
END_S: Final = 30.0
"""How long workers that are to stop may take: a commit and leaving the group."""
_ANSWER_S: Final = 2.0
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Unclean(Exception):
    """Workers that were to stop ended with an error."""


class Workers:
    """Runs workers until it is to stop, and starts again those that end."""

    def __init__(
        self,
        count: int,
        command: Command,
        log: Log,
        now: Callable[[], float],
        shared: Sequence[int] = (),
    ) -> None:
        """Make *count* workers; *shared* are file descriptors that all of them get."""
        self._now = now
        numbers = range(1, count + 1)
        self._workers = [Worker(number, command, log, now, shared) for number in numbers]

    def run(self, stop: Event) -> None:
        """Run until *stop* is set; then all finish what they have in hand.

        Raises Unclean where one of them could not.
        """
        try:
            while not stop.wait(LOOK_S):
                for worker in self._workers:
                    worker.look()
        finally:
            failed = self._end()
        if failed:
            raise Unclean(f"workers {', '.join(failed)} ended with an error, see the log")

    def _end(self) -> list[str]:
        """Stop all at once; return the numbers of those that ended with an error."""
        for worker in self._workers:
            worker.ask_to_stop()
        until = self._now() + END_S
        ends = [(one.number, one.wait(until - self._now())) for one in self._workers]
        return [str(number) for number, status in ends if status]

    # ---- what is said of all of them --------------------------------------------------------

    def answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Answer for all workers, as an application of the admin server."""
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return say(start, "405 Method Not Allowed", ("only GET is answered",))
        if path == "/metrics":
            return self._metrics(start)
        if path in ("/livez", "/readyz"):
            return self._health(start, path)
        return say(start, "404 Not Found", ("there are /metrics, /livez and /readyz",))

    def _metrics(self, start: StartResponse) -> Iterable[bytes]:
        texts = {}
        for worker in self._workers:
            status, text = _ask(worker, "/metrics")
            if status == http.client.OK:
                texts[worker.number] = text
        body = merged(texts).encode()
        start("200 OK", [("Content-Type", _TEXT), ("Content-Length", str(len(body)))])
        return [body]

    def _health(self, start: StartResponse, path: str) -> Iterable[bytes]:
        """Say what is wrong with any of them. One that is being started again is alive."""
        wrong: list[str] = []
        for worker in self._workers:
            if not worker.is_running and path == "/livez":
                continue
            status, text = _ask(worker, path)
            if status != http.client.OK:
                wrong += [f"worker {worker.number}: {line}" for line in text.splitlines()]
        if wrong:
            return say(start, "503 Service Unavailable", wrong)
        return say(start, "200 OK", ("alive" if path == "/livez" else "ready",))


def _ask(worker: Worker, path: str) -> tuple[int, str]:
    """Return the status and text of a worker's answer; 0 where it does not answer."""
    if not worker.is_running:
        return 0, "is not running"
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=_ANSWER_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, "does not answer"
    finally:
        connection.close()


def serving_command(executable: str, config: str, listening: int) -> Command:
    """Return the command of a worker of ``idstream serve``, which gets the socket *listening*."""

    def command(number: int, descriptor: int) -> Sequence[str]:
        worker = f"{number}:{descriptor}:{listening}"
        return executable, "-m", "processor", "serve", "-c", config, "--as-worker", worker

    return command


def worker_command(
    executable: str, config: str, *, accept_offsets: bool
) -> Callable[[int, int], Sequence[str]]:
    """Return the command of a worker: ``idstream run`` of the same configuration."""
    given = ("--accept-offsets",) if accept_offsets else ()

    def command(number: int, descriptor: int) -> Sequence[str]:
        worker = f"{number}:{descriptor}"
        return executable, "-m", "processor", "run", "-c", config, *given, "--as-worker", worker

    return command

"""A worker: a processor in a process of its own, started again when it ends.

It is given a socket that listens already, for its admin server. So its port stays the same however
often it is started. Its standard input is a pipe that nothing is written to: it ends with the
process that supervises it, and then the worker stops too.
"""

import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import Final

from processor.watch.logs import Log

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
"""A worker that ran for so long is started again at once; a shorter life doubles the pause."""

Command = Callable[[int, int], Sequence[str]]
"""Returns the command of a worker, of its number and the socket's file descriptor."""


def pause(before_s: float, lived_s: float) -> float:
    """Return how long to wait before a start, of the wait before and the life after that."""
    if lived_s >= STEADY_S:
        return FIRST_PAUSE_S
    return min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * before_s))


class Worker:
    """One of the workers, by its number from 1."""

    def __init__(
        self,
        number: int,
        command: Command,
        log: Log,
        now: Callable[[], float],
        shared: Sequence[int] = (),
    ) -> None:
        """Make the worker *number*; *shared* are file descriptors that its process gets too."""
        self.number: Final = number
        self._command = command
        self._shared = tuple(shared)
        self._log = log
        self._now = now
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause_s = 0.0
        self._due_at = now()

    @property
    def port(self) -> int:
        """The port of its admin server, on this machine only."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def look(self) -> None:
        """Start it if it is due; note if it has ended, and when it is due again."""
        if self._process is None:
            if self._now() >= self._due_at:
                self._start()
        elif (status := self._process.poll()) is not None:
            _close_input(self._process)
            self._process = None
            self._pause_s = pause(self._pause_s, self._now() - self._started_at)
            self._due_at = self._now() + self._pause_s
            self._log.warning(
                "worker_ended", worker=self.number, status=status, starts_in_s=self._pause_s
            )

    def ask_to_stop(self) -> None:
        """Tell it to finish what it has in hand."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, seconds: float) -> int | None:
        """Return how it ended, None if it was not running; it is killed after *seconds*."""
        process, self._process = self._process, None
        self._socket.close()
        if process is None:
            return None
        _close_input(process)
        try:
            return process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _start(self) -> None:
        descriptor = self._socket.fileno()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and program
            self._command(self.number, descriptor),
            stdin=subprocess.PIPE,
            pass_fds=(descriptor, *self._shared),
        )
        self._started_at = self._now()
        self._log.info("worker_started", worker=self.number, pid=self._process.pid)


def _close_input(process: subprocess.Popen[bytes]) -> None:
    """Close our end of its standard input, which tells it to stop if nothing else did."""
    assert process.stdin is not None
    process.stdin.close()

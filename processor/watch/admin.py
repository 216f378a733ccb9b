"""The admin server: ``/metrics``, ``/livez`` and ``/readyz``, and nothing else.

It has one thread. Alive means that the loop's last turn is not too old; ready means that all
partitions of the process are started, and that Kafka and Redis answer.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from socketserver import TCPServer
from typing import ClassVar, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from msgspec import Struct, field
from prometheus_client import CollectorRegistry, make_wsgi_app

from processor.watch.contact import Contact

STALE_SECONDS: Final = 60.0
_SOCKET_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 0.1
"""How often the server looks whether it is to stop."""


class Health(Struct):
    """What the loop says of itself. The loop writes it, the admin thread reads it."""

    clock: Callable[[], float]
    """Seconds that only grow."""
    contacts: Sequence[Contact] = ()
    """To the servers without which nothing is processed."""
    stale_seconds: float = STALE_SECONDS
    turned_at: float | None = field(default=None)
    has_started: bool = False

    def turn(self) -> None:
        """Note that the loop came round."""
        self.turned_at = self.clock()

    @property
    def is_alive(self) -> bool:
        """Whether the loop came round lately; it has not hung before its first turn."""
        return self.turned_at is None or self.clock() - self.turned_at < self.stale_seconds

    def missing(self) -> tuple[str, ...]:
        """Return in words each reason for which the process is not ready."""
        wanted = {
            "the loop has not turned lately": self.is_alive and self.turned_at is not None,
            "partitions wait to be started": self.has_started,
        }
        away = filter(None, (contact.missing() for contact in self.contacts))
        return (*(text for text, holds in wanted.items() if not holds), *away)


class AdminUnavailable(Exception):
    """The admin server cannot listen where it should."""


class Admin:
    """The running server; ``stop`` ends its thread."""

    def __init__(
        self,
        host: str,
        port: int,
        application: WSGIApplication,
        listening: socket.socket | None = None,
    ) -> None:
        """Serve *application* on an address, or on a socket that is *listening* already."""
        try:
            self._server = _Server((host, port), _Request, bind_and_activate=listening is None)
        except OSError as error:
            message = (
                f"{host}:{port} cannot be listened on ({error.strerror}); set observability.port"
            )
            raise AdminUnavailable(message) from None
        if listening is not None:
            self._server.listen_on(listening)
        self._server.set_app(application)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(_STOP_SECONDS,),
            name="idstream-admin",
            daemon=True,
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on, also where any free one was asked for."""
        return self._server.server_port

    def stop(self) -> None:
        """Stop listening and wait for the thread to end."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(WSGIServer):
    """A WSGI server that does not look up the name of its host."""

    # typing.override is younger than our oldest Python
    def server_bind(self) -> None:  # type: ignore[explicit-override]
        TCPServer.server_bind(self)
        self._name()

    def listen_on(self, listening: socket.socket) -> None:
        """Take a socket that listens already in place of an own one."""
        self.socket.close()
        self.socket, self.server_address = listening, listening.getsockname()
        self._name()

    def _name(self) -> None:
        self.server_name, self.server_port = "idstream", self.server_address[1]
        self.setup_environ()


class _Request(WSGIRequestHandler):
    """Answers a client that has two seconds to ask, and is not logged."""

    timeout: ClassVar[float | None] = _SOCKET_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # type: ignore[explicit-override]  # noqa: A002
        """Log nothing: probes come every few seconds."""


def answers(health: Health, registry: CollectorRegistry) -> WSGIApplication:
    """Return what answers for one processor."""
    metrics = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return say(start, "405 Method Not Allowed", ("only GET is answered",))
        if path == "/metrics":
            body: Iterable[bytes] = metrics(environ, start)
            return body
        if path == "/livez":
            stale = () if health.is_alive else ("the loop has not turned lately",)
            return say(start, "503 Service Unavailable" if stale else "200 OK", stale or ("alive",))
        if path == "/readyz":
            missing = health.missing()
            status = "503 Service Unavailable" if missing else "200 OK"
            return say(start, status, missing or ("ready",))
        return say(start, "404 Not Found", ("there are /metrics, /livez and /readyz",))

    return answer


def say(start: StartResponse, status: str, lines: Sequence[str]) -> Iterable[bytes]:
    """Answer with *lines* of text."""
    body = "".join(f"{line}\n" for line in lines).encode()
    start(
        status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    )
    return [body]

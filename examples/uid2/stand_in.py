"""A stand-in for a UID2 operator, for tests and trials: the same envelope, made-up ids."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Final

from examples.uid2.envelope import IV_BYTES, Broken, Sealed, open_request, seal_answer
from examples.uid2.operator_client import PATH

OPTED_OUT: Final = frozenset({"optout@example.com", "never@example.com"})
_MOST_AGE_MS: Final = 60_000


def uid_of(email: str) -> str:
    """Return the id that the stand-in makes of an address, the same each time."""
    return base64.b64encode(hashlib.sha256(b"salt:" + email.encode()).digest()).decode()


class StandIn:
    """An operator on a free port of this machine."""

    def __init__(self, api_key: str, secret: bytes, now_ms: Callable[[], int]) -> None:
        self.asked: list[list[str]] = []
        """The addresses of each request that was answered."""
        self.failures: list[int] = []
        """HTTP statuses to answer the next requests with."""
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                said = self.headers.get("Authorization")
                status, text = stand_in._answer(
                    self.path, said == f"Bearer {api_key}", body, secret, now_ms()
                )
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
                """Log nothing: requests are about persons."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(
        self,
        path: str,
        is_known: bool,
        body: bytes,
        secret: bytes,
        now_ms: int,
    ) -> tuple[int, bytes]:
        if self.failures:
            return self.failures.pop(0), b""
        if not is_known:
            return 401, b""
        if path != PATH:
            return 404, b""
        try:
            asked = open_request(secret, body)
        except Broken:
            return 400, b""
        if abs(now_ms - asked.time_ms) > _MOST_AGE_MS:
            return 400, b""
        emails = asked.document["email"]
        self.asked.append(emails)
        answer = {"body": {"email": [_mapped(email) for email in emails]}, "status": "success"}
        sealed = Sealed(now_ms, asked.nonce, answer)
        return 200, seal_answer(secret, sealed, secrets.token_bytes(IV_BYTES))


def _mapped(email: str) -> dict[str, Any]:
    if email in OPTED_OUT:
        return {"e": "optout"}
    if "@" not in email:
        return {"e": "invalid identifier"}
    return {"u": uid_of(email), "p": None, "r": 0}


def main() -> None:
    """Serve until the process is ended; print what the service needs to ask here."""
    secret = secrets.token_bytes(32)
    stand_in = StandIn("trial", secret, lambda: time.time_ns() // 1_000_000)
    said = f"UID2_OPERATOR={stand_in.url} UID2_API_KEY=trial UID2_SECRET={secret.hex()}"
    print(f"export {said}", flush=True)  # noqa: T201 - the shell reads it
    Event().wait()


if __name__ == "__main__":
    main()

"""Sessions of people who signed in: a cookie that names their token, and proves that we wrote it.

The cookie never holds the token. A token that is taken out of the file ends its sessions, as it is
looked for with every request.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

SESSION_S: Final = 8 * 3600
_encode = msgspec.json.Encoder().encode


class Session(Struct, frozen=True, array_like=True):
    """Who signed in, and until when."""

    token: str
    """The name of the token."""
    hash: str
    """The beginning of the token's hash: another token of that name is another session."""
    expires_s: float


class Signer:
    """Writes and reads cookies and the tokens of forms, under *key*."""

    def __init__(self, key: bytes, wall: Callable[[], float]) -> None:
        self._key = key
        self._wall = wall

    def now(self) -> float:
        """Return the seconds since 1970 by which sessions end."""
        return self._wall()

    def cookie(self, session: Session) -> str:
        """Return what the browser keeps of *session*."""
        body = urlsafe_b64encode(_encode(session)).decode()
        return f"{body}.{self._sign('session', body)}"

    def session(self, cookie: str) -> Session | None:
        """Return the session of a *cookie*; None where we did not write it, or it has expired."""
        body, _, signature = cookie.partition(".")
        if not hmac.compare_digest(
            signature.encode("utf-8", "replace"), self._sign("session", body).encode()
        ):
            return None
        try:
            session = msgspec.json.decode(urlsafe_b64decode(body), type=Session)
        except (NoBase64, msgspec.DecodeError, ValueError):
            return None
        return session if self._wall() < session.expires_s else None

    def form_token(self, cookie: str) -> str:
        """Return what a form must bring back: no other site can know it."""
        return self._sign("form", cookie)

    def is_form_token(self, cookie: str, brought: str) -> bool:
        """Return whether *brought* is the token of the forms of *cookie*."""
        return hmac.compare_digest(
            brought.encode("utf-8", "replace"), self.form_token(cookie).encode()
        )

    def _sign(self, purpose: str, text: str) -> str:
        message = f"{purpose}:{text}".encode("utf-8", "replace")
        return hmac.new(self._key, message, sha256).hexdigest()

"""The client of a UID2 operator: addresses in, advertising ids out, in the order asked."""

import http.client
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from examples.uid2.envelope import IV_BYTES, NONCE_BYTES, Broken, Sealed, open_answer, seal_request

PATH: Final = "/v3/identity/map"
MOST: Final = 5000
"""Addresses of one request."""
_TIMEOUT_S: Final = 10.0
_TOO_MANY: Final = 429
_OK: Final = 200
_SERVER_ERROR: Final = 500


class Unavailable(Exception):
    """The operator cannot answer now: ask again later."""


class Refused(Exception):
    """The operator refuses us or what we ask: somebody must act."""


class Operator:
    """One operator, asked one request at a time."""

    def __init__(self, url: str, api_key: str, secret: bytes, now_ms: Callable[[], int]) -> None:
        self._place = urlsplit(url)
        self._api_key = api_key
        self._secret = secret
        self._now_ms = now_ms

    def map(self, emails: Sequence[str]) -> list[dict[str, Any]]:
        """Return for each address ``{"u": id, ...}`` or ``{"e": why not}``, in their order."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        asked = Sealed(self._now_ms(), nonce, {"email": list(emails)})
        text = self._post(seal_request(self._secret, asked, secrets.token_bytes(IV_BYTES)))
        try:
            answer = open_answer(self._secret, text, nonce)
        except Broken as error:
            raise Refused(f"the answer cannot be trusted: {error}") from None
        found = answer.get("body", {}).get("email", [])
        if answer.get("status") != "success" or len(found) != len(emails):
            raise Refused("the answer does not have a result for each address")
        return list(found)

    def _post(self, body: bytes) -> bytes:
        https = self._place.scheme == "https"
        kind = http.client.HTTPSConnection if https else http.client.HTTPConnection
        connection = kind(self._place.hostname or "", self._place.port, timeout=_TIMEOUT_S)
        try:
            connection.request("POST", PATH, body, {"Authorization": f"Bearer {self._api_key}"})
            answer = connection.getresponse()
            text, status = answer.read(), answer.status
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the operator does not answer: {type(error).__name__}") from None
        finally:
            connection.close()
        if status == _TOO_MANY or status >= _SERVER_ERROR:
            raise Unavailable(f"the operator answers HTTP {status}")
        if status != _OK:
            raise Refused(f"the operator answers HTTP {status}")
        return text

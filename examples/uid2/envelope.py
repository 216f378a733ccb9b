"""The sealed requests and answers of a UID2 operator: AES-256-GCM with a time and a nonce inside.

A request is base64 of version, IV and ciphertext with its tag; an answer the same without version.
What is sealed begins with a time in milliseconds and a nonce, eight bytes each.
"""

import base64
import binascii
import json
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION: Final = b"\x01"
IV_BYTES: Final = 12
NONCE_BYTES: Final = 8
_TIME_BYTES: Final = 8
_HEAD_BYTES: Final = _TIME_BYTES + NONCE_BYTES


class Broken(Exception):
    """What came is not what the other side with our secret has sealed, or not for us."""


class Sealed(NamedTuple):
    """What stands in an envelope."""

    time_ms: int
    nonce: bytes
    document: dict[str, Any]


def seal_request(secret: bytes, what: Sealed, iv: bytes) -> bytes:
    """Return a request for the operator; *iv* must never be used again with this secret."""
    return base64.b64encode(VERSION + iv + _encrypted(secret, what, iv))


def open_request(secret: bytes, text: bytes) -> Sealed:
    """Return what a client has sealed."""
    data = _decoded(text)
    if data[:1] != VERSION:
        raise Broken("the request has another version")
    return _opened(secret, data[1:])


def seal_answer(secret: bytes, what: Sealed, iv: bytes) -> bytes:
    """Return an operator's answer; its nonce is that of the request."""
    return base64.b64encode(iv + _encrypted(secret, what, iv))


def open_answer(secret: bytes, text: bytes, nonce: bytes) -> dict[str, Any]:
    """Return the answer to the request that had *nonce*."""
    found = _opened(secret, _decoded(text))
    if found.nonce != nonce:
        raise Broken("the answer is to another request")
    return found.document


def _encrypted(secret: bytes, what: Sealed, iv: bytes) -> bytes:
    head = what.time_ms.to_bytes(_TIME_BYTES, "big") + what.nonce
    return AESGCM(secret).encrypt(iv, head + json.dumps(what.document).encode(), None)


def _opened(secret: bytes, data: bytes) -> Sealed:
    try:
        plain = AESGCM(secret).decrypt(data[:IV_BYTES], data[IV_BYTES:], None)
    except (InvalidTag, ValueError):
        raise Broken("it was sealed with another secret, or changed on the way") from None
    nonce = plain[_TIME_BYTES:_HEAD_BYTES]
    return Sealed(
        int.from_bytes(plain[:_TIME_BYTES], "big"), nonce, json.loads(plain[_HEAD_BYTES:])
    )


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Broken("it is no base64") from None

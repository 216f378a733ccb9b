"""Tokens: what stands for an identifier in keys and change events, without showing its value."""

from collections.abc import Callable
from hashlib import blake2b

from processor.identity.model import Identifier
from processor.identity.unnamed import HASHED

TOKEN_BYTES = 16
_LONGEST_KEY = 64


def tokens(key: bytes) -> Callable[[Identifier], bytes]:
    """Return the function that gives the 16 bytes of an identifier under *key*."""
    if len(key) > _LONGEST_KEY:
        key = blake2b(key, digest_size=_LONGEST_KEY).digest()
    keyed = blake2b(digest_size=TOKEN_BYTES, key=key, person=b"idstream-token")

    def token(identifier: Identifier) -> bytes:
        identity_type, value = identifier
        if identity_type == HASHED:
            return bytes.fromhex(value)
        hashed = keyed.copy()
        # The length tells type and value apart: no two identifiers are hashed alike.
        hashed.update(f"{len(identity_type)}:{identity_type}{value}".encode())
        return hashed.digest()

    return token


def key_fingerprint(key: bytes) -> str:
    """Return what tells *key* from others, and nothing of it."""
    return blake2b(key, digest_size=8, person=b"tokenkey").hexdigest()

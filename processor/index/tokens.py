"""Tokens: what stands for an identifier in keys and change events, without showing its value."""

from collections.abc import Callable
from hashlib import blake2b

from processor.identity.model import Identifier
from processor.identity.unnamed import HASHED

TOKEN_BYTES = 16
_LONGEST_KEY = 64


def tokens(key: bytes) -> Callable[[Identifier], bytes]:
    """Return the function that gives the 16 bytes of an identifier under *key*."""
    empty = keyed(key, b"idstream-token")

    def token(identifier: Identifier) -> bytes:
        identity_type, value = identifier
        if identity_type == HASHED:
            return bytes.fromhex(value)
        hashed = empty.copy()
        # The length tells type and value apart: no two identifiers are hashed alike.
        hashed.update(f"{len(identity_type)}:{identity_type}{value}".encode())
        return hashed.digest()

    return token


def keyed(key: bytes, purpose: bytes) -> blake2b:
    """Return a hash of 16 bytes that has taken nothing yet: another for each key and purpose."""
    if len(key) > _LONGEST_KEY:
        key = blake2b(key, digest_size=_LONGEST_KEY).digest()
    return blake2b(digest_size=TOKEN_BYTES, key=key, person=purpose)


def key_fingerprint(key: bytes) -> str:
    """Return what tells *key* from others, and nothing of it."""
    return blake2b(key, digest_size=8, person=b"tokenkey").hexdigest()

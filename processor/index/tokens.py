"""What stands for an identifier in keys and change events: a token that does not show its value."""

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

from processor.identity.model import Identifier

TOKEN_BYTES = 16
_LONGEST_KEY = 64
_CACHED = 65_536


def token(key: bytes, identifier: Identifier) -> bytes:
    """Return the 16 bytes that stand for *identifier* under *key* (interfaces §5).

    Type and value are told apart by a length, so no two identifiers are hashed alike.
    """
    if len(key) > _LONGEST_KEY:
        key = blake2b(key, digest_size=_LONGEST_KEY).digest()
    identity_type = identifier.identity_type.encode()
    message = b"%d:%b%b" % (len(identity_type), identity_type, identifier.value.encode())
    return blake2b(message, digest_size=TOKEN_BYTES, key=key, person=b"idstream-token").digest()


def cached_tokens(key: bytes) -> Callable[[Identifier], bytes]:
    """Return :func:`token` under *key* with a bounded memory: known users come back all day."""

    @lru_cache(maxsize=_CACHED)
    def cached(identifier: Identifier) -> bytes:
        return token(key, identifier)

    return cached

"""How uses of request ids stand in Redis: in the short form, or in the long one of before.

Short, a token is a keyed hash of 16 bytes, and a use of it 16 bytes: 7 of its time, 9 of the place
of its record. Long, both are told in full. A space has one form at a time; what is left of the
other one is looked at until its buckets are gone (docs/upgrade.md, "Request ids in 16 bytes").
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal, Protocol

import msgspec
from msgspec import Raw

from processor.identity.model import Space
from processor.index.port import Use
from processor.index.tokens import TOKEN_BYTES, keyed
from processor.redis.packing import array, string

Kept = Literal["short", "long"]
"""The forms as the configuration and a space's control hash name them."""

_PLACE_BYTES: Final = 9
_PLACE_BITS: Final = 8 * _PLACE_BYTES
_PLACES: Final = 2**_PLACE_BITS - 1
"""All the bits of a place."""
_EARLIEST: Final = 2**52
"""Added to times: none is below zero then, and all are exact in Lua."""
_HEADER: Final = bytes((0xA0 | TOKEN_BYTES,))
"""What a msgpack string of 16 bytes begins with."""
_SHORT: Final = b"u"
_LONG: Final = b"d"

_encode = msgspec.msgpack.Encoder().encode


class Form(Protocol):
    """A form of uses."""

    kind: bytes
    """Begins the names of its buckets (``processor.redis.keys``)."""

    def packed(self, uses: Sequence[tuple[int, Use]]) -> tuple[Raw, Raw]:
        """Return the tokens of *uses*, which have their times in front, and token and use in turns.

        All are msgpack strings.
        """


class Short:
    """16 bytes for a token, hashed with *key*, and 16 for a use."""

    kind = _SHORT

    def __init__(self, key: bytes) -> None:
        self._begun = keyed(key, b"idstream-use").copy

    def packed(self, uses: Sequence[tuple[int, Use]]) -> tuple[Raw, Raw]:
        """Return tokens and uses, see Form."""
        tokens: list[bytes] = []
        noted: list[bytes] = []
        begun = self._begun
        for time_ms, use in uses:
            hashed = begun()
            hashed.update(use.token)
            token = _HEADER + hashed.digest()
            tokens.append(token)
            stored = (time_ms + _EARLIEST) << _PLACE_BITS | place_number(use.coordinates)
            noted += token, _HEADER + stored.to_bytes(16, "big")
        return array(tokens), array(noted)


class Long:
    """Token and coordinates in full."""

    kind = _LONG

    def packed(self, uses: Sequence[tuple[int, Use]]) -> tuple[Raw, Raw]:
        """Return tokens and uses, see Form."""
        tokens: list[bytes] = []
        noted: list[bytes] = []
        for time_ms, use in uses:
            token = string(use.token)
            tokens.append(token)
            noted += token, string(_encode((time_ms, use.coordinates))[1:])
        return array(tokens), array(noted)


class Forms:
    """In which forms a process reads and writes the uses of each space, as far as it knows."""

    def __init__(self, key: bytes) -> None:
        self._both: tuple[Form, Form] = (Short(key), Long())
        self._known: dict[Space, tuple[Form, ...]] = {}
        self._short = (self._both[0],)

    def of(self, space: Space) -> tuple[Form, ...]:
        """Return the form that is written, and behind it the other one if it is to be read too."""
        return self._known.get(space, self._short)

    def learn(self, space: Space, kind: bytes, *, is_left: bool) -> None:
        """Note which form *space* has, and whether anything of the other one is left."""
        short, long = self._both
        forms = (short, long) if kind == _SHORT else (long, short)
        self._known[space] = forms if is_left else forms[:1]


def place_number(coordinates: str) -> int:
    """Return the number that stands for ``topic/partition/offset``.

    It counts on with the offsets, so within a partition no two places have the same; places of two
    partitions have it with a chance of 2^-72.
    """
    partition, _, offset = coordinates.rpartition("/")
    if not offset.isdecimal():
        partition, offset = coordinates, "0"
    return _start(partition) + int(offset) & _PLACES


@lru_cache(maxsize=4096)
def _start(partition: str) -> int:
    hashed = blake2b(partition.encode(), digest_size=_PLACE_BYTES, person=b"idstream-place")
    return int.from_bytes(hashed.digest(), "big")

"""Uses of request ids on their way to read.lua: in groups, since most of a lot are alike.

Uses of one window whose times lie in the same buckets make a group, looked up and noted with a
handful of commands, however many they are. A token that a lot names again goes into a later
group, so that it sees the first use.
"""

from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Raw, Struct

from processor.index.port import Use
from processor.index.uses import bounded_ms, buckets, width_ms
from processor.redis import keys

LAG_MS = 3_600_000
"""How long a use is kept beyond the window, for records that are processed late."""

_SHORT = 32
"""Shorter strings have a header of one byte."""

_encode = msgspec.msgpack.Encoder().encode


_HEADERS: Final = tuple(
    bytes((0xA0 | size,)) if size < _SHORT else b"\xdb" + size.to_bytes(4, "big")
    for size in range(256)
)
"""What a msgpack string begins with, by its size."""


def binary(data: bytes) -> Raw:
    """Return *data* as a msgpack string, whatever bytes it holds."""
    return Raw(_string(data))


def _string(data: bytes) -> bytes:
    size = len(data)
    header = _HEADERS[size] if size < len(_HEADERS) else b"\xdb" + size.to_bytes(4, "big")
    return header + data


def _array(packed: list[bytes]) -> Raw:
    """Return a msgpack array of what is packed already."""
    return Raw(b"\xdd" + len(packed).to_bytes(4, "big") + b"".join(packed))


class PackedGroup(Struct, array_like=True):
    """Uses of one window and the same buckets, as read.lua takes them."""

    window_ms: int
    life_ms: int
    """How long the own bucket is kept."""
    buckets: tuple[str, ...]
    """Those that may hold a use that counts, the own one first."""
    asks: list[int]
    tokens: Raw
    noted: Raw
    """Token and use, in turns."""


class _Group:
    """A group while uses are added: tokens and uses are packed each by itself, and joined once."""

    __slots__ = ("asks", "noted", "tokens")

    def __init__(self) -> None:
        self.asks: list[int] = []
        self.tokens: list[bytes] = []
        self.noted: list[bytes] = []

    def packed(self, window_ms: int, buckets: tuple[str, ...]) -> PackedGroup:
        """Return the group as read.lua takes it."""
        life_ms = window_ms + width_ms(window_ms) + LAG_MS
        tokens, noted = _array(self.tokens), _array(self.noted)
        return PackedGroup(window_ms, life_ms, buckets, self.asks, tokens, noted)


class UseGroups:
    """The uses of one read."""

    def __init__(self) -> None:
        self._rounds: list[dict[tuple[int, tuple[str, ...]], _Group]] = [{}]
        """Groups by window and buckets; the second round has tokens that were named before, …"""
        self._named: dict[bytes, int] = {}

    def add(self, number: int, use: Use) -> None:
        """Add the use of ask *number*, counted from 1."""
        time_ms, token = bounded_ms(use), use.token
        again = self._named.get(token, -1) + 1
        self._named[token] = again
        if again == len(self._rounds):
            self._rounds.append({})
        alike = _alike(time_ms, use.window_ms)
        group = self._rounds[again].get(alike)
        if group is None:
            group = self._rounds[again][alike] = _Group()
        packed = _string(token)
        group.asks.append(number)
        group.tokens.append(packed)
        group.noted += packed, _string(_encode((time_ms, use.coordinates))[1:])

    def packed(self) -> list[PackedGroup]:
        """Return the groups in the order in which they are to be looked at."""
        return [group.packed(*alike) for groups in self._rounds for alike, group in groups.items()]


@lru_cache(maxsize=1024)
def _alike(time_ms: int, window_ms: int) -> tuple[int, tuple[str, ...]]:
    """Return what uses of a group have in common: the window, and the names of the buckets."""
    width = width_ms(window_ms)
    return window_ms, tuple(keys.bucket_name(width, n) for n in buckets(time_ms, window_ms))

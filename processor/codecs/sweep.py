"""Sweeps: records of the topic ``clock``, which processors write and read (docs/messages.md)."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from processor.clock.place import SHARDS
from processor.identity.model import Environment, Space

MOST_NAMED: Final = 1000
"""MPIDs that one sweep may name."""
_STAMP: Final = re.compile("([0-9a-f]{2}){0,32}")


class SweepOrder(Struct, frozen=True, omit_defaults=True, gc=False):
    """The value of a sweep: look at this shard, or at these MPIDs, as of an instant."""

    scope: str
    environment: Environment
    as_of_ms: int
    shard: int | None = None
    mpids: list[str] | None = None
    stamp: str | None = None
    """Of the definitions that a recompute knows, in hex digits; empty where it knows none."""

    @property
    def definitions(self) -> bytes | None:
        """The stamp as it stands in documents; None where it names none."""
        return None if self.stamp is None else bytes.fromhex(self.stamp)

    @property
    def space(self) -> Space:
        """The space that it is about."""
        return Space(self.scope, self.environment)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(SweepOrder).decode


def read_sweep(value: bytes | None) -> SweepOrder | str:
    """Return the sweep that *value* holds, or what is wrong with it."""
    try:
        order = _decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "a sweep names scope, environment, as_of_ms, and either shard or mpids"
    return _wrong(order) or order


def _wrong(order: SweepOrder) -> str | None:
    if (order.shard is None) == (order.mpids is None):
        return "a sweep names either shard or mpids"
    if order.shard is not None and order.shard not in range(SHARDS):
        return f"shard: there are {SHARDS}, from 0 on"
    if order.stamp is not None and not _STAMP.fullmatch(order.stamp):
        return "stamp: hex digits, as in documents"
    named = order.mpids or ()
    if len(named) > MOST_NAMED or not all(map(_is_mpid, named)):
        return f"mpids: at most {MOST_NAMED} decimal texts of 64 bits"
    return None


def shard_sweep(space: Space, as_of_ms: int, shard: int) -> bytes:
    """Return the value of a sweep of a shard."""
    return _encode(SweepOrder(space.scope, _named(space), as_of_ms, shard=shard))


def named_sweep(
    space: Space, as_of_ms: int, mpids: Sequence[int], definitions: bytes | None = None
) -> bytes:
    """Return the value of a sweep of these profiles, by the *definitions* of this stamp."""
    named = [str(mpid) for mpid in mpids]
    stamp = None if definitions is None else definitions.hex()
    return _encode(SweepOrder(space.scope, _named(space), as_of_ms, mpids=named, stamp=stamp))


def _named(space: Space) -> Environment:
    return "production" if space.environment == "production" else "development"


def _is_mpid(text: str) -> bool:
    digits = text.removeprefix("-")
    is_number = digits.isdecimal() and digits.isascii() and len(digits) <= len(str(2**63))
    return is_number and -(2**63) <= int(text) < 2**63

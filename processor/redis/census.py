"""How many keys spaces have, and about how much memory they take, for ``idstream status``."""

from collections.abc import Mapping
from itertools import chain
from typing import Final

from msgspec import Struct

from processor.identity.model import Space
from processor.index.errors import IndexRefused
from processor.redis.connection import Connection

_LOT: Final = 1000
_SAMPLE: Final = 100
"""Keys of a kind and space that are weighed; the others are taken to weigh as much on average."""


class Census(Struct):
    """What the live generation of a space has."""

    profiles: int = 0
    identifiers: int = 0
    memory_bytes: int | None = None
    """An estimate from a sample of keys; None where we may not ask."""


def censuses(
    connection: Connection, start: str, generations: Mapping[Space, str]
) -> dict[Space, Census]:
    """Count the keys of *generations* (the beginnings of their names), all of which begin so.

    One scan of the server. Keys in Redis are scanned in the order of a hash, so the first ones of a
    kind are a fair sample; one that a scan tells twice is counted twice.
    """
    counts: dict[tuple[Space, str], int] = {}
    sample: dict[tuple[Space, str], list[bytes]] = {}
    spaces = {base.encode(): space for space, base in generations.items()}
    for key in chain.from_iterable(connection.scan_keys(start, _LOT)):
        base, _, kind = key.partition(b"}:")[2].partition(b":")
        space = spaces.get(key.partition(b"}:")[0] + b"}:" + base + b":")
        if space is None:
            continue
        which = space, kind[:1].decode()
        counts[which] = counts.get(which, 0) + 1
        if len(found := sample.setdefault(which, [])) < _SAMPLE:
            found.append(key)
    return {space: _census(connection, space, counts, sample) for space in generations}


def _census(
    connection: Connection,
    space: Space,
    counts: Mapping[tuple[Space, str], int],
    sample: Mapping[tuple[Space, str], list[bytes]],
) -> Census:
    memory: int | None = 0
    for which, count in counts.items():
        if which[0] == space and memory is not None:
            weight = _weight(connection, sample[which])
            memory = None if weight is None else memory + round(weight * count)
    return Census(counts.get((space, "p"), 0), counts.get((space, "i"), 0), memory)


def _weight(connection: Connection, keys: list[bytes]) -> float | None:
    """Return the bytes of one of *keys* on average, None where we may not ask."""
    try:
        return sum(connection.weight(key) for key in keys) / len(keys)
    except IndexRefused:
        return None

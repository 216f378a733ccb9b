"""How many keys spaces have, and about how much memory they take, for ``idstream status``."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from processor.identity.model import Space
from processor.index.errors import IndexRefused
from processor.redis.connection import Connection

_LOT: Final = 1000
_SAMPLE: Final = 100
"""Keys of a kind and space that are weighed; the others are taken to weigh as much on average."""

_PROFILES: Final = (b"\x00", b"\x01")
"""The flags of documents: of those who live, and of those who were merged."""
_GRAVE: Final = b"\x02"


class Census(Struct):
    """What the live generation of a space has."""

    profiles: int = 0
    """Documents; graves and cases, which stand beside them, left out."""
    graves: int = 0
    """What profiles that have ended leave for some days."""
    identifiers: int = 0
    memory_bytes: int | None = None
    """An estimate from a sample of keys; None where we may not ask."""


def censuses(
    connection: Connection, start: str, generations: Mapping[Space, str]
) -> dict[Space, Census]:
    """Count the keys of *generations* (the beginnings of their names), all of which begin so.

    One scan of the server. Keys in Redis are scanned in the order of a hash, so the first ones of a
    kind are a fair sample; one that a scan tells twice is counted twice. Graves stand where
    documents do, so each of those is asked for its flag.
    """
    counts: dict[tuple[Space, str | bytes], int] = {}
    sample: dict[tuple[Space, str], list[bytes]] = {}
    spaces = {base.encode(): space for space, base in generations.items()}
    for lot in connection.scan_keys(start, _LOT):
        stored: list[tuple[Space, bytes]] = []
        for key in lot:
            base, _, kind = key.partition(b"}:")[2].partition(b":")
            space = spaces.get(key.partition(b"}:")[0] + b"}:" + base + b":")
            if space is None:
                continue
            which = space, kind[:1].decode()
            counts[which] = counts.get(which, 0) + 1
            if len(found := sample.setdefault(which, [])) < _SAMPLE:
                found.append(key)
            if which[1] == "p":
                stored.append((space, key))
        flags = connection.flags([key for _, key in stored])
        for (space, _), flag in zip(stored, flags, strict=True):
            counts[space, flag] = counts.get((space, flag), 0) + 1
    return {space: _census(connection, space, counts, sample) for space in generations}


def _census(
    connection: Connection,
    space: Space,
    counts: Mapping[tuple[Space, str | bytes], int],
    sample: Mapping[tuple[Space, str], list[bytes]],
) -> Census:
    memory: int | None = 0
    for which, keys in sample.items():
        if which[0] == space and memory is not None:
            weight = _weight(connection, keys)
            memory = None if weight is None else memory + round(weight * counts[which])
    return Census(
        profiles=sum(counts.get((space, flag), 0) for flag in _PROFILES),
        graves=counts.get((space, _GRAVE), 0),
        identifiers=counts.get((space, "i"), 0),
        memory_bytes=memory,
    )


def _weight(connection: Connection, keys: list[bytes]) -> float | None:
    """Return the bytes of one of *keys* on average, None where we may not ask."""
    try:
        return sum(connection.weight(key) for key in keys) / len(keys)
    except IndexRefused:
        return None

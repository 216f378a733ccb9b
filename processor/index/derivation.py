"""Derivation: from the records of the ``profiles`` topic to the state of the index. Pure.

It shows that the records alone are enough, in any order.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from processor.identity.grave import Why
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile, lookups
from processor.identity.view import Holders, canonical

IsLookup = Callable[[str], bool]


class Tombstone(Struct, frozen=True):
    """A profile that was erased: *version* is one above that of its last document."""

    scope: str
    environment: str
    mpid: int
    version: int
    time_ms: int = 0
    """When it was written."""
    why: Why = "deleted"


class SpaceState(Struct):
    """The profiles of one space and the index entries that follow from them."""

    profiles: dict[int, Profile]
    holders: dict[Identifier, Holders]


def derive(
    records: Iterable[Profile | Tombstone], is_lookup: Mapping[str, IsLookup]
) -> dict[Space, SpaceState]:
    """Return the state of every space: of each profile, the highest version counts, not the last.

    *is_lookup* says for every scope in *records* which of its identity types are lookups.
    """
    latest: dict[Space, dict[int, Profile | Tombstone]] = {}
    for record in records:
        known = latest.setdefault(Space(record.scope, record.environment), {})
        before = known.get(record.mpid)
        if before is None or rank(record) > rank(before):
            known[record.mpid] = record
    return {space: _state(known, is_lookup[space.scope]) for space, known in latest.items()}


def rank(record: Profile | Tombstone) -> tuple[int, bool]:
    """Return the rank of *record*: of several of one profile the highest counts."""
    return record.version, isinstance(record, Tombstone)


def _state(known: Mapping[int, Profile | Tombstone], is_lookup: IsLookup) -> SpaceState:
    profiles = {m: p for m, p in known.items() if isinstance(p, Profile)}
    holders: dict[Identifier, list[int]] = {}
    for mpid, profile in profiles.items():
        for identifier in lookups(profile, is_lookup):
            holders.setdefault(identifier, []).append(mpid)
    return SpaceState(profiles, {i: canonical(h) for i, h in holders.items()})

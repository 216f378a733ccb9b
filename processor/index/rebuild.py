"""From the records of the ``profiles`` topic to the state of the index. Pure.

It is what proves the format: the documents alone are enough, in any order.
"""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile, lookups
from processor.identity.view import Holders
from processor.index.port import canonical

IsLookup = Callable[[str], bool]


class Tombstone(Struct, frozen=True):
    """A profile that was erased: *version* is one above its last document's."""

    scope: str
    environment: str
    mpid: int
    version: int


class SpaceState(Struct):
    """Documents of one space and the index entries that follow from them."""

    profiles: dict[int, Profile]
    holders: dict[Identifier, Holders]


def rebuild(
    documents: Iterable[Profile | Tombstone], is_lookup: Mapping[str, IsLookup]
) -> dict[Space, SpaceState]:
    """Return the state of every space: of each profile, the highest version counts, not the last.

    *is_lookup* says for every scope in *documents* which of its identity types are lookups.
    """
    latest: dict[Space, dict[int, Profile | Tombstone]] = {}
    for document in documents:
        known = latest.setdefault(Space(document.scope, document.environment), {})
        before = known.get(document.mpid)
        if before is None or rank(document) > rank(before):
            known[document.mpid] = document
    return {space: _state(known, is_lookup[space.scope]) for space, known in latest.items()}


def rank(document: Profile | Tombstone) -> tuple[int, bool]:
    """Return what decides which of two records of one profile counts: the higher one does."""
    return document.version, isinstance(document, Tombstone)


def _state(known: Mapping[int, Profile | Tombstone], is_lookup: IsLookup) -> SpaceState:
    profiles = {m: p for m, p in known.items() if isinstance(p, Profile)}
    holders: dict[Identifier, list[int]] = {}
    for mpid, profile in profiles.items():
        for identifier in lookups(profile, is_lookup):
            holders.setdefault(identifier, []).append(mpid)
    return SpaceState(profiles, {i: canonical(h) for i, h in holders.items()})

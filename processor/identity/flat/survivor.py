"""Survivors of merges: the oldest member, with all identities; the others become pointers to it."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from processor.identity.profile import NO_MORE, Identity, Profile
from processor.identity.question import DocumentRules


def by_age(members: Collection[Profile]) -> tuple[Profile, tuple[Profile, ...]]:
    """Return the survivor, created first (then: the lowest MPID), and the others in that order."""
    survivor, *absorbed = sorted(members, key=lambda profile: (profile.created_ms, profile.mpid))
    return survivor, tuple(absorbed)


def merge_count(members: Collection[Profile]) -> int:
    """Return how many profiles the survivor of *members* will have absorbed, with their own."""
    return sum(profile.merges for profile in members) + len(members) - 1


def join(survivor: Profile, absorbed: Sequence[Profile], rules: DocumentRules) -> Profile | None:
    """Return the survivor with all identities and data; None where that would be too large.

    Its ancestry is complete: every MPID that leads to it, however long ago it was absorbed.
    """
    members = (survivor, *absorbed)
    joined = replace(
        survivor,
        identities=_identities(members),
        last_seen_ms=max(profile.last_seen_ms for profile in members),
        merges=merge_count(members),
        absorbed=(*survivor.absorbed, *(m for p in absorbed for m in (p.mpid, *p.absorbed))),
    )
    return rules.combine(joined, absorbed)


def pointer(profile: Profile, survivor: int) -> Profile:
    """Return an absorbed profile: nothing is left of it but a pointer to the *survivor*."""
    return replace(
        profile,
        merged_into=survivor,
        contested=False,
        merges=0,
        identities=(),
        workspaces={},
        absorbed=(),
        more=NO_MORE,
    )


def _identities(members: Sequence[Profile]) -> tuple[Identity, ...]:
    """Return all identities, each once: as the older profile has it, but as current as it is."""
    found: dict[tuple[str, str], Identity] = {}
    for profile in members:
        for identity in profile.identities:
            key = identity.identity_type, identity.value
            known = found.get(key)
            if known is None:
                found[key] = identity
            elif identity.updated_ms > known.updated_ms:
                found[key] = replace(known, updated_ms=identity.updated_ms)
    return tuple(found.values())

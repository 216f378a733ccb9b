"""Conflicts that a restore settles: identifiers with more holders than they may have (pure).

Two things bring them about: identity settings that changed (a type is unique now, or a lookup), and
a loss that took half of what a record in flight had done to two profiles. Who keeps an identifier
follows from the profiles alone, so that every restore of the same topic decides alike.
"""

from collections.abc import Iterable, Sequence

from processor.identity.activity import last_activity
from processor.identity.choosing.attach import ALWAYS_BOUND
from processor.identity.choosing.contest import can_tie
from processor.identity.lookup import is_known
from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Profile


def losers(
    identifier: Identifier, holders: Sequence[Profile], policy: IdentityPolicy
) -> list[Profile]:
    """Return those *holders* that cannot keep *identifier*.

    Of a unique one, all but the profile that asserted it last. Of a shared one, the least recently
    active anonymous profiles beyond ``max_holders`` (docs/decisions.md, "Bounds"), and of
    known ones those beyond the number that the processor lets it have.
    """
    if identifier.identity_type in policy.unique_ids:
        ranked = sorted(holders, key=lambda p: (_asserted_ms(p, identifier), *last_activity(p)))
        return ranked[:-1]
    surplus = len(holders) - policy.max_holders
    if surplus <= 0:
        return []
    ranked = sorted(holders, key=last_activity)
    lost = [p for p in ranked if not is_known(p, policy)][:surplus]
    gone = {p.mpid for p in lost}
    left = [p for p in ranked if p.mpid not in gone]
    return lost + left[: max(0, len(left) - ALWAYS_BOUND * policy.max_holders)]


def contested(holders: Iterable[Profile], policy: IdentityPolicy) -> list[Profile]:
    """Return those *holders* of one identifier that can tie with another and do not say so yet."""
    tied = [p for p in holders if can_tie(p, policy)]
    return [p for p in tied if not p.contested] if len(tied) > 1 else []


def _asserted_ms(profile: Profile, identifier: Identifier) -> int:
    return max(i.updated_ms for i in profile.identities if (i.identity_type, i.value) == identifier)

"""Contested profiles: those that could tie with another, so that their activity must be exact.

A known user's last activity is written seldom (docs/architecture.md, "Known users write nothing").
That would not do where it decides a tie: such profiles carry ``contested``, set by the record that
makes them so, and their activity is written on every match.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from processor.identity.choosing.draft import Draft, matches
from processor.identity.lookup import is_known
from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import Profile, lookups


def always_ties(policy: IdentityPolicy) -> bool:
    """Whether known profiles can tie too: login IDs are none, or not unique."""
    return not policy.login_ids or not policy.login_ids <= policy.unique_ids


def can_tie(profile: Profile, policy: IdentityPolicy) -> bool:
    """Whether *profile* can tie with another: anonymous ones can, known ones if all can."""
    return always_ties(policy) or not is_known(profile, policy)


def contested_among(profiles: Iterable[Profile], policy: IdentityPolicy) -> frozenset[int]:
    """Return the MPIDs that should carry ``contested``, for documents that come from elsewhere.

    Snapshots written by hand (``idstream resolve --profiles``) do not have the flag.
    """
    holders: dict[Identifier, list[int]] = {}
    is_lookup = policy.priority.__contains__
    for profile in profiles:
        if can_tie(profile, policy):
            for identifier in lookups(profile, is_lookup):
                holders.setdefault(identifier, []).append(profile.mpid)
    return frozenset(mpid for shared in holders.values() if len(shared) > 1 for mpid in shared)


def contest(draft: Draft, after: Profile) -> Profile:
    """Set ``contested`` on profiles that can tie from now on; clear it on one that became known.

    Returns the draft's own profile, puts the others into the draft.
    """
    policy, mine = draft.question.policy, after.mpid
    is_open, is_lookup = can_tie(after, policy), policy.priority.__contains__
    if after.contested and not is_open:
        after = replace(after, contested=False)
    if not is_open and not draft.fallen:
        return after
    draft.others[mine] = after
    if is_open:
        held = lookups(after, is_lookup)
        is_news = not can_tie(draft.profile, policy)
        _mark(draft, mine, held if is_news else [i for i in draft.gained if i in held])
    for mpid in draft.fallen:
        _mark(draft, mpid, lookups(draft.others[mpid], is_lookup))
    return draft.others.pop(mine)


def _mark(draft: Draft, mpid: int, identifiers: Iterable[Identifier]) -> None:
    """Set the flag on *mpid* and on those that share *identifiers* and can tie with it."""
    for identifier in identifiers:
        for rival in {*draft.rivals(identifier), draft.profile.mpid} - {mpid}:
            other = draft.other(rival)
            if (
                other is not None
                and can_tie(other, draft.question.policy)
                and any(matches(i, identifier) for i in other.identities)
            ):
                _flag(draft, other)
                _flag(draft, draft.others[mpid])


def _flag(draft: Draft, profile: Profile) -> None:
    if not profile.contested:
        draft.others[profile.mpid] = replace(profile, contested=True)

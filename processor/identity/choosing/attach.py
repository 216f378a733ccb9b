"""Attaching: which identifiers of a request its profile gains, be it found or new.

The rules: (docs/strategies.md, "What all strategies share").
"""

from msgspec.structs import replace

from processor.identity.activity import last_activity, seen
from processor.identity.choosing.contest import can_tie, contest
from processor.identity.choosing.draft import Draft, DraftResult
from processor.identity.decision import Skip
from processor.identity.lookup import is_known
from processor.identity.model import Identifier
from processor.identity.profile import Identity, Profile, current_by_type
from processor.identity.question import Question

NO_TYPES: frozenset[str] = frozenset()
ALWAYS_BOUND = 10
"""Times ``max_holders``: the most holders of an identifier where none of them may lose it."""


def update(
    question: Question,
    profile: Profile,
    matched_on: str | None,
    barred: frozenset[str] = NO_TYPES,
) -> DraftResult:
    """Return *profile* with the identities of the request attached, and what of it was skipped.

    *matched_on* is the type by which it was found; None, of an explicit MPID, is above every type.
    *barred* types are not added: login IDs, where the strategy keeps an anonymous profile so.
    """
    fresh = _unchanged(question, profile)
    if fresh is not None:
        return fresh
    draft = Draft(question, profile)
    priority, identifiers = question.policy.priority, question.request.identifiers
    rank = -1 if matched_on is None else priority.index(matched_on)
    matched = tuple([i for i in identifiers if i.identity_type in priority and draft.find(i)])
    for identifier in identifiers:
        _take(draft, identifier, rank, barred)
    return finish(draft, matched)


def create(question: Question, mpid: int) -> DraftResult:
    """Return a new profile with every identifier of the request that it may have."""
    empty = question.new_profile(mpid)
    undisputed = _undisputed(question, empty)
    if undisputed is not None:
        return undisputed
    draft = Draft(question, empty)
    for identifier in question.request.identifiers:
        _take(draft, identifier, -1, NO_TYPES)
    return finish(draft)


def finish(draft: Draft, matched: tuple[Identifier, ...] = ()) -> DraftResult:
    """Return the result of *draft*: contested profiles are marked, last activity is renewed."""
    before = after = draft.profile
    identities = tuple(draft.identities)
    if identities != before.identities:
        after = replace(before, identities=identities)
    after = seen(draft.question, before, contest(draft, after))
    others = tuple(draft.others[mpid] for mpid in sorted(draft.others))
    return DraftResult(after, matched, tuple(draft.skipped), others)


def _unchanged(question: Question, profile: Profile) -> DraftResult | None:
    """Return the result where the profile has every identifier already, as most do; else None."""
    request, policy = question.request, question.policy
    priority, oldest = policy.priority, request.time_ms - policy.activity_resolution_ms
    current = current_by_type(profile.identities)
    skipped: tuple[Skip, ...] = ()
    for kind, value in request.identifiers:
        held = current.get(kind)
        if held is None or held.value != value or held.updated_ms < oldest:
            return None
        if kind not in priority:
            skipped = (*skipped, Skip(kind, "not_in_priority"))
    profile = seen(question, profile, profile)
    matched = request.identifiers
    if skipped:
        matched = tuple(i for i in matched if i.identity_type in priority)
    return DraftResult(profile, matched, skipped)


def _undisputed(question: Question, empty: Profile) -> DraftResult | None:
    """Return the new profile with all identifiers of the request, where nobody else minds.

    So it is of most: it has room for them, and whoever shares one neither loses it nor could tie
    with the new profile. Else None: then one identifier after the other is looked at.
    """
    request, policy, priority = question.request, question.policy, question.policy.priority
    identifiers, time_ms = request.identifiers, request.time_ms
    if len(identifiers) > policy.max_identities or len(question.asserted) < len(identifiers):
        return None
    skipped: list[Skip] = []
    is_shared = False
    for identifier in identifiers:
        kind = identifier.identity_type
        if kind not in priority:
            skipped.append(Skip(kind, "not_in_priority"))
        elif held := question.view.holders(identifier):
            if kind in policy.unique_ids or len(held) >= policy.max_holders:
                return None
            is_shared = True
    identities = [
        Identity(kind, value, time_ms, time_ms, request.input) for kind, value in identifiers
    ]
    profile = replace(empty, identities=tuple(identities))
    if (is_shared and can_tie(profile, policy)) or not question.documents.fits(profile):
        return None
    return DraftResult(profile, skipped=tuple(skipped))


def _take(draft: Draft, identifier: Identifier, rank: int, barred: frozenset[str]) -> None:
    """Attach or renew one identifier; *rank* is the place of the matched type in the priority."""
    kind = identifier.identity_type
    mine = draft.find(identifier)
    reason = None
    if mine is None:
        reason = _attach(draft, identifier, rank, barred)
    else:
        draft.named.add(kind)
        if identifier == draft.question.asserted[kind][-1]:  # of several, the last one is current
            draft.refresh(mine)
    if reason is None and kind not in draft.question.policy.priority:
        reason = "not_in_priority"  # data of the profile, no lookup
    if reason is not None:
        draft.skipped.append(Skip(kind, reason))


def _attach(draft: Draft, identifier: Identifier, rank: int, barred: frozenset[str]) -> str | None:
    """Add an identifier that the profile lacks, or return the reason why not."""
    if identifier.identity_type in barred:
        return "login_on_anonymous"
    if identifier.identity_type in draft.question.policy.unique_ids:
        reason = _why_not(draft, identifier, rank)
        if reason is None:
            own(draft, identifier)
        return reason
    if not has_room(draft, identifier, 1) or not make_room(draft, identifier):
        return "bound"
    draft.add(identifier)
    return None


def _why_not(draft: Draft, identifier: Identifier, rank: int) -> str | None:
    """Return the reason why a unique value is not attached (only a modify may do it), or None."""
    kind, policy = identifier.identity_type, draft.question.policy
    is_immutable, has = kind in policy.immutable_ids, draft.values(kind)
    if (policy.unique_conflict == "skip" or is_immutable) and draft.rivals(identifier):
        return "unique_elsewhere"
    if has and is_immutable:
        return "immutable"
    if kind in draft.named or (has and rank >= policy.priority.index(kind)):
        return "stronger_kept"
    return None if has_room(draft, identifier, 0 if has else 1) else "bound"


def own(draft: Draft, identifier: Identifier) -> None:
    """Give the profile a unique value, in place of others of its type; other holders lose it."""
    for mpid in draft.rivals(identifier):
        draft.take_away(mpid, identifier)
    draft.drop(draft.values(identifier.identity_type))
    draft.add(identifier)
    draft.named.add(identifier.identity_type)


def has_room(draft: Draft, identifier: Identifier, more: int) -> bool:
    """Whether the profile may hold *identifier*, and with it *more* identities than now.

    In bytes, the value that it replaces counts too: a full profile may keep a short value.
    """
    question = draft.question
    if len(draft.identities) + more > question.policy.max_identities:
        return False
    identity = Identity(*identifier, question.request.time_ms, question.request.time_ms, "")
    return question.documents.fits(replace(draft.profile, identities=(*draft.identities, identity)))


def make_room(draft: Draft, identifier: Identifier) -> bool:
    """Keep a shared identifier within its holders limit (docs/decisions.md, "Bounds").

    The least recently active anonymous holders lose it. Where there are too few of them the limit
    may be passed, up to ``ALWAYS_BOUND`` times; beyond it the answer is False: it is not added.
    """
    policy = draft.question.policy
    if identifier.identity_type not in policy.priority:
        return True
    rivals = draft.rivals(identifier)
    excess = len(rivals) + 1 - policy.max_holders
    if excess <= 0:
        return True
    holders = (draft.other(mpid) for mpid in rivals)
    anonymous = [p for p in holders if p is not None and not is_known(p, policy)]
    leaving = sorted(anonymous, key=last_activity)[:excess]
    if len(rivals) + 1 - len(leaving) > ALWAYS_BOUND * policy.max_holders:
        return False
    for profile in leaving:
        draft.take_away(profile.mpid, identifier)
    return True

"""The lookup: by priority, narrowed, protected, ties broken. What choosing strategies share.

They differ in whom they admit and in what they do when nobody is found.
(docs/strategies.md, "What all strategies share")
"""

from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from processor.identity.activity import last_activity
from processor.identity.model import Identifier, IdentityPolicy, IdentityRequest
from processor.identity.profile import Profile
from processor.identity.question import Question


class Found(Struct, frozen=True, gc=False):
    """The profile that a request is about, and how it was found."""

    profile: Profile
    matched_on: str | None = None
    """The first type of the priority with a hit: it decides what may be replaced."""
    candidates: int = 0
    """How many profiles that type found."""


Admits = Callable[[Profile, Question], bool]


def anyone(question: Question) -> Found | None:
    """Return the best match among all profiles that neither protection hides."""
    return look_up_returnable(question, question.policy.priority)


def look_up_returnable(question: Question, types: Iterable[str]) -> Found | None:
    """Return the best match by *types* alone among all profiles that neither protection hides."""
    return look_up(question, types, is_returnable)


def logged_in(question: Question) -> Found | None:
    """Return the best match among profiles with a login ID of the request."""
    return look_up(question, question.policy.priority, _is_logged_in)


def anonymous(question: Question) -> Found | None:
    """Return the best match among profiles without any login ID."""
    return look_up(question, question.policy.priority, _is_anonymous)


def current_anonymous(question: Question) -> Found | None:
    """Return the caller's current user (``previous_mpid``), if that is an anonymous profile."""
    previous = question.request.previous_mpid
    profile = None if previous is None else question.view.profile(previous)
    if profile is None or is_known(profile, question.policy):
        return None
    return Found(profile)


def is_known(profile: Profile, policy: IdentityPolicy) -> bool:
    """Whether *profile* holds a login ID."""
    login_ids = policy.login_ids
    for identity in profile.identities:  # noqa: SIM110 - a generator costs twice as much here
        if identity.identity_type in login_ids:
            return True
    return False


def look_up(question: Question, types: Iterable[str], admits: Admits) -> Found | None:
    """Walk *types*, strongest first, until one profile is left.

    The first type with a hit makes the candidates; each later type that the request has narrows
    them, unless it would exclude all. Protection is applied before anybody is counted.
    """
    asserted = question.asserted
    candidates: dict[int, Profile] = {}
    matched_on, found = None, 0
    for identity_type in types:
        asked = asserted.get(identity_type)
        hits = _hits(asked, question, admits) if asked else None
        if not hits:
            continue
        if matched_on is None:
            candidates, matched_on, found = hits, identity_type, len(hits)
        else:
            both = {mpid: profile for mpid, profile in candidates.items() if mpid in hits}
            candidates = both or candidates
        if len(candidates) == 1:
            break
    if not candidates:
        return None
    return Found(_chosen(candidates, question), matched_on, found)


def _hits(asked: list[Identifier], question: Question, admits: Admits) -> dict[int, Profile]:
    """Return the admitted holders of the *asked* identifiers; of too many, the recent ones.

    The bound counts admitted profiles only, so that many known users of a device cannot hide its
    anonymous profile.
    """
    view, most = question.view, question.policy.max_holders
    hits = {}
    for identifier in asked:
        for mpid in view.holders(identifier):
            profile = view.profile(mpid)
            if profile is not None and admits(profile, question):
                hits[profile.mpid] = profile
    if len(hits) > most:
        recent = sorted(hits.values(), key=last_activity, reverse=True)[:most]
        return {profile.mpid: profile for profile in recent}
    return hits


def _newest(profile: Profile) -> tuple[int, int]:
    return profile.created_ms, -profile.mpid


def _oldest(profile: Profile) -> tuple[int, int]:
    return -profile.created_ms, -profile.mpid


TIE_BREAKS: Final = MappingProxyType(
    {"last_activity": last_activity, "newest": _newest, "oldest": _oldest}
)
"""The switch ``tie_break``: which of several candidates has the highest key."""


def _chosen(candidates: dict[int, Profile], question: Question) -> Profile:
    if len(candidates) == 1:
        return next(iter(candidates.values()))
    previous = question.request.previous_mpid
    current = None if previous is None else question.view.profile(previous)
    if current is not None and current.mpid in candidates:
        return current
    order: Callable[[Profile], tuple[int, ...]] = TIE_BREAKS[question.policy.tie_break]
    return max(candidates.values(), key=order)


def _is_hidden(profile: Profile, question: Question) -> bool:
    """Whether *profile* is hidden: it has an immutable ID that the request does not carry."""
    policy = question.policy
    if not policy.immutable_ids:
        return False
    if policy.immutable_protects == "search" and question.request.action != "search":
        return False
    return question.says(profile, policy.immutable_ids) is False


def is_returnable(profile: Profile, question: Question) -> bool:
    """Whether neither protection hides *profile* from the request."""
    if question.says(profile, question.policy.login_ids) is False:
        return False
    return not _is_hidden(profile, question)


def _is_logged_in(profile: Profile, question: Question) -> bool:
    if not question.says(profile, question.policy.login_ids):
        return False
    return not _is_hidden(profile, question)


def _is_anonymous(profile: Profile, question: Question) -> bool:
    return not is_known(profile, question.policy)


def reads(
    request: IdentityRequest, policy: IdentityPolicy
) -> tuple[tuple[Identifier, ...], tuple[int, ...]]:
    """Return the identifiers and MPIDs that deciding *request* will ask the view for.

    The rare rest (what else a profile holds that loses or gives up a login ID) is read when the
    view raises ``Unread``.
    """
    priority = policy.priority
    identifiers = tuple([i for i in request.identifiers if i.identity_type in priority])
    if request.changes:
        changed = (
            Identifier(change.identity_type, value)
            for change in request.changes
            for value in (change.old_value, change.new_value)
            if value is not None and change.identity_type in priority
        )
        identifiers = tuple(dict.fromkeys((*identifiers, *changed)))
    if request.previous_mpid is None and request.mpid is None:  # most requests
        return identifiers, ()
    return identifiers, tuple([m for m in (request.previous_mpid, request.mpid) if m is not None])

"""Who a request is about: lookup by priority, narrowing, protection, ties (semantics §2.4).

What the strategies share. They differ in whom they admit and in what they do when nobody is found.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from processor.identity.decision import Refused, Skip
from processor.identity.model import Identifier, IdentityPolicy, IdentityRequest
from processor.identity.profile import Profile
from processor.identity.view import View


class Question(Struct, frozen=True, gc=False):
    """One request, the view it is decided over, and the rules."""

    request: IdentityRequest
    view: View
    policy: IdentityPolicy
    wanted: Mapping[str, list[Identifier]]
    """The request's identifiers by type, payload order."""
    fits: Callable[[Profile], bool] = lambda _: True
    """Whether a document is within its bounds: a rule of documents, given as a function."""

    @property
    def has_login(self) -> bool:
        """Whether the request carries a login ID."""
        return not self.policy.login_ids.isdisjoint(self.wanted)


class Found(Struct, frozen=True, gc=False):
    """The profile that a request is about, and how it was found."""

    profile: Profile
    matched_on: str | None = None
    """The first type of the priority with a hit: it decides what may be replaced."""
    candidates: int = 0
    """How many profiles that type found."""


Admits = Callable[[Profile, Question], bool]


def ask(
    request: IdentityRequest,
    view: View,
    policy: IdentityPolicy,
    fits: Callable[[Profile], bool] = lambda _: True,
) -> Question:
    """Bring a request into the form that lookups want."""
    wanted: dict[str, list[Identifier]] = {}
    for identifier in request.identifiers:
        wanted.setdefault(identifier.identity_type, []).append(identifier)
    return Question(request, view, policy, wanted, fits)


def anyone(question: Question) -> Found | None:
    """Return the best match among all profiles that protection lets out."""
    return look_up_returnable(question, question.policy.priority)


def look_up_returnable(question: Question, types: Iterable[str]) -> Found | None:
    """Return the best match by *types* alone among all profiles that protection lets out."""
    return look_up(question, types, _is_returnable)


def logged_in(question: Question) -> Found | None:
    """Return the best match among profiles with a login ID of the request."""
    return look_up(question, question.policy.priority, _is_logged_in)


def anonymous(question: Question) -> Found | None:
    """Return the best match among profiles without any login ID."""
    return look_up(question, question.policy.priority, _is_anonymous)


def current_anonymous(question: Question) -> Found | None:
    """Return the caller's current user, if that is an anonymous profile (semantics §2.5)."""
    previous = question.request.previous_mpid
    profile = None if previous is None else question.view.profile(previous)
    if profile is None or is_known(profile, question.policy):
        return None
    return Found(profile)


def is_known(profile: Profile, policy: IdentityPolicy) -> bool:
    """Whether *profile* holds a login ID (semantics §2.1)."""
    login_ids = policy.login_ids
    for identity in profile.identities:  # noqa: SIM110 - a generator costs twice as much here
        if identity.identity_type in login_ids:
            return True
    return False


def look_up(question: Question, types: Iterable[str], admits: Admits) -> Found | None:
    """Walk *types*, strongest first, until one profile is left (semantics §2.4).

    The first type with a hit makes the candidates; each later type that the request has narrows
    them, unless it would exclude all. Protection is applied before anybody is counted.
    """
    wanted = question.wanted
    candidates: dict[int, Profile] = {}
    matched_on, found = None, 0
    for identity_type in types:
        asked = wanted.get(identity_type)
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

    The bound counts whom protection lets out, so that many known users of a device cannot hide
    its anonymous profile (semantics §12.2).
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


def last_activity(profile: Profile) -> tuple[int, int, int]:
    """Order profiles: last activity, then the newest, then the lowest MPID is the highest."""
    return profile.last_seen_ms, profile.created_ms, -profile.mpid


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


def shows(profile: Profile, types: frozenset[str], question: Question) -> bool | None:
    """Say whether the request shows an identity of *types* that the profile has; None: it has none.

    For login IDs that is what ``is_logged_in`` means (semantics §4.2).
    """
    shown = None
    wanted = question.wanted
    for identity in profile.identities:
        if identity.identity_type in types:
            for identifier in wanted.get(identity.identity_type, ()):
                if identifier.value == identity.value:
                    return True
            shown = False
    return shown


def _is_barred(profile: Profile, question: Question) -> bool:
    """Whether immutable protection keeps *profile* in: the request lacks its immutable ID."""
    policy = question.policy
    if not policy.immutable_ids:
        return False
    if policy.immutable_protects == "search" and question.request.action != "search":
        return False
    return shows(profile, policy.immutable_ids, question) is False


def _is_returnable(profile: Profile, question: Question) -> bool:
    if shows(profile, question.policy.login_ids, question) is False:
        return False
    return not _is_barred(profile, question)


def _is_logged_in(profile: Profile, question: Question) -> bool:
    if not shows(profile, question.policy.login_ids, question):
        return False
    return not _is_barred(profile, question)


def _is_anonymous(profile: Profile, question: Question) -> bool:
    return not is_known(profile, question.policy)


def refused_skips(question: Question) -> tuple[Skip, ...]:
    """Return what was taken out of the request before it got here (blocked, bound)."""
    refused = question.request.refused
    return tuple(Skip(i.identity_type, why) for i, why in refused) if refused else ()


def rule_broken(question: Question, message: str) -> Refused:
    """Return the answer to a request that breaks a rule of identity resolution (semantics §4.4)."""
    return Refused(400, "LOOKUP_ERROR", message, refused_skips(question))


def login_missing(question: Question) -> Refused:
    """Return the answer to a login without any login ID (semantics §3.3)."""
    policy = question.policy
    names = ", ".join(t for t in policy.priority if t in policy.login_ids)
    return rule_broken(
        question, f"a login request under {policy.strategy} needs at least one login ID ({names})"
    )


def reads(
    request: IdentityRequest, policy: IdentityPolicy
) -> tuple[tuple[Identifier, ...], tuple[int, ...]]:
    """Return the identifiers and MPIDs that deciding *request* will ask the view for.

    The rare rest (what else a profile holds that loses or gives up a login ID) the view asks for
    itself, see ``Unread``.
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
    if request.previous_mpid is None and request.mpid is None:  # most
        return identifiers, ()
    return identifiers, tuple([m for m in (request.previous_mpid, request.mpid) if m is not None])

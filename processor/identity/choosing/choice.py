"""Choosing: a strategy of this kind finds one profile for a request, or makes one."""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.answer import created, matched, rule_broken
from processor.identity.choosing.attach import NO_TYPES, create, update
from processor.identity.choosing.draft import DraftResult
from processor.identity.choosing.modify import modify
from processor.identity.choosing.search import search
from processor.identity.decision import Decision, NotFound, Refused, Skip
from processor.identity.lookup import Found, anonymous, current_anonymous, is_known
from processor.identity.model import Traits
from processor.identity.mpid import free_mpid
from processor.identity.profile import Profile
from processor.identity.question import Question


class Choice(Struct, frozen=True):
    """A strategy that chooses: how it finds the user, and what it does to an anonymous profile."""

    find: Callable[[Question], Found | Refused | None]
    """Answer identify, login, logout and a batch without MPID; None makes a new profile."""
    keeps_anonymous: bool = False
    """A login ID is never added to an anonymous profile, not even by an explicit MPID."""
    records_source: bool = False
    """A new known profile remembers the anonymous one it arose from (``source_mpid``)."""
    traits: Traits = Traits()

    def decide(self, question: Question) -> Decision:
        """Decide an identify, a login, a logout or a batch, and write what follows from it."""
        supplied = question.supplied
        if supplied is not None:
            return self._decide_supplied(question, supplied)
        found = self.find(question)
        if isinstance(found, Refused):
            return found
        if found is None or _is_passed_over(question, found):
            return self._create(question, 0 if found is None else found.candidates)
        return self._match(question, found)

    def search(self, question: Question) -> Decision:
        """Return who matches, without a trace."""
        return search(question)

    def modify(self, question: Question) -> Decision:
        """Apply the changes of a request, all or none."""
        decision, written = modify(question)
        if written is not None:
            _put(question, written)
        return decision

    def _decide_supplied(self, question: Question, mpid: int) -> Decision:
        """Decide a batch that names its profile, whatever its identifiers lead to."""
        profile = question.view.profile(mpid)
        if profile is not None:
            return self._match(question, Found(profile))
        if not question.may_make(mpid):
            return NotFound("unknown_mpid", skipped=_no_lookups(question))
        return self._created(question, create(question, mpid), 0)

    def _match(self, question: Question, found: Found) -> Decision:
        """Attach the request's identifiers to the profile that was found, and answer with it."""
        policy, profile = question.policy, found.profile
        barred = NO_TYPES
        if self.keeps_anonymous and question.has_login and not is_known(profile, policy):
            barred = policy.login_ids
        written = update(question, profile, found.matched_on, barred)
        _put(question, written, profile)
        if written.profile is not profile:
            found = replace(found, profile=written.profile)
        return matched(question, found, written.matched, written.skipped)

    def _create(self, question: Question, candidates: int) -> Decision:
        """Make a new profile, unless none of its identifiers could ever find it again."""
        request, policy = question.request, question.policy
        if request.read_only or not request.may_create:
            return NotFound(candidates=candidates, skipped=_no_lookups(question))
        written = create(question, free_mpid(question.view, request.seed))
        types = {i.identity_type for i in written.profile.identities}
        if not types.isdisjoint(policy.priority):
            return self._created(question, written, candidates)
        if request.action == "batch":
            return NotFound("no_attachable_identity", candidates, written.skipped)
        return rule_broken(
            f"no profile matches under {policy.strategy}, and no identity of the request can find"
            f" a new one: it needs one of {', '.join(policy.priority)} that no other profile owns",
            written.skipped,
        )

    def _created(self, question: Question, written: DraftResult, candidates: int) -> Decision:
        is_logout = question.request.action == "logout"
        if self.records_source and not is_logout and is_known(written.profile, question.policy):
            source = current_anonymous(question) or anonymous(question)
            if source is not None:
                profile = replace(written.profile, source_mpid=source.profile.mpid)
                written = replace(written, profile=profile)
        _put(question, written)
        return created(question, written.profile, candidates, written.skipped)


def login_missing(question: Question) -> Refused:
    """Return the answer to a login without any login ID, under a strategy that needs one."""
    policy = question.policy
    names = ", ".join(t for t in policy.priority if t in policy.login_ids)
    return rule_broken(
        f"a login request under {policy.strategy} needs at least one login ID ({names})"
    )


def _put(question: Question, written: DraftResult, before: Profile | None = None) -> None:
    """Write the result of a draft to the view, unless the request is ``read_only``."""
    if question.request.read_only:
        return
    if written.profile is not before:
        question.view.put(written.profile)
    for other in written.others:
        question.view.put(other)


def _is_passed_over(question: Question, found: Found) -> bool:
    """Whether a match gives way to a new profile: a stronger unique ID differs.

    Only with ``higher_conflict = "new_profile"``; by default the profile keeps its stronger value.
    """
    policy = question.policy
    if policy.higher_conflict != "new_profile" or found.matched_on is None:
        return False
    stronger = policy.priority[: policy.priority.index(found.matched_on)]
    return any(
        kind in question.asserted
        and kind in policy.unique_ids
        and question.says(found.profile, frozenset((kind,))) is False
        for kind in stronger
    )


def _no_lookups(question: Question) -> tuple[Skip, ...]:
    """Return the skips of a request that attaches nothing: types that are never lookups."""
    priority = question.policy.priority
    return tuple(
        Skip(kind, "not_in_priority")
        for kind, identifiers in question.asserted.items()
        if kind not in priority
        for _ in identifiers
    )

"""Resolve one request over a view: find the user, bring records up to date (semantics §2.5).

The order is always the same: what the request itself forbids, who it is about (the strategy's
part), what it does to the record. Effects reach the view last, and only if all else went well.
"""

from msgspec.structs import replace

from processor.identity.choosing.draft import Written
from processor.identity.choosing.modify import modify
from processor.identity.choosing.search import search
from processor.identity.choosing.update import NOBODY, create, update
from processor.identity.decision import Created, Decision, Matched, NotFound, Refused, Skip
from processor.identity.flat import modify as flat_modify
from processor.identity.flat import search as flat_search
from processor.identity.flat.merge import DocumentRules
from processor.identity.lookup import (
    Found,
    Question,
    anonymous,
    ask,
    current_anonymous,
    is_known,
    refused_skips,
    rule_broken,
    shows,
)
from processor.identity.model import IdentityPolicy, IdentityRequest
from processor.identity.mpid import free_mpid
from processor.identity.profile import Profile
from processor.identity.strategies import STRATEGIES
from processor.identity.strategies.flat_matching import flat_matching
from processor.identity.strategies.strategy import Strategy
from processor.identity.view import View


def resolve(
    request: IdentityRequest,
    view: View,
    policy: IdentityPolicy,
    rules: DocumentRules = DocumentRules(),  # noqa: B008 - a frozen value
) -> Decision:
    """Decide *request* and apply the decision to *view*, unless the request only asks."""
    question = ask(request, view, policy, rules.fits)
    if policy.strategy == "flat_matching":
        return _resolve_flat(question, rules)
    if request.action == "modify":
        return _modify(question)
    if not request.identifiers and not _is_supplied(request):
        return _nothing_to_go_by(question)
    if request.action == "search":
        return search(question)
    return _resolve_by_strategy(question, STRATEGIES[policy.strategy])


def _resolve_flat(question: Question, rules: DocumentRules) -> Decision:
    """Answer a whole request by flat matching, which merges where others choose."""
    request = question.request
    if request.action == "modify":
        return flat_modify.modify(question, rules)
    if not request.identifiers and not _is_supplied(request):
        return _nothing_to_go_by(question)
    if request.action == "search":
        return flat_search.search(question)
    return flat_matching(question, rules)


def _is_supplied(request: IdentityRequest) -> bool:
    """Whether a batch names its profile."""
    return request.action == "batch" and request.mpid is not None


def _modify(question: Question) -> Decision:
    decision, written = modify(question)
    if written is not None:
        _put(question, written)
    return decision


def _resolve_by_strategy(question: Question, strategy: Strategy) -> Decision:
    if question.request.action == "batch" and question.request.mpid is not None:
        return _resolve_supplied(question, strategy, question.request.mpid)
    found = strategy.find(question)
    if isinstance(found, Refused):
        return found
    if found is None or _is_passed_over(question, found):
        return _create(question, strategy, 0 if found is None else found.candidates)
    return _match(question, strategy, found)


def _resolve_supplied(question: Question, strategy: Strategy, mpid: int) -> Decision:
    """Resolve a batch that names its profile: identities do not re-route it (semantics §6.6)."""
    profile = question.view.profile(mpid)
    if profile is not None:
        return _match(question, strategy, Found(profile))
    if not question.request.may_create:
        return NotFound("unknown_mpid", skipped=_never_lookups(question))
    return _created(question, strategy, create(question, mpid), 0)


def _match(question: Question, strategy: Strategy, found: Found) -> Decision:
    """Update the record of the profile that was found, and say what is known of the match."""
    policy, profile = question.policy, found.profile
    barred = NOBODY
    if strategy.keeps_anonymous and question.has_login and not is_known(profile, policy):
        barred = policy.login_ids
    written = update(question, profile, found.matched_on, barred)
    _put(question, written, profile)
    after = written.profile
    shown = shows(after, policy.login_ids, question)
    return Matched(
        after.mpid,
        matched_on=found.matched_on,
        candidates=found.candidates,
        matched=written.matched,
        skipped=written.skipped,
        source_mpid=after.source_mpid,
        is_known=shown is not None,
        is_logged_in=shown is True,
    )


def _create(question: Question, strategy: Strategy, candidates: int) -> Decision:
    """Make a new profile, unless nobody could ever find it again (semantics §2.5)."""
    request, policy = question.request, question.policy
    if request.read_only or not request.may_create:
        return NotFound(candidates=candidates, skipped=_never_lookups(question))
    written = create(question, free_mpid(question.view, question.request.seed))
    if any(i.identity_type in policy.priority for i in written.profile.identities):
        return _created(question, strategy, written, candidates)
    if request.action == "batch":
        return NotFound("no_attachable_identity", candidates, written.skipped)
    return Refused(
        400,
        "LOOKUP_ERROR",
        f"no profile matches under {policy.strategy}, and no identity of the request can find a"
        f" new one: it needs one of {', '.join(policy.priority)} that no other profile owns",
        written.skipped,
    )


def _created(question: Question, strategy: Strategy, written: Written, candidates: int) -> Created:
    known = is_known(written.profile, question.policy)
    if known and strategy.records_source and question.request.action != "logout":
        source = current_anonymous(question) or anonymous(question)
        if source is not None:
            profile = replace(written.profile, source_mpid=source.profile.mpid)
            written = replace(written, profile=profile)
    _put(question, written)
    return Created(
        written.profile.mpid,
        skipped=written.skipped,
        source_mpid=written.profile.source_mpid,
        candidates=candidates,
        is_known=known,
        is_logged_in=known,
    )


def _put(question: Question, written: Written, before: Profile | None = None) -> None:
    """Apply what was worked out to the view, unless the request only asks."""
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
        kind in question.wanted
        and kind in policy.unique_ids
        and shows(found.profile, frozenset((kind,)), question) is False
        for kind in stronger
    )


def _nothing_to_go_by(question: Question) -> Decision:
    """Answer a request without a usable identity (semantics §2.5)."""
    if question.request.action == "batch":
        return NotFound("no_attachable_identity", skipped=refused_skips(question))
    if question.request.refused:
        return rule_broken(question, "every identity of known_identities is blocked or too long")
    return rule_broken(question, "known_identities has no identity with a value")


def _never_lookups(question: Question) -> tuple[Skip, ...]:
    """Return the skips of a request that attaches nothing."""
    priority = question.policy.priority
    data = (
        t for t, identifiers in question.wanted.items() if t not in priority for _ in identifiers
    )
    return (*refused_skips(question), *(Skip(t, "not_in_priority") for t in data))

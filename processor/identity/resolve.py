"""Resolve one request over a view: what every strategy's answers share.

A strategy decides who is meant and what the profile learns; effects reach the view last, and only
if all else went well.
"""

from msgspec.structs import replace

from processor.identity.answer import rule_broken
from processor.identity.decision import Decision, NotFound, Skip
from processor.identity.model import IdentityPolicy, IdentityRequest
from processor.identity.question import DocumentRules, Question
from processor.identity.strategies import STRATEGIES
from processor.identity.strategies.strategy import Strategy
from processor.identity.view import View


def resolve(
    request: IdentityRequest,
    view: View,
    policy: IdentityPolicy,
    documents: DocumentRules = DocumentRules(),  # noqa: B008 - a frozen value
) -> Decision:
    """Decide *request* and apply the decision to *view*, unless the request only asks."""
    question = Question.of(request, view, policy, documents)
    decision = _decide(question, STRATEGIES[policy.strategy])
    if request.refused:
        return replace(decision, skipped=(*refused_skips(request), *decision.skipped))
    return decision


def refused_skips(request: IdentityRequest) -> tuple[Skip, ...]:
    """Return a skip for each identifier that was taken out before the decision (blocked, bound)."""
    return tuple(Skip(i.identity_type, why) for i, why in request.refused)


def _decide(question: Question, strategy: Strategy) -> Decision:
    request = question.request
    if request.action == "modify":
        return strategy.modify(question)
    if not request.identifiers and question.supplied is None:
        return _nothing_to_go_by(question)
    if request.action == "search":
        return strategy.search(question)
    return strategy.decide(question)


def _nothing_to_go_by(question: Question) -> Decision:
    """Answer a request without a usable identifier."""
    if question.request.action == "batch":
        return NotFound("no_attachable_identity")
    if question.request.refused:
        return rule_broken("every identity of known_identities is blocked or too long")
    return rule_broken("known_identities has no identity with a value")

"""Search: identify that never writes (semantics §4.3)."""

from processor.identity.decision import Decision, Matched, NotFound, Skip
from processor.identity.lookup import Question, look_up_returnable, refused_skips, shows


def search(question: Question) -> Decision:
    """Return who matches, without a trace.

    Where immutable types are configured only they are looked at, unless the switch
    ``search_any_identity`` is on. Nothing is attached, so ``skipped`` names only what could never
    have been a lookup; ``matched`` is everything of the request that the profile holds.
    """
    request, policy = question.request, question.policy
    types = policy.priority
    if policy.immutable_ids and not policy.search_any_identity:
        types = tuple(t for t in types if t in policy.immutable_ids)
    data = (i for i in request.identifiers if i.identity_type not in policy.priority)
    skipped = (
        *refused_skips(question),
        *(Skip(i.identity_type, "not_in_priority") for i in data),
    )
    found = look_up_returnable(question, types)
    if found is None:
        return NotFound(skipped=skipped)
    shown = shows(found.profile, policy.login_ids, question)
    held = {(i.identity_type, i.value) for i in found.profile.identities}
    matched = tuple(
        i for i in request.identifiers if i in held and i.identity_type in policy.priority
    )
    return Matched(
        found.profile.mpid,
        matched_on=found.matched_on,
        candidates=found.candidates,
        matched=matched,
        skipped=skipped,
        source_mpid=found.profile.source_mpid,
        is_known=shown is not None,
        is_logged_in=shown is True,
    )

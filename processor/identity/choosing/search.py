"""Search: an identify that never writes."""

from processor.identity.answer import matched
from processor.identity.decision import Decision, NotFound, Skip
from processor.identity.lookup import look_up_returnable
from processor.identity.question import Question


def search(question: Question) -> Decision:
    """Return the profile that matches; nothing is written.

    Where immutable types are configured only they are looked at, unless the switch
    ``search_any_identity`` is on. Nothing is attached, so ``skipped`` names only types that are
    no lookups; ``matched`` is everything of the request that the profile holds.
    """
    request, policy = question.request, question.policy
    types = policy.priority
    if policy.immutable_ids and not policy.search_any_identity:
        types = tuple(t for t in types if t in policy.immutable_ids)
    skipped = tuple(
        Skip(i.identity_type, "not_in_priority")
        for i in request.identifiers
        if i.identity_type not in policy.priority
    )
    found = look_up_returnable(question, types)
    if found is None:
        return NotFound(skipped=skipped)
    held = {(i.identity_type, i.value) for i in found.profile.identities}
    on_profile = tuple(
        i for i in request.identifiers if i in held and i.identity_type in policy.priority
    )
    return matched(question, found, on_profile, skipped)

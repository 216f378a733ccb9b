"""Search under flat matching: who owns the strongest identifier."""

from processor.identity.answer import matched
from processor.identity.decision import Decision, NotFound
from processor.identity.flat.evidence import gather
from processor.identity.lookup import Found
from processor.identity.question import Question


def strongest_owner(question: Question) -> Decision:
    """Return the owner of the strongest identifier that has one; nothing is demoted or written."""
    evidence = gather(question, None)
    members = evidence.members(evidence.identifiers)
    if not members:
        return NotFound()
    profile = next(iter(members.values()))
    on_profile = tuple(i for i in evidence.identifiers if profile in evidence.owners[i])
    found = Found(profile, on_profile[0].identity_type, len(members))
    return matched(question, found, on_profile)

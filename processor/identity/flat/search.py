"""Search under flat matching: who owns the strongest identifier (semantics §12.2)."""

from processor.identity.decision import Decision, Matched, NotFound
from processor.identity.flat.evidence import gather
from processor.identity.lookup import Question, refused_skips, shows


def search(question: Question) -> Decision:
    """Return the owner of the strongest identifier that has one; nothing is demoted or written."""
    evidence = gather(question, None)
    members = evidence.members(evidence.identifiers)
    if not members:
        return NotFound(skipped=refused_skips(question))
    profile = next(iter(members.values()))
    matched = tuple(i for i in evidence.identifiers if profile in evidence.owners[i])
    shown = shows(profile, question.policy.login_ids, question)
    return Matched(
        profile.mpid,
        matched_on=matched[0].identity_type,
        candidates=len(members),
        matched=matched,
        skipped=refused_skips(question),
        source_mpid=profile.source_mpid,
        is_known=shown is not None,
        is_logged_in=shown is True,
    )

"""Modify: change the identities of one profile, all changes or none (semantics §4.5)."""

from processor.identity.choosing.draft import Draft, Written
from processor.identity.choosing.update import finish, has_room, make_room, own
from processor.identity.decision import (
    ChangeResult,
    Decision,
    Matched,
    Refused,
    Skip,
    change_results,
)
from processor.identity.lookup import Question, is_known, refused_skips, rule_broken
from processor.identity.model import Identifier, IdentityChange
from processor.identity.profile import Profile


def modify(question: Question) -> tuple[Decision, Written | None]:
    """Return the decision and what it writes: nothing if any change breaks a rule.

    A modify may make an anonymous profile known under every strategy, and a known one anonymous.
    A change to a blocked value never gets here; it is only reported, with the rest applied.
    """
    mpid = question.request.mpid
    target = None if mpid is None else question.view.profile(mpid)
    if target is None:
        return _bad_request(question, "modify needs the MPID of an existing profile"), None
    draft = Draft(question, target)
    for change in question.request.changes:
        refusal = _refusal(draft, change)
        if refusal is not None:
            return refusal, None
        _apply(draft, change)
    written = finish(draft)
    after, login_ids = written.profile, question.policy.login_ids
    asserted = {(c.identity_type, c.new_value) for c in question.request.changes}
    decision = Matched(
        after.mpid,
        skipped=written.skipped,
        source_mpid=after.source_mpid,
        is_known=is_known(after, question.policy),
        is_logged_in=any(
            i.identity_type in login_ids and (i.identity_type, i.value) in asserted
            for i in after.identities
        ),
        change_results=_results(question, target, written),
    )
    return decision, written


def _refusal(draft: Draft, change: IdentityChange) -> Refused | None:
    """Say what forbids *change* on the draft as the changes before it left it."""
    kind, old, new = change
    question = draft.question
    if old is None and new is None:
        return _bad_request(question, "an identity change needs old_value or new_value")
    if kind not in question.policy.immutable_ids:
        return None
    held = draft.values(kind)
    if held and all(i.value != new for i in held):
        verb = "removed" if new is None else "changed"
        return rule_broken(question, f"{kind} is immutable: once set it cannot be {verb}")
    if not held and new is not None and draft.rivals(Identifier(kind, new)):
        return rule_broken(question, f"{kind} is immutable and another profile has this value")
    return None


def _apply(draft: Draft, change: IdentityChange) -> None:
    kind, _, new = change
    if kind in draft.question.policy.unique_ids:
        reason = _apply_unique(draft, kind, new)
    else:
        reason = _apply_shared(draft, change)
        if reason is None and new is not None and kind not in draft.question.policy.priority:
            reason = "not_in_priority"
    if reason is not None:
        draft.skipped.append(Skip(kind, reason))


def _apply_unique(draft: Draft, kind: str, new: str | None) -> str | None:
    """Leave exactly the new value, whatever the old one was said to be."""
    held = draft.values(kind)
    if new is None:
        draft.drop(held)
        return None
    identifier = Identifier(kind, new)
    mine = draft.find(identifier)
    if mine is not None:
        draft.refresh(mine)
        draft.drop(i for i in held if i is not mine)
    elif not has_room(draft, identifier, 0 if held else 1):
        return "bound"
    else:
        own(draft, identifier)
    return None


def _apply_shared(draft: Draft, change: IdentityChange) -> str | None:
    """Remove the old value if it is there, add the new one; other profiles keep theirs."""
    kind, old, new = change
    replaced = None if old is None or old == new else draft.find(Identifier(kind, old))
    if new is not None:
        identifier = Identifier(kind, new)
        mine = draft.find(identifier)
        if mine is not None:
            draft.refresh(mine)
        elif not has_room(draft, identifier, 1 if replaced is None else 0) or not make_room(
            draft, identifier
        ):
            return "bound"
        else:
            draft.add(identifier)
    if replaced is not None:
        draft.drop([replaced])
    return None


def _results(question: Question, target: Profile, written: Written) -> tuple[ChangeResult, ...]:
    pairs = [(target, written.profile)]
    for other in written.others:
        before = question.view.profile(other.mpid)
        if before is not None:
            pairs.append((before, other))
    return change_results(question.request.changes, pairs)


def _bad_request(question: Question, message: str) -> Refused:
    return Refused(400, "BAD_REQUEST", message, refused_skips(question))

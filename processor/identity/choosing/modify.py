"""Modify: change the identities of one profile, all changes or none.

The rules: (docs/strategies.md, "Requests").
"""

from processor.identity.answer import bad_request, matched, rule_broken
from processor.identity.choosing.attach import finish, has_room, make_room, own
from processor.identity.choosing.draft import Draft, DraftResult
from processor.identity.decision import ChangeResult, Decision, Refused, Skip, change_results
from processor.identity.lookup import Found
from processor.identity.model import Identifier, IdentityChange
from processor.identity.profile import Profile
from processor.identity.question import Question


def modify(question: Question) -> tuple[Decision, DraftResult | None]:
    """Return the decision and what it writes: nothing if any change breaks a rule.

    A modify may make an anonymous profile known under every strategy, and a known one anonymous.
    A change to a blocked value never gets here; it is only reported, with the rest applied.
    """
    mpid = question.request.mpid
    target = None if mpid is None else question.view.profile(mpid)
    if target is None:
        return bad_request("modify needs the MPID of an existing profile"), None
    draft = Draft(question, target)
    for change in question.request.changes:
        refusal = _refusal(draft, change)
        if refusal is not None:
            return refusal, None
        _apply(draft, change)
    written = finish(draft)
    results = _results(question, target, written)
    found = Found(written.profile)
    return matched(question, found, skipped=written.skipped, change_results=results), written


def _refusal(draft: Draft, change: IdentityChange) -> Refused | None:
    """Say what forbids *change* on the draft as the changes before it left it."""
    kind, old, new = change
    if old is None and new is None:
        return bad_request("an identity change needs old_value or new_value")
    if kind not in draft.question.policy.immutable_ids:
        return None
    held = draft.values(kind)
    if held and all(i.value != new for i in held):
        verb = "removed" if new is None else "changed"
        return rule_broken(f"{kind} is immutable: once set it cannot be {verb}")
    if not held and new is not None and draft.rivals(Identifier(kind, new)):
        return rule_broken(f"{kind} is immutable and another profile has this value")
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


def _results(question: Question, target: Profile, written: DraftResult) -> tuple[ChangeResult, ...]:
    pairs = [(target, written.profile)]
    for other in written.others:
        before = question.view.profile(other.mpid)
        if before is not None:
            pairs.append((before, other))
    return change_results(question.request.changes, pairs)

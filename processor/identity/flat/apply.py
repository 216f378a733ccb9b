"""Applying a match: a profile is made, extended or merged, and the request answered."""

from processor.identity.answer import created, matched, merged, rule_broken
from processor.identity.decision import Decision, NotFound, Skip
from processor.identity.flat.evidence import Match, shorten
from processor.identity.flat.learn import learn
from processor.identity.flat.survivor import by_age, join, merge_count, pointer
from processor.identity.lookup import Found
from processor.identity.model import Identifier
from processor.identity.mpid import free_mpid
from processor.identity.profile import Profile
from processor.identity.question import Question


def nothing_left(question: Question, match: Match) -> Decision:
    """Answer as if there had been no identifier: a limit of 0 has demoted all of them."""
    if question.request.action == "batch":
        return NotFound("no_identity", skipped=_demoted(match))
    message = "no identity of known_identities is within the limit of its type"
    return rule_broken(message, _demoted(match))


def create(question: Question, match: Match) -> Decision:
    """Make a profile of identifiers that nobody owns, where the request may create."""
    if question.request.read_only or not question.request.may_create:
        return NotFound(candidates=match.candidates, skipped=_demoted(match))
    before = question.new_profile(free_mpid(question.view, question.request.seed))
    after, unmapped = learn(question, before, match.kept)
    return _answer(question, match, before, after, unmapped)


def add(question: Question, match: Match) -> Decision:
    """Give the one profile that the evidence leads to the rest of the identifiers."""
    (before,) = match.members.values()
    after, unmapped = learn(question, before, match.kept)
    return _answer(question, match, before, after, unmapped)


def merge(question: Question, match: Match) -> Decision:
    """Make one profile of several, unless that would be too many merges or too large."""
    members = tuple(match.members.values())
    if merge_count(members) > question.policy.max_merges:
        return _stay_apart(question, match, "merge_limit")
    survivor, absorbed = by_age(members)
    joined = join(survivor, absorbed, question.documents)
    if joined is None:
        return _stay_apart(question, match, "bound")
    after, unmapped = learn(question, joined, match.kept)
    if not question.request.read_only:
        for profile in absorbed:
            question.view.put(pointer(profile, after.mpid))
        question.view.put(after)
        _shorten(question)
    owned = tuple(i for i in match.kept if match.evidence.owners[i])
    new = after.absorbed[len(survivor.absorbed) :]
    return merged(question, _found(match, after, owned), new, owned, (*_demoted(match), *unmapped))


def _stay_apart(question: Question, match: Match, reason: str) -> Decision:
    """Resolve to the owner of the strongest identifier, and map nothing.

    A refused merge is one violation ``merge_limit``, of the strongest identifier of another
    profile; every identifier that ``bound`` keeps out is one.
    """
    before = next(iter(match.members.values()))
    held = {Identifier(i.identity_type, i.value) for i in before.identities}
    after, _ = learn(question, before, [i for i in match.kept if i in held])
    apart = [i for i in match.kept if i not in held]
    elsewhere = next((i for i in apart if match.evidence.owners[i]), None)
    unmapped = tuple(
        Skip(i.identity_type, reason, reason if i is elsewhere else None) for i in apart
    )
    return _answer(question, match, before, after, unmapped)


def _answer(
    question: Question, match: Match, before: Profile, after: Profile, unmapped: tuple[Skip, ...]
) -> Decision:
    """Write the profile that was found or made, and answer."""
    is_new = before.version == 0
    if not question.request.read_only:
        if is_new or after is not before:
            question.view.put(after)
        _shorten(question)
    skipped = (*_demoted(match), *unmapped)
    if is_new:
        return created(question, after, match.candidates, skipped)
    owned = tuple(i for i in match.kept if before in match.evidence.owners[i])
    return matched(question, _found(match, after, owned), owned, skipped)


def _found(match: Match, profile: Profile, owned: tuple[Identifier, ...]) -> Found:
    """Return how *profile* was found: by the strongest of the identifiers it *owned*.

    By none of them where the batch named an MPID, which is above every type.
    """
    is_by_type = match.evidence.supplied is None and owned
    return Found(profile, owned[0].identity_type if is_by_type else None, match.candidates)


def _shorten(question: Question) -> None:
    if question.supplied is not None:
        shorten(question.view, question.supplied)


def _demoted(match: Match) -> tuple[Skip, ...]:
    return tuple(Skip(d.identifier.identity_type, "demoted", d.reason) for d in match.demoted)

"""What follows from a match: a profile is made, extended or merged, and the request answered."""

from processor.identity.decision import Created, Decision, Matched, Merged, NotFound, Refused, Skip
from processor.identity.flat.evidence import Match, shorten
from processor.identity.flat.merge import DocumentRules, by_age, join, merge_count, pointer
from processor.identity.flat.record import learn
from processor.identity.lookup import Question, refused_skips, shows
from processor.identity.model import Identifier
from processor.identity.mpid import free_mpid
from processor.identity.profile import Profile


def new_profile(question: Question, mpid: int) -> Profile:
    """Return an empty profile, created at the time of the request; version 0: not stored."""
    time_ms, space = question.request.time_ms, question.view.space
    return Profile(space.scope, space.environment, mpid, 0, time_ms, time_ms)


def nothing_left(question: Question, match: Match) -> Decision:
    """Answer where a limit of 0 left no identifier: as if there had been none."""
    skipped = _skipped(question, match)
    if question.request.action == "batch":
        return NotFound("no_identity", skipped=skipped)
    message = "no identity of known_identities is within the limit of its type"
    return Refused(400, "LOOKUP_ERROR", message, skipped)


def create(question: Question, match: Match, rules: DocumentRules) -> Decision:
    """Make a profile of what nobody owns, where the request may."""
    if question.request.read_only or not question.request.may_create:
        return NotFound(candidates=match.candidates, skipped=_skipped(question, match))
    before = new_profile(question, free_mpid(question.view, question.request.seed))
    after, unmapped = learn(question, before, match.kept, rules)
    return _answer(question, match, before, after, unmapped)


def add(question: Question, match: Match, rules: DocumentRules) -> Decision:
    """Let the one profile that the evidence leads to learn of the rest of it."""
    (before,) = match.members.values()
    after, unmapped = learn(question, before, match.kept, rules)
    return _answer(question, match, before, after, unmapped)


def merge(question: Question, match: Match, rules: DocumentRules) -> Decision:
    """Make one profile of several, unless that would be too many merges or too large."""
    members = tuple(match.members.values())
    if merge_count(members) > question.policy.max_merges:
        return _stay_apart(question, match, rules, "merge_limit")
    survivor, absorbed = by_age(members)
    joined = join(survivor, absorbed, rules)
    if joined is None:
        return _stay_apart(question, match, rules, "bound")
    after, unmapped = learn(question, joined, match.kept, rules)
    if not question.request.read_only:
        for profile in absorbed:
            question.view.put(pointer(profile, after.mpid))
        question.view.put(after)
        _shorten(question)
    matched = tuple(i for i in match.kept if match.evidence.owners[i])
    known = shows(after, question.policy.login_ids, question)
    return Merged(
        after.mpid,
        after.absorbed[len(survivor.absorbed) :],
        matched_on=_matched_on(match, matched),
        candidates=match.candidates,
        matched=matched,
        skipped=(*_skipped(question, match), *unmapped),
        is_known=known is not None,
        is_logged_in=known is True,
    )


def _stay_apart(question: Question, match: Match, rules: DocumentRules, reason: str) -> Decision:
    """Resolve to the owner of the strongest identifier, and map nothing (semantics §12.1).

    A refused merge is one violation ``merge_limit``, of the strongest identifier of another
    profile; every identifier that ``bound`` keeps out is one.
    """
    before = next(iter(match.members.values()))
    held = {Identifier(i.identity_type, i.value) for i in before.identities}
    after, _ = learn(question, before, [i for i in match.kept if i in held], rules)
    apart = [i for i in match.kept if i not in held]
    elsewhere = next((i for i in apart if match.evidence.owners[i]), None)
    unmapped = tuple(
        Skip(i.identity_type, reason, reason if i is elsewhere else None) for i in apart
    )
    return _answer(question, match, before, after, unmapped)


def _answer(
    question: Question, match: Match, before: Profile, after: Profile, unmapped: tuple[Skip, ...]
) -> Matched | Created:
    """Write the profile that was found or made, and say what is known of the match."""
    is_new = before.version == 0
    if not question.request.read_only:
        if is_new or after is not before:
            question.view.put(after)
        _shorten(question)
    skipped = (*_skipped(question, match), *unmapped)
    shown = shows(after, question.policy.login_ids, question)
    if is_new:
        return Created(
            after.mpid,
            skipped=skipped,
            candidates=match.candidates,
            is_known=shown is not None,
            is_logged_in=shown is True,
        )
    matched = tuple(i for i in match.kept if before in match.evidence.owners[i])
    return Matched(
        after.mpid,
        matched_on=_matched_on(match, matched),
        candidates=match.candidates,
        matched=matched,
        skipped=skipped,
        source_mpid=after.source_mpid,
        is_known=shown is not None,
        is_logged_in=shown is True,
    )


def _shorten(question: Question) -> None:
    if question.request.action == "batch" and question.request.mpid is not None:
        shorten(question.view, question.request.mpid)


def _matched_on(match: Match, matched: tuple[Identifier, ...]) -> str | None:
    """Return the strongest type that hit; None for a supplied MPID, which is above every type."""
    if match.evidence.supplied is not None or not matched:
        return None
    return matched[0].identity_type


def _skipped(question: Question, match: Match) -> tuple[Skip, ...]:
    """Return what was blocked or too long, then what was demoted."""
    demoted = (Skip(d.identifier.identity_type, "demoted", d.reason) for d in match.demoted)
    return (*refused_skips(question), *demoted)

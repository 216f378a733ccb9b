"""Decisions that say whether a profile is known and logged in, and refusals."""

from processor.identity.decision import (
    ChangeResult,
    Created,
    Matched,
    Merged,
    Refused,
    Skip,
)
from processor.identity.lookup import Found
from processor.identity.model import Identifier
from processor.identity.profile import Profile
from processor.identity.question import Question


def matched(
    question: Question,
    found: Found,
    on_profile: tuple[Identifier, ...] = (),
    skipped: tuple[Skip, ...] = (),
    change_results: tuple[ChangeResult, ...] | None = None,
) -> Matched:
    """Return the decision that the user is the profile of *found*, as it is after the request.

    *on_profile* are the identifiers of the request that it had before.
    """
    profile = found.profile
    said = question.says(profile, question.policy.login_ids)
    return Matched(
        profile.mpid,
        matched_on=found.matched_on,
        candidates=found.candidates,
        matched=on_profile,
        skipped=skipped,
        source_mpid=profile.source_mpid,
        is_known=said is not None,
        is_logged_in=said is True,
        change_results=change_results,
    )


def created(
    question: Question, profile: Profile, candidates: int, skipped: tuple[Skip, ...]
) -> Created:
    """Return the decision that the user is new, with *profile*."""
    said = question.says(profile, question.policy.login_ids)
    return Created(
        profile.mpid,
        skipped=skipped,
        source_mpid=profile.source_mpid,
        candidates=candidates,
        is_known=said is not None,
        is_logged_in=said is True,
    )


def merged(
    question: Question,
    found: Found,
    absorbed: tuple[int, ...],
    on_profile: tuple[Identifier, ...],
    skipped: tuple[Skip, ...],
) -> Merged:
    """Return the decision that the profile of *found* has absorbed others and is the user."""
    said = question.says(found.profile, question.policy.login_ids)
    return Merged(
        found.profile.mpid,
        absorbed,
        matched_on=found.matched_on,
        candidates=found.candidates,
        matched=on_profile,
        skipped=skipped,
        is_known=said is not None,
        is_logged_in=said is True,
    )


def rule_broken(message: str, skipped: tuple[Skip, ...] = ()) -> Refused:
    """Return the answer to a request that breaks a rule of identity resolution."""
    return Refused(400, "LOOKUP_ERROR", message, skipped)


def bad_request(message: str) -> Refused:
    """Return the answer to a request that makes no sense under any policy."""
    return Refused(400, "BAD_REQUEST", message)

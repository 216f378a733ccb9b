"""Whom an access found, as they are now, as long as what is known of them may be fetched."""

from typing import Final

from processor.identity.profile import Profile
from processor.identity.view import ReadSet
from processor.privacy.case import Case
from processor.rules import WorkspaceRules
from processor.serve.people import survivor
from processor.serve.refusal import Refusal, gone

_TYPES: Final = frozenset({"access", "portability"})


def why_none(case: Case, workspace: WorkspaceRules, now_ms: int) -> Refusal | None:
    """Return why there are no results of *case*, None where there are."""
    if case.request_type not in _TYPES:
        message = f"a request of type {case.request_type} has no results"
        return Refusal(404, "NOT_FOUND", message)
    if not case.found.mpids:
        return Refusal(404, "NOT_FOUND", "the request found nobody")
    if _is_over(case, workspace, now_ms):
        return Refusal(410, "GONE", "the results were to be fetched earlier: ask once more")
    return None


def living(case: Case, found: ReadSet) -> list[Profile]:
    """Return the profiles of *case* in *found*, merges followed; Refusal where all have ended."""
    survivors = [survivor(found, mpid) for mpid in case.found.mpids]
    alive = {one.mpid: one for one in survivors if one is not None}
    if not alive:
        graves = [found.graves.get(mpid) for mpid in case.found.mpids]
        raise gone(next((grave.why for grave in graves if grave is not None), "deleted"))
    return list(alive.values())


def _is_over(case: Case, workspace: WorkspaceRules, now_ms: int) -> bool:
    rules = workspace.privacy
    if case.completed_ms is None or rules is None:
        return False
    return now_ms > case.completed_ms + rules.results_ms

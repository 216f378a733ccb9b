"""The ``resolution`` of responses and headers: why a record was attributed to its profile.

The shape is that of (docs/messages.md, "Identity responses"). MPIDs are decimal text in what is
published, because JavaScript rounds numbers of 63 bits.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from processor.identity.decision import (
    KINDS,
    Aliased,
    Created,
    Decision,
    Matched,
    Merged,
    NotFound,
    Skip,
)

encode = msgspec.json.Encoder().encode


def resolution(decision: Decision) -> bytes:
    """Return the ``resolution`` of *decision* as JSON."""
    if isinstance(decision, Matched):  # nearly all decisions, with few different resolutions
        return _matched_resolution(
            decision.matched_on, decision.candidates, decision.source_mpid, decision.skipped
        )
    return encode(explanation(decision))


@lru_cache(maxsize=4096)
def _matched_resolution(
    matched_on: str | None, candidates: int, source_mpid: int | None, skipped: tuple[Skip, ...]
) -> bytes:
    why = Matched(
        0,
        matched_on=matched_on,
        candidates=candidates,
        source_mpid=source_mpid,
        skipped=skipped,
    )
    return encode(explanation(why))


def explanation(decision: Decision) -> dict[str, Any]:
    """Return the ``resolution`` of *decision*, to be a part of a response."""
    if isinstance(decision, Aliased):
        return reasons("applied" if decision.reason is None else "ignored", ())
    why = reasons(KINDS[type(decision)], decision.skipped)
    if isinstance(decision, Matched | Merged):
        why["matched_on"] = decision.matched_on
    if isinstance(decision, Matched | Created | Merged | NotFound):
        why["candidates"] = decision.candidates
    if isinstance(decision, Matched | Created):
        why["source_mpid"] = mpid_text(decision.source_mpid)
    return why


def reasons(outcome: str, skipped: tuple[Skip, ...]) -> dict[str, Any]:
    """Return the ``resolution`` of an *outcome* without a match."""
    return {
        "outcome": outcome,
        "matched_on": None,
        "candidates": 0,
        "source_mpid": None,
        "skipped": [{"identity_type": s.identity_type, "reason": s.reason} for s in skipped],
    }


UNDECIDED: Final = encode(reasons("refused", ()))
"""The resolution of a request that broke a rule before anything was looked up."""


def mpid_text(mpid: int | None) -> str | None:
    """Return an MPID as it is published: decimal text."""
    return None if mpid is None else str(mpid)

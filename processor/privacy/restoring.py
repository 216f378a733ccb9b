"""What of the index follows from a case: its markers, graves, and place. Pure.

As holders follow from profiles, so that a restore needs the topic of cases and nothing else.
"""

from collections.abc import Iterable, Sequence

from processor.clock.wheel import STILL, Entry, Moves
from processor.identity.filed import Filing
from processor.identity.grave import Grave
from processor.identity.model import Space
from processor.identity.view import Effects
from processor.privacy.case import Case, filed


def effects_of(case: Case) -> Effects:
    """Return what the index holds for *case*, beside holders of a case about the same."""
    marked, number = case.marked, case.number
    marks = [] if marked is None else list(marked.markers().items())
    place = case.place
    return Effects(
        {},
        {},
        {case.opened_for: (number,)} if case.state == "pending" else {},
        {},
        STILL if place.bucket is None else Moves(entered=[Entry(place.bucket, number)]),
        {grave.mpid: grave for grave in graves_of(case)},
        filing=Filing({number: filed(case)}, marks),
    )


def graves_of(case: Case) -> list[Grave]:
    """Return the graves of those whom *case* has erased: no document of them counts any more."""
    marked = case.marked
    if marked is None:
        return []
    return [Grave(mpid, 1, marked.end_ms, "erased") for mpid in case.found.mpids]


def graves_after(case: Case) -> list[Grave]:
    """Return the graves that *case* has where whoever erased them has none any more.

    Those of another case, as long as there is one, come before them.
    """
    marked = case.marked
    return [] if marked is None else [Grave(m, 1, marked.end_ms, "erased") for m in case.roots]


def graves_among(cases: Sequence[Case]) -> dict[int, Grave]:
    """Return the graves of those whom *cases*, all of one space, keep away."""
    after = {grave.mpid: grave for case in cases for grave in graves_after(case)}
    return {**after, **{grave.mpid: grave for case in cases for grave in graves_of(case)}}


def erased_by(cases: Iterable[Case]) -> frozenset[tuple[Space, int]]:
    """Return the MPIDs that are erased, with their spaces."""
    return frozenset(
        (case.space, one.mpid) for case in cases for one in (*graves_of(case), *graves_after(case))
    )

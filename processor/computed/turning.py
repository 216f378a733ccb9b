"""When an answer turns by time alone, where it can turn once: said without a search.

"At least three within a week" ends when the third latest event is a week old. Of criteria that must
all hold the first that ends decides, of criteria of which one must hold the last. All of it is
compiled once, when the configuration is loaded.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from processor.computed.attribute import CalculatedAttribute
from processor.computed.criterion import All, AnyOf, AudienceFits, Criterion, EventCount, Not
from processor.computed.direction import Direction, direction_of
from processor.computed.situation import Situation

Turning = Callable[[Situation, bool], int | None]
"""Of a situation and the answer in it, which time can turn: when it does; None: never."""


def turning_of(
    criterion: Criterion, attributes: Mapping[str, CalculatedAttribute]
) -> Turning | None:
    """Return when *criterion* turns; None where time never turns it, or more than once.

    *attributes* are the calculated ones.
    """
    if direction_of(criterion, attributes) in (Direction.NEITHER, Direction.EITHER):
        return None
    match criterion:
        case Not():
            return _opposite(turning_of(criterion.criterion, attributes))
        case AudienceFits():
            assert criterion.criterion is not None
            return turning_of(criterion.criterion, attributes)
        case All() | AnyOf():
            parts = [(one, turning_of(one, attributes)) for one in criterion.criteria]
            is_all = isinstance(criterion, All)
            return parts[0][1] if len(parts) == 1 else _of_knot(parts, is_all=is_all)
        case _:
            return _of_leaf(criterion)


def _opposite(turning: Turning | None) -> Turning:
    assert turning is not None
    return lambda situation, holds: turning(situation, not holds)


def _of_knot(parts: Sequence[tuple[Criterion, Turning | None]], *, is_all: bool) -> Turning:
    """Return when criteria together turn; those without a turning never do."""
    turnings = [turning for _, turning in parts if turning is not None]

    def turns_ms(situation: Situation, holds: bool) -> int | None:  # noqa: FBT001 - a Turning
        if holds is is_all:  # each answers like all of them, and the first that turns decides
            found = [turning(situation, holds) for turning in turnings]
            return min([time_ms for time_ms in found if time_ms is not None], default=None)
        last_ms = 0
        for criterion, turning in parts:
            if criterion.holds(situation, situation.now_ms) is holds:  # only its turn can matter
                own_ms = None if turning is None else turning(situation, holds)
                if own_ms is None:
                    return None
                last_ms = max(last_ms, own_ms)
        return last_ms

    return turns_ms


def _of_leaf(criterion: Criterion) -> Turning:
    """Return when a leaf turns: one that counts events, as that leaves which it hangs on."""
    if not isinstance(criterion, EventCount):
        return partial(_searched, criterion)
    key, within_ms = criterion.core.key, criterion.within_ms
    assert within_ms is not None
    rank = criterion.number + (criterion.comparison == "at_most")

    def turns_ms(situation: Situation, _holds: bool) -> int | None:  # noqa: FBT001 - a Turning
        times = situation.times(key)
        return times[-rank] + within_ms if 0 < rank <= len(times) else None

    return turns_ms


def _searched(criterion: Criterion, situation: Situation, holds: bool) -> int | None:  # noqa: FBT001 - a Turning
    """Find when a leaf turns by halves of the instants at which it may."""
    now_ms = situation.now_ms
    instants = sorted({one for one in criterion.instants(situation, now_ms) if one > now_ms})
    place = bisect_left(
        instants, x=True, key=lambda time_ms: criterion.holds(situation, time_ms) is not holds
    )
    return instants[place] if place < len(instants) else None

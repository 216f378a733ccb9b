"""Which way time alone can turn an answer: a search for the next flip may be short, or needless.

"At least three within a week" can only end by itself, "older than a week" only begin.
"""

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Final

from processor.computed.attribute import CalculatedAttribute
from processor.computed.condition import RECENCY, Condition
from processor.computed.criterion import (
    AgedCount,
    All,
    AnyOf,
    AttributeFits,
    AudienceFits,
    ConsentIs,
    Criterion,
    EventCount,
    Not,
)


class Direction(Enum):
    """What time alone can do to an answer, as long as nothing else happens."""

    NEITHER = auto()
    """Nothing."""
    ENDS = auto()
    """It may cease to hold, once."""
    BEGINS = auto()
    """It may begin to hold, once."""
    EITHER = auto()
    """Anything, or nobody knows."""


_OPPOSITE: Final = {
    Direction.NEITHER: Direction.NEITHER,
    Direction.ENDS: Direction.BEGINS,
    Direction.BEGINS: Direction.ENDS,
    Direction.EITHER: Direction.EITHER,
}
_FALLS: Final = ("count", "unique_count")
"""Types whose values in a window only fall, down to 0."""
_LESS: Final = ("less", "at_most")
_MORE: Final = ("greater", "at_least")


def direction_of(criterion: Criterion, attributes: Mapping[str, CalculatedAttribute]) -> Direction:
    """Return which way *criterion* can turn, where *attributes* are the calculated ones."""
    match criterion:
        case All() | AnyOf():
            return _together(direction_of(one, attributes) for one in criterion.criteria)
        case Not():
            return _OPPOSITE[direction_of(criterion.criterion, attributes)]
        case AudienceFits():
            if criterion.criterion is None:
                return Direction.NEITHER
            return direction_of(criterion.criterion, attributes)
        case _:
            return _of_leaf(criterion, attributes)


def _together(directions: Iterable[Direction]) -> Direction:
    found = {one for one in directions if one is not Direction.NEITHER}
    if not found:
        return Direction.NEITHER
    return found.pop() if len(found) == 1 else Direction.EITHER


def _of_leaf(leaf: Criterion, attributes: Mapping[str, CalculatedAttribute]) -> Direction:
    match leaf:
        case ConsentIs():
            return Direction.NEITHER
        case AgedCount():
            return Direction.EITHER
        case EventCount():
            return _of_count(leaf)
        case AttributeFits() if leaf.name in attributes:
            found = _of_calculated(attributes[leaf.name], leaf.condition)
            return _OPPOSITE[found] if leaf.condition.is_negated else found
        case _:
            condition: Condition = leaf.condition  # type: ignore[attr-defined]  # all others have one
            return _of_condition(condition)


def _of_count(leaf: EventCount) -> Direction:
    if leaf.within_ms is None:
        return Direction.NEITHER
    if leaf.comparison == "exactly":
        return Direction.EITHER
    return Direction.ENDS if leaf.comparison == "at_least" else Direction.BEGINS


def _of_condition(condition: Condition) -> Direction:
    """Return which way a condition on values that time does not change can turn."""
    if condition.op not in RECENCY:
        return Direction.NEITHER
    return Direction.BEGINS if condition.op == "older" else Direction.EITHER


def _of_calculated(attribute: CalculatedAttribute, condition: Condition) -> Direction:
    """Return which way a condition, not negated, on a calculated attribute can turn."""
    op, type_ = condition.op, attribute.type
    if attribute.window is None:
        return _of_condition(condition)
    if op == "exists":
        return Direction.NEITHER if type_ in (*_FALLS, "sum") else Direction.ENDS
    if (type_ in (*_FALLS, "maximum") and op in _MORE) or (type_ == "minimum" and op in _LESS):
        return Direction.ENDS
    if type_ in _FALLS and op in _LESS:
        return Direction.BEGINS
    return Direction.EITHER

"""When time alone changes an answer next: the due of an audience, or of a value kept promptly."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from processor.computed.attribute import CalculatedAttribute
from processor.computed.criterion import Criterion
from processor.computed.direction import Direction
from processor.computed.number import is_same
from processor.computed.situation import Situation
from processor.computed.turning import Turning

MOST_STEPS: Final = 1000
"""Instants that are tried before the search is put off to the last of them."""


class Next(NamedTuple):
    """An instant after the one that was asked about."""

    time_ms: int
    is_flip: bool
    """False: nothing has changed until then, and there the search goes on."""


def next_turn(
    direction: Direction, turning: Turning, situation: Situation, *, holds: bool
) -> Next | None:
    """Return when a criterion that time can turn in one *direction*, once, does so; None: never."""
    if direction is (Direction.BEGINS if holds else Direction.ENDS):
        return None
    time_ms = turning(situation, holds)
    return None if time_ms is None else Next(time_ms, is_flip=True)


def next_flip(criterion: Criterion, situation: Situation, *, holds: bool) -> Next | None:
    """Return when *criterion*, which *holds* now or not, flips by time alone; None: never.

    It is the next change of the answer, not of a leaf: "bought within a day, or did not" never is.
    """
    now_ms = situation.now_ms
    instants = _after(criterion.instants(situation, now_ms), now_ms)
    for time_ms in instants[:MOST_STEPS]:
        if criterion.holds(situation, time_ms) is not holds:
            return Next(time_ms, is_flip=True)
    if len(instants) > MOST_STEPS:
        return Next(instants[MOST_STEPS - 1], is_flip=False)
    return None


def next_value(attribute: CalculatedAttribute, situation: Situation) -> int | None:
    """Return when time alone changes the value of *attribute* next; None: never."""
    now_ms = situation.now_ms
    shown = situation.value(attribute, now_ms)
    instants = attribute.calculation.instants(situation.state(attribute))
    for time_ms in _after(instants, now_ms):
        if not is_same(situation.value(attribute, time_ms), shown):
            return time_ms
    return None


def fresh_until(attributes: Iterable[CalculatedAttribute], situation: Situation) -> int | None:
    """Return until when no value of *attributes* changes by time alone; None: never."""
    first_ms = None
    for attribute in attributes:
        next_ms = attribute.calculation.next_ms(situation.state(attribute), situation.now_ms)
        if next_ms is not None and (first_ms is None or next_ms < first_ms):
            first_ms = next_ms
    return first_ms


def _after(instants: Iterable[int], now_ms: int) -> list[int]:
    later = [time_ms for time_ms in instants if time_ms > now_ms]
    return later if len(later) <= 1 else sorted({*later})

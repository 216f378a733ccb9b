"""Why a person is in an audience or not: its tree, judged criterion by criterion at an instant."""

from typing import Any

from msgspec import Struct

from processor.computed.criterion import (
    AgedCount,
    AttributeFits,
    Criterion,
    DeviceFits,
    EventCount,
    IdentityFits,
    parts,
)
from processor.computed.flip import next_flip
from processor.computed.situation import Situation
from processor.computed.wording import criterion_in_words


class Judgement(Struct, frozen=True):
    """A criterion as it stands for a person."""

    asks: str
    holds: bool
    has: Any = None
    """What the person has of what is asked for: a number of events, a value, or a list of them."""
    is_at_least: bool = False
    """Whether *has* may be more: no more events are remembered than the criterion needs."""
    next_ms: int | None = None
    """When time alone changes the answer next; None: never."""
    criteria: tuple["Judgement", ...] = ()


def judgement(criterion: Criterion, situation: Situation) -> Judgement:
    """Judge *criterion* and all that it is made of at the instant of *situation*."""
    now_ms = situation.now_ms
    holds = criterion.holds(situation, now_ms)
    later = next_flip(criterion, situation, holds=holds)
    has, is_at_least = _has(criterion, situation)
    return Judgement(
        criterion_in_words(criterion),
        holds,
        has,
        is_at_least,
        later.time_ms if later is not None and later.is_flip else None,
        tuple(judgement(one, situation) for one in parts(criterion)),
    )


def _has(criterion: Criterion, situation: Situation) -> tuple[Any, bool]:
    now_ms = situation.now_ms
    match criterion:
        case EventCount():
            count = criterion.count(situation, now_ms)
            return count, count >= criterion.core.most
        case AgedCount():
            return criterion.count(situation, now_ms), False
        case AttributeFits():
            return criterion.raw(situation, now_ms), False
        case IdentityFits() | DeviceFits():
            return [one for one in criterion.raws(situation) if one is not None], False
        case _:
            return None, False

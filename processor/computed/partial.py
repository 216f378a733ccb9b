"""Audiences of people of whom not everything is remembered: answers that may be unknown.

A criterion on events that nobody counted yet has no answer for a person. Together such answers are
taken as logic of three values has it: what is unknown decides nothing, and hides nothing that the
others have decided.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

from processor.computed.core import Core, times_of
from processor.computed.criterion import (
    AgedCount,
    All,
    AnyOf,
    AttributeFits,
    AudienceFits,
    Criterion,
    EventCount,
    Not,
    parts,
)
from processor.computed.situation import Situation
from processor.computed.state import Memory
from processor.computed.wording import criterion_in_words

Answer = bool | None
"""None: unknown."""


class Line(NamedTuple):
    """A criterion of a tree, and how deep it stands in it."""

    depth: int
    words: str


class Judged(NamedTuple):
    """What is answered of one criterion."""

    answer: Answer
    so_far: Answer
    """With those before it in the same ``all``; elsewhere the same."""


class Known(Struct, frozen=True):
    """What is remembered of a person, and by which definitions it was counted."""

    situation: Situation
    memory: Memory
    running: Mapping[bytes, Core]
    """What processors count, as far as is known."""
    is_current: bool
    """Whether the person was evaluated by these: what is not there is then nothing."""

    def has(self, core: Core) -> bool:
        """Whether all is remembered that *core* asks for."""
        own, stored = self.running.get(core.key), self.memory.cores.get(core.key)
        if own is None or _is_longer(core.longest_ms, own.longest_ms):
            return False
        if stored is None:
            return self.is_current
        return core.most <= own.most or core.window is not None or len(times_of(stored)) < own.most


def outline(criterion: Criterion, depth: int = 0) -> Iterator[Line]:
    """Yield a tree line by line, each knot before what it is made of."""
    yield Line(depth, criterion_in_words(criterion))
    for part in parts(criterion):
        yield from outline(part, depth + 1)


def answers(criterion: Criterion, known: Known) -> list[Judged]:
    """Return what is answered of each line of :func:`outline`."""
    inner = [answers(part, known) for part in parts(criterion)]
    own = _own(criterion, [one[0].answer for one in inner], known)
    if isinstance(criterion, All):
        so_far: Answer = True
        for one in inner:
            so_far = every((so_far, one[0].answer))
            one[0] = Judged(one[0].answer, so_far)
    return [Judged(own, own), *(judged for one in inner for judged in one)]


def every(found: Iterable[Answer]) -> Answer:
    """Return whether all hold."""
    answers = list(found)
    return False if False in answers else None if None in answers else True


def _own(criterion: Criterion, inner: list[Answer], known: Known) -> Answer:
    match criterion:
        case All():
            return every(inner)
        case AnyOf():
            return negated(every(map(negated, inner)))
        case Not():
            return negated(inner[0])
        case AudienceFits():
            return inner[0] if inner else False
        case _:
            return _of_leaf(criterion, known)


def negated(answer: Answer) -> Answer:
    """Return the opposite; of what is unknown that is unknown too."""
    return None if answer is None else not answer


def _of_leaf(criterion: Criterion, known: Known) -> Answer:
    situation = known.situation
    if isinstance(criterion, EventCount | AgedCount) and not known.has(criterion.core):
        return None
    if isinstance(criterion, AttributeFits):
        attribute = situation.calculated.get(criterion.name)
        if attribute is not None and not known.is_current and situation.state(attribute) is None:
            return None
    return criterion.holds(situation, situation.now_ms)


def _is_longer(asked_ms: int | None, kept_ms: int | None) -> bool:
    return kept_ms is not None and (asked_ms is None or asked_ms > kept_ms)

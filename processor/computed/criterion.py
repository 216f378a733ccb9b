"""Criteria: the leaves and knots of an audience's tree (docs/computed.md, "Criteria").

Each answers two questions about a situation: does it hold at an instant, and when may time alone
change that. The second may name too many instants, never too few.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import eq, ge, le
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

from processor.computed.calculation import COUNTED
from processor.computed.condition import RECENCY, Condition
from processor.computed.core import Core, number_since
from processor.computed.instant import iso
from processor.computed.situation import Situation
from processor.computed.window import Window

Comparison = Literal["at_least", "at_most", "exactly"]
_COMPARE: Final[Mapping[Comparison, Callable[[int, int], bool]]] = {
    "at_least": ge,
    "at_most": le,
    "exactly": eq,
}
_ABSENT: Final = ("exists", "empty")
"""Operators for which an attribute that was never observed is absent, and not 0."""


class Criterion(Protocol):
    """A rule about a person that holds or does not at any instant."""

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that, instants before *now_ms* among them."""

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values, for fingerprints."""


class All(Struct, frozen=True):
    """Holds where all of its criteria do."""

    criteria: tuple[Criterion, ...]

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        for one in self.criteria:  # noqa: SIM110 - a generator costs twice as much here
            if not one.holds(situation, now_ms):
                return False
        return True

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        for one in self.criteria:
            yield from one.instants(situation, now_ms)

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["all", [one.meaning for one in self.criteria]]


class AnyOf(Struct, frozen=True):
    """Holds where one of its criteria does."""

    criteria: tuple[Criterion, ...]

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        for one in self.criteria:  # noqa: SIM110 - likewise
            if one.holds(situation, now_ms):
                return True
        return False

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        for one in self.criteria:
            yield from one.instants(situation, now_ms)

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["any", [one.meaning for one in self.criteria]]


class Not(Struct, frozen=True):
    """Holds where its criterion does not."""

    criterion: Criterion

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        return not self.criterion.holds(situation, now_ms)

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        return self.criterion.instants(situation, now_ms)

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["not", self.criterion.meaning]


class EventCount(Struct, frozen=True):
    """Compares the number of matching events, over all time or within a length of it."""

    core: Core
    comparison: Comparison = "at_least"
    number: int = 1
    within_ms: int | None = None

    def count(self, situation: Situation, now_ms: int) -> int:
        """Return how many events count at *now_ms*, as far as the ring remembers."""
        times = situation.times(self.core.key)
        return (
            len(times) if self.within_ms is None else number_since(times, now_ms - self.within_ms)
        )

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        return _COMPARE[self.comparison](self.count(situation, now_ms), self.number)

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        del now_ms
        if self.within_ms is None:
            return
        times = situation.times(self.core.key)
        for rank in self._decisive():
            if 0 < rank <= len(times):
                yield times[-rank] + self.within_ms

    def _decisive(self) -> tuple[int, ...]:
        """Return which events, counted from the latest, change the answer as they leave."""
        if self.comparison == "at_least":
            return (self.number,)
        if self.comparison == "at_most":
            return (self.number + 1,)
        return (self.number + 1, self.number)

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["event", self.core.key.hex(), self.comparison, self.number, self.within_ms]


class AgedCount(Struct, frozen=True):
    """Compares the number of matching events of an age between *older_ms* and the window's."""

    core: Core
    window: Window
    older_ms: int
    comparison: Comparison = "at_least"
    number: int = 1

    def count(self, situation: Situation, now_ms: int) -> int:
        """Return how many events count at *now_ms*: as if each happened at the end of its part."""
        return sum(
            count
            for end_ms, count in self._ends(situation)
            if self.older_ms <= now_ms - end_ms < self.window.length_ms
        )

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        return _COMPARE[self.comparison](self.count(situation, now_ms), self.number)

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        del now_ms
        for end_ms, _ in self._ends(situation):
            yield end_ms + self.older_ms
            yield end_ms + self.window.length_ms

    def _ends(self, situation: Situation) -> Iterator[tuple[int, int]]:
        parts = situation.parts(self.core.key)
        for place in range(1, len(parts)):
            if parts[place] is not None:
                yield (parts[0] + place) * self.window.width_ms, parts[place]

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["aged", self.core.key.hex(), self.comparison, self.number, self.older_ms]


class AttributeFits(Struct, frozen=True):
    """A condition on a calculated attribute, or on a user attribute that none hides."""

    name: str
    condition: Condition

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        return self.condition.holds_of(self.raw(situation, now_ms), now_ms)

    def raw(self, situation: Situation, now_ms: int) -> object:
        """Return the value that the condition is asked of at *now_ms*, None for none."""
        attribute = situation.calculated.get(self.name)
        if attribute is None:
            return situation.facts.attributes.get(self.name)
        value = situation.value(attribute, now_ms)
        if value is None and attribute.type in COUNTED and self.condition.op not in _ABSENT:
            return 0
        return value

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        is_recency = self.condition.op in RECENCY
        if is_recency:
            yield from self.condition.instants((self.raw(situation, now_ms),))
        attribute = situation.calculated.get(self.name)
        if attribute is None or attribute.window is None:
            return
        for later_ms in set(attribute.calculation.instants(situation.state(attribute))):
            yield later_ms
            if is_recency:
                yield from self.condition.instants((self.raw(situation, later_ms),))

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["attribute", self.name, *self.condition.meaning]


class IdentityFits(Struct, frozen=True):
    """A condition on any identity of a type."""

    identity_type: str
    condition: Condition

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        return self.condition.holds(self.raws(situation), now_ms)

    def raws(self, situation: Situation) -> list[str]:
        """Return the values that the condition is asked of."""
        wanted = self.identity_type
        return [value for kind, value in situation.facts.identities if kind == wanted]

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        del now_ms
        return self.condition.instants(self.raws(situation))

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["identity", self.identity_type, *self.condition.meaning]


class ConsentIs(Struct, frozen=True):
    """Whether the answer to a purpose is *value*; no answer is neither."""

    regulation: str
    purpose: str
    value: bool = True

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        del now_ms
        purposes = situation.facts.consent_state.get(self.regulation) or {}
        answer = purposes.get(self.purpose) or {}
        return answer.get("consented") is self.value

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield nothing: time changes no consent."""
        del situation, now_ms
        return iter(())

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["consent", self.regulation, self.purpose, self.value]


class DeviceFits(Struct, frozen=True):
    """A condition on a field of any device of the person."""

    field: str
    condition: Condition

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        return self.condition.holds(self.raws(situation), now_ms)

    def raws(self, situation: Situation) -> list[object]:
        """Return the values that the condition is asked of."""
        return [device.get(self.field) for device in situation.facts.devices]

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        del now_ms
        return self.condition.instants(self.raws(situation))

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["device", self.field, *self.condition.meaning]


class FirstSeenFits(Struct, frozen=True):
    """A condition on when the profile was first seen."""

    condition: Condition

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        return self.condition.holds_of(iso(situation.facts.first_seen_ms), now_ms)

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        del now_ms
        return self.condition.instants((iso(situation.facts.first_seen_ms),))

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values."""
        return ["profile", "first_seen", *self.condition.meaning]


class AudienceFits(Struct, frozen=True):
    """Whether the person fits another audience at the same instant."""

    name: str
    criterion: Criterion | None
    """That audience's own tree; None where it is retired: nobody fits."""

    def holds(self, situation: Situation, now_ms: int) -> bool:
        """Whether it holds at *now_ms*."""
        return self.criterion is not None and self.criterion.holds(situation, now_ms)

    def instants(self, situation: Situation, now_ms: int) -> Iterator[int]:
        """Yield when time alone may change that."""
        return iter(()) if self.criterion is None else self.criterion.instants(situation, now_ms)

    @property
    def meaning(self) -> list[Any]:
        """What it asks, in plain values: the other audience's tree has a version of its own."""
        return ["audience", self.name]


def parts(criterion: Criterion) -> tuple[Criterion, ...]:
    """Return what a criterion is made of: nothing where it is a leaf."""
    match criterion:
        case All() | AnyOf():
            return criterion.criteria
        case Not():
            return (criterion.criterion,)
        case AudienceFits():
            return () if criterion.criterion is None else (criterion.criterion,)
        case _:
            return ()


def leaves(criterion: Criterion) -> Iterator[Criterion]:
    """Yield the leaves of a tree, in order; the trees of other audiences are not entered."""
    if isinstance(criterion, All | AnyOf):
        for one in criterion.criteria:
            yield from leaves(one)
    elif isinstance(criterion, Not):
        yield from leaves(criterion.criterion)
    else:
        yield criterion


def cores_of(criteria: Iterable[Criterion]) -> Iterator[Core]:
    """Yield what the criteria on events among *criteria* need to remember."""
    for tree in criteria:
        for leaf in leaves(tree):
            if isinstance(leaf, EventCount | AgedCount):
                yield leaf.core

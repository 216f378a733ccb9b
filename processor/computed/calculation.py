"""How each type of calculated attribute remembers events: twelve types, three shapes of state.

A state is plain data that msgpack can hold; None is the state of somebody without any event. No
function changes a state that it is given: it returns a new one, or the same object where nothing
is new (docs/computed.md, "Types").
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

from processor.computed.instant import iso
from processor.computed.number import Scalar, as_json, divide
from processor.computed.window import Parts, Window, inside, joined, with_value, without_before

Type = Literal[
    "count",
    "sum",
    "minimum",
    "maximum",
    "average",
    "most_frequent",
    "unique_list",
    "unique_count",
    "first_value",
    "last_value",
    "first_timestamp",
    "last_timestamp",
]
Value = Scalar | list[str]
Values = Callable[[int], Value | None]
"""The value of one state at an instant."""
State = Any

NUMERIC: Final = frozenset({"sum", "minimum", "maximum", "average"})
TEXTUAL: Final = frozenset({"most_frequent", "unique_list", "unique_count"})
TIMELESS: Final = frozenset({"count", "first_timestamp", "last_timestamp"})
"""Types that look at no attribute of their events."""
COUNTED: Final = frozenset({"count", "sum", "unique_count"})
"""Types that are 0 where there is nothing to look at."""
LATEST: Final = frozenset({"last_value", "last_timestamp"})
"""Types that are exact in a window, since one event decides alone."""
_INT64: Final = 2**63


class Taken(Struct, frozen=True, gc=False):
    """What one event gives to a calculated attribute."""

    time_ms: int
    numbers: tuple[tuple[int, int], ...] = ()
    """For numeric types: billionths, and how much each weighs."""
    texts: tuple[tuple[str, int], ...] = ()
    """For types of texts: each with how often it counts."""
    value: Scalar | None = None
    """For first_value and last_value."""


class Calculation(Protocol):
    """How a type remembers, shows, forgets and joins."""

    def fold(self, state: State, taken: Taken, now_ms: int) -> State:
        """Return *state* with one more event; itself if that changes nothing."""

    def value(self, state: State, now_ms: int) -> Value | None:
        """Return the value at an instant, None where there is none."""

    def values(self, state: State) -> Values:
        """Return the value as a function of the instant, for whoever asks about many."""

    def instants(self, state: State) -> Iterator[int]:
        """Yield the instants at which time alone may change the value."""

    def next_ms(self, state: State, now_ms: int) -> int | None:
        """Return the first of these instants that is after *now_ms*."""

    def join(self, state: State, other: State, now_ms: int) -> State:
        """Return the state as if the events of both had been one person's; ties go to *state*."""


class _Algebra(Struct, frozen=True):
    """What events add up to: one summary of them that can be combined with another."""

    of: Callable[[Taken], Any]
    combine: Callable[[Any, Any], Any]
    """Return the summary of both; the first of the two itself where the second is no news."""
    show: Callable[[Any], Value]


class Folded(Struct, frozen=True):
    """Events are folded into one summary, or into one per part of a window."""

    algebra: _Algebra
    window: Window | None
    empty: Value | None
    """What is shown when the window has run empty."""

    def fold(self, state: State, taken: Taken, now_ms: int) -> State:
        """Return *state* with one more event; itself if that changes nothing."""
        algebra, window = self.algebra, self.window
        if window is None:
            return algebra.of(taken) if state is None else algebra.combine(state, algebra.of(taken))
        part, oldest = window.part(taken.time_ms), window.oldest(now_ms)
        if part < oldest:
            return state
        parts = with_value(state or [], part, algebra.of(taken), algebra.combine)
        return state if parts is state else without_before(parts, oldest)

    def value(self, state: State, now_ms: int) -> Value | None:
        """Return the value at an instant, None where there is none."""
        return self.values(state)(now_ms)

    def values(self, state: State) -> Values:
        """Return the value as a function of the instant: each part is looked at once."""
        window, empty, show = self.window, self.empty, self.algebra.show
        if state is None or window is None:
            always = None if state is None else show(state)
            return lambda _: always
        if not state:
            return lambda _: empty
        first, totals = state[0], self._totals(state)

        def value(now_ms: int) -> Value | None:
            place = max(window.oldest(now_ms) - first, 0)
            return show(totals[place]) if place < len(totals) else empty

        return value

    def _totals(self, parts: Parts) -> list[Any]:
        """Return for each part what it and all later ones come to together."""
        totals: list[Any] = []
        combine = self.algebra.combine
        total = parts[-1]
        for value in reversed(parts[1:]):
            if value is not None and totals:
                total = combine(value, total)
            totals.append(total)
        totals.reverse()
        return totals

    def instants(self, state: State) -> Iterator[int]:
        """Yield the instants at which time alone may change the value."""
        if state and self.window is not None:
            yield from _leavings(self.window, state)

    def next_ms(self, state: State, now_ms: int) -> int | None:
        """Return the first of these instants that is after *now_ms*."""
        window = self.window
        if not state or window is None:
            return None
        part = next((number for number, _ in inside(window, state, now_ms)), None)
        return None if part is None else window.leaves_ms(part)

    def join(self, state: State, other: State, now_ms: int) -> State:
        """Return the state as if the events of both had been one person's."""
        if self.window is None:
            return self.algebra.combine(state, other)
        oldest = self.window.oldest(now_ms)
        own, others = without_before(state, oldest), without_before(other, oldest)
        return joined(own, others, self.algebra.combine)


class Latest(Struct, frozen=True):
    """One event decides: the latest. In a window it leaves at its exact instant."""

    algebra: _Algebra
    """Its summaries begin with the time of the event."""
    window: Window | None

    def fold(self, state: State, taken: Taken, now_ms: int) -> State:
        """Return *state* with one more event; itself if that changes nothing."""
        if self.window is not None and now_ms - taken.time_ms >= self.window.length_ms:
            return state
        new = self.algebra.of(taken)
        return new if state is None else self.algebra.combine(state, new)

    def value(self, state: State, now_ms: int) -> Value | None:
        """Return the value at an instant, None where there is none."""
        if state is None:
            return None
        if self.window is not None and now_ms - state[0] >= self.window.length_ms:
            return None
        return self.algebra.show(state)

    def values(self, state: State) -> Values:
        """Return the value as a function of the instant."""
        return lambda now_ms: self.value(state, now_ms)

    def instants(self, state: State) -> Iterator[int]:
        """Yield the instants at which time alone may change the value."""
        if state is not None and self.window is not None:
            yield state[0] + self.window.length_ms

    def next_ms(self, state: State, now_ms: int) -> int | None:
        """Return the first of these instants that is after *now_ms*."""
        return next((time_ms for time_ms in self.instants(state) if time_ms > now_ms), None)

    def join(self, state: State, other: State, now_ms: int) -> State:
        """Return the later of both; of two at one time *state*."""
        del now_ms
        return other if other[0] > state[0] else state


def _leavings(window: Window, parts: Parts) -> Iterator[int]:
    for place in range(1, len(parts)):
        if parts[place] is not None:
            yield window.leaves_ms(parts[0] + place - 1)


Stored = int | str
"""A number of billionths in a state: its decimal text where 64 bits are too few."""


def _stored(number: int) -> Stored:
    return number if -_INT64 <= number < _INT64 else str(number)


def _plus(known: Stored, more: Stored) -> Stored:
    return known if more == 0 else _stored(int(known) + int(more))


def _total(taken: Taken) -> Stored:
    return _stored(sum(number for number, _ in taken.numbers))


def _weighed(taken: Taken) -> list[Stored]:
    total = sum(number * weight for number, weight in taken.numbers)
    return [_stored(total), _stored(sum(weight for _, weight in taken.numbers))]


def _mean(summary: list[Stored]) -> Value:
    return as_json(divide(int(summary[0]), int(summary[1])))


def _shown(number: Stored) -> Value:
    return as_json(int(number))


def _later(known: list[Any], new: list[Any]) -> list[Any]:
    """Return what happened later; of two at one time the later arrival."""
    is_same = known == new and [*map(type, known)] == [*map(type, new)]
    return known if is_same or new[0] < known[0] else new


_ALGEBRAS: Final[dict[str, _Algebra]] = {
    "count": _Algebra(lambda _: 1, lambda known, more: known + more, int),
    "sum": _Algebra(_total, _plus, _shown),
    "minimum": _Algebra(
        lambda taken: _stored(min(number for number, _ in taken.numbers)),
        lambda known, new: new if int(new) < int(known) else known,
        _shown,
    ),
    "maximum": _Algebra(
        lambda taken: _stored(max(number for number, _ in taken.numbers)),
        lambda known, new: new if int(new) > int(known) else known,
        _shown,
    ),
    "average": _Algebra(
        _weighed,
        lambda known, more: [_plus(known[0], more[0]), _plus(known[1], more[1])],
        _mean,
    ),
    "first_value": _Algebra(
        lambda taken: [taken.time_ms, taken.value],
        lambda known, new: new if new[0] < known[0] else known,
        lambda summary: summary[1],
    ),
    "first_timestamp": _Algebra(lambda taken: taken.time_ms, min, iso),
    "last_value": _Algebra(
        lambda taken: [taken.time_ms, taken.value], _later, lambda summary: summary[1]
    ),
    "last_timestamp": _Algebra(
        lambda taken: [taken.time_ms], _later, lambda summary: iso(summary[0])
    ),
}


def folded(type_: Type, window: Window | None) -> Calculation:
    """Return the calculation of a type that needs no memory of single values."""
    if type_ in LATEST:
        return Latest(_ALGEBRAS[type_], window)
    return Folded(_ALGEBRAS[type_], window, 0 if type_ in COUNTED else None)

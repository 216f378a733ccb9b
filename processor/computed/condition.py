"""Conditions ``{attribute, op, value}`` on the values of an event or a person.

A condition is compiled once, when the configuration is loaded, to a test of the values that its
attribute has (docs/computed.md, "Conditions").
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from processor.computed.event import entries
from processor.computed.instant import DAY_MS, duration_ms, instant_ms, is_date
from processor.computed.number import Scalar, billionths, text_of

Test = Callable[[Scalar, int], bool]
"""Whether one value fits at an instant."""

_NEGATED: Final = frozenset(
    {"not_exists", "not_equals", "not_contains", "not_pattern", "not_in"},
)
_BARE: Final = ("exists", "empty")
_PLAIN: Final = (str, bool, int)
RECENCY: Final = ("within", "older", "ahead")
"""Operators whose answer changes with time alone."""


class Condition(Struct, frozen=True, gc=False):
    """An operator with its operand, ready to be asked."""

    op: str
    """The operator without ``not_``."""
    is_negated: bool
    said: Any
    """The operand in one form, for fingerprints: durations and dates in ms."""
    test: Test

    def holds(self, raws: Iterable[object], now_ms: int = 0) -> bool:
        """Whether the values *raws* fit at *now_ms*; null is missing, a list is its entries.

        Of several values one that fits is enough; a negated operator holds where none does.
        """
        for raw in raws:
            if self._fits(raw, now_ms):
                return not self.is_negated
        return self.is_negated

    def holds_of(self, raw: object, now_ms: int = 0) -> bool:
        """Whether one value fits at *now_ms*; None: it is missing."""
        return self._fits(raw, now_ms) is not self.is_negated

    def _fits(self, raw: object, now_ms: int) -> bool:
        if type(raw) in _PLAIN:
            return self.op == "exists" or self.test(raw, now_ms)  # type: ignore[arg-type]  # scalars
        if raw is None:
            return False
        if self.op in _BARE:
            return self.op == "exists" or raw == [] or "" in entries(raw)
        test = self.test
        return any(test(value, now_ms) for value in entries(raw))

    def instants(self, raws: Iterable[object]) -> Iterator[int]:
        """Yield the instants at which time alone may change the answer."""
        if self.op not in RECENCY:
            return
        for raw in raws:
            for value in entries(raw):
                time_ms = instant_ms(value)
                if time_ms is not None:
                    yield time_ms
                    yield time_ms + (-self.said if self.op == "ahead" else self.said)

    @property
    def meaning(self) -> list[Any]:
        """What the condition asks, in plain values, for fingerprints."""
        return [self.op, self.is_negated, self.said]


def condition_of(op: str, operand: object) -> Condition:
    """Return the condition that *op* and *operand* write; None stands for no operand.

    ValueError says why *op*, one of OPERATORS, cannot use the operand.
    """
    is_negated = op in _NEGATED
    plain = op.removeprefix("not_") if is_negated else op
    if plain in _BARE:
        if operand is not None:
            raise ValueError(f"{op} takes no value; remove it")
        return Condition(plain, is_negated, None, _is_empty)
    if operand is None:
        raise ValueError(f"is missing; {op} compares with a value")
    said, test = _MAKERS[plain](operand)
    return Condition(plain, is_negated, said, test)


def matches_pattern(pattern: str, text: str, widths: Sequence[int] = ()) -> bool:
    """Whether *pattern* fits the whole *text*: ``*`` is any characters, ``?`` is one.

    Where a folded *text* has more characters than it had before, *widths* says at each place how
    many of them were one; 0: that began further left, and is not ``?`` by itself.

    It never goes back further than to the last star, so a hostile text costs no more than the
    product of both lengths.
    """
    at = star = mark = 0
    has_star = False
    place = 0
    while at < len(text):
        sign = pattern[place] if place < len(pattern) else ""
        if sign == "*":
            has_star, star, mark = True, place, at
            place += 1
        elif sign == "?" and (not widths or widths[at]):
            place += 1
            at += widths[at] if widths else 1
        elif sign and sign == text[at]:
            place += 1
            at += 1
        elif has_star:
            mark += 1
            place, at = star + 1, mark
        else:
            return False
    return not pattern[place:].strip("*")


Made = tuple[Any, Test]


def _is_empty(value: Scalar, _: int) -> bool:
    return value == ""


def _same(operand: object) -> Made:
    if isinstance(operand, bool | str):
        wanted = text_of(operand).casefold()
        return wanted, lambda value, _: text_of(value).casefold() == wanted
    number = billionths(operand)
    if number is None:
        raise ValueError("must be a text, a number of less than 10^15, or true or false")
    return number, lambda value, _: billionths(value) == number


def _among(operand: object) -> Made:
    if not isinstance(operand, list | tuple) or not operand:
        raise ValueError("must be a list of texts, numbers or booleans")
    made = [_same(one) for one in operand]
    texts = frozenset(said for said, _ in made if isinstance(said, str))
    numbers = frozenset(said for said, _ in made if isinstance(said, int))

    def test(value: Scalar, _: int) -> bool:
        if text_of(value).casefold() in texts:
            return True
        return bool(numbers) and billionths(value) in numbers

    return [sorted(texts), sorted(numbers)], test


def _contains(operand: object) -> Made:
    part = _text(operand).casefold()
    return part, lambda value, _: part in text_of(value).casefold()


def _pattern(operand: object) -> Made:
    pattern = _text(operand).casefold()

    def test(value: Scalar, _: int) -> bool:
        text = text_of(value)
        folded = text.casefold()
        is_longer = len(folded) != len(text)
        return matches_pattern(pattern, folded, _widths(text) if is_longer else ())

    return pattern, test


def _widths(text: str) -> list[int]:
    """Return at each place of a folded *text* how many characters were one: ß is folded to two."""
    lengths = [len(sign.casefold()) for sign in text]
    return [length if place == 0 else 0 for length in lengths for place in range(length)]


def _ordered(fits: Callable[[int, int], bool]) -> Callable[[object], Made]:
    def make(operand: object) -> Made:
        bound = _number(operand)

        def test(value: Scalar, _: int) -> bool:
            number = billionths(value)
            return number is not None and fits(number, bound)

        return bound, test

    return make


def _dated(fits: Callable[[int, range], bool]) -> Callable[[object], Made]:
    """Make a test of an instant against those that the operand names: a day's, or one."""

    def make(operand: object) -> Made:
        first = instant_ms(operand)
        if first is None or isinstance(operand, bool | int | float):
            raise ValueError("must be a date, as 2026-01-31, or a date-time")
        day = range(first, first + (DAY_MS if is_date(operand) else 1))

        def test(value: Scalar, _: int) -> bool:
            time_ms = instant_ms(value)
            return time_ms is not None and fits(time_ms, day)

        return [day.start, day.stop], test

    return make


def _aged(fits: Callable[[int, int], bool]) -> Callable[[object], Made]:
    """Make a test of a value's age, negative where it lies in the future."""

    def make(operand: object) -> Made:
        length = duration_ms(operand)

        def test(value: Scalar, now_ms: int) -> bool:
            time_ms = instant_ms(value)
            return time_ms is not None and fits(now_ms - time_ms, length)

        return length, test

    return make


def _text(operand: object) -> str:
    if not isinstance(operand, str) or not operand:
        raise ValueError("must be a text")
    return operand


def _number(operand: object) -> int:
    number = None if isinstance(operand, str) else billionths(operand)
    if number is None:
        raise ValueError("must be a number of less than 10^15")
    return number


_MAKERS: Final = {
    "equals": _same,
    "contains": _contains,
    "pattern": _pattern,
    "in": _among,
    "less": _ordered(lambda number, bound: number < bound),
    "at_most": _ordered(lambda number, bound: number <= bound),
    "greater": _ordered(lambda number, bound: number > bound),
    "at_least": _ordered(lambda number, bound: number >= bound),
    "before": _dated(lambda time, day: time < day.start),
    "after": _dated(lambda time, day: time >= day.start),
    "on": _dated(lambda time, day: time in day),
    "within": _aged(lambda age, length: 0 <= age < length),
    "older": _aged(lambda age, length: age >= length),
    "ahead": _aged(lambda age, length: -length <= age < 0),
}
OPERATORS: Final[Sequence[str]] = (*_BARE, *_MAKERS, *sorted(_NEGATED))
"""Every operator there is."""

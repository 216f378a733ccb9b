"""Calculated attributes as they are defined, and what each takes from an event."""

from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct

from processor.computed.calculation import (
    LATEST,
    NUMERIC,
    TEXTUAL,
    TIMELESS,
    Calculation,
    Taken,
    Type,
    Value,
    folded,
)
from processor.computed.collection import Collection
from processor.computed.event import Object, Path, entries
from processor.computed.fingerprint import fingerprint
from processor.computed.number import UNIT, Scalar, billionths, text_of
from processor.computed.selector import Match
from processor.computed.window import Window

__all__ = [
    "CalculatedAttribute",
    "Interest",
    "Value",
    "calculated_attribute",
    "interest_of",
    "most_values",
]

MOST_VALUES: Final = {"unique_list": 100, "most_frequent": 100, "unique_count": 1000}
"""How many values a type takes up: the default, and the most."""
LONGEST_TEXT: Final = 512
LONGEST_VALUE: Final = 4096


class CalculatedAttribute(Struct, frozen=True):
    """A calculated attribute: which events it looks at, for what, and since when."""

    name: str
    version: int
    type: Type
    event: str
    """The name of its selector."""
    path: Path | None
    since_ms: int | None
    window: Window | None
    most_values: int
    is_prompt: bool
    """Whether the stored profile changes when the value does by time alone."""
    calculation: Calculation
    mark: bytes
    """The fingerprint of its meaning."""


class Written(Struct, frozen=True):
    """A calculated attribute as a configuration writes it, checked."""

    name: str
    type: Type
    event: str
    version: int = 1
    path: Path | None = None
    since_ms: int | None = None
    window: Window | None = None
    max_values: int | None = None
    is_prompt: bool = False


def most_values(type_: str) -> int:
    """Return how many values a type follows at most, 0 where it follows none."""
    return MOST_VALUES.get(type_, 0)


def calculated_attribute(
    written: Written,
    selector_meaning: Any,  # noqa: ANN401 - plain values
) -> CalculatedAttribute:
    """Return the attribute that is *written*, of events that its selector means."""
    type_, window, path = written.type, written.window, written.path
    most = most_values(type_) if written.max_values is None else written.max_values
    length = None if window is None else window.length_ms
    width = None if window is None or type_ in LATEST else window.width_ms
    where = None if path is None else path.text
    meaning = [type_, selector_meaning, where, length, width, written.since_ms, most]
    mark = fingerprint(meaning)
    if type_ in TEXTUAL:
        key = mark if type_ == "unique_count" else None
        made: Calculation = Collection(window, most, type_ == "most_frequent", key)
    else:
        made = folded(type_, window)
    return CalculatedAttribute(
        name=written.name,
        version=written.version,
        type=type_,
        event=written.event,
        path=path,
        since_ms=written.since_ms,
        window=window,
        most_values=most,
        is_prompt=written.is_prompt,
        calculation=made,
        mark=mark,
    )


Found = list[tuple[Scalar, Object | None]]
"""Scalars, each with the product or promotion that it stands in."""


class Interest(NamedTuple):
    """What attributes may look for in an event: those that look for the same take the same."""

    path: Path | None
    """None: only the time of the event."""
    form: Literal["time", "numbers", "texts", "first", "last"]
    weighs: bool = False
    """Whether a product counts by its quantity."""

    def take(self, match: Match) -> tuple[Taken | None, int]:
        """Return what is taken from an event, None where that has no value for it.

        The number is how many values were too long to be taken.
        """
        time_ms = match.event.time_ms
        if self.path is None:
            return Taken(time_ms), 0
        found = _found(self.path, match)
        if self.form == "numbers":
            return self._numbers(found, time_ms), 0
        return self._texts(found, time_ms)

    def _texts(self, found: Found, time_ms: int) -> tuple[Taken | None, int]:
        longest = LONGEST_TEXT if self.form == "texts" else LONGEST_VALUE
        usable = [(one, item) for one, item in found if one != ""]
        short = [(one, item) for one, item in usable if len(text_of(one)) <= longest]
        bounded = len(usable) - len(short)
        if not short:
            return None, bounded
        if self.form != "texts":
            place = -1 if self.form == "last" else 0
            return Taken(time_ms, value=short[place][0]), bounded
        weighs = self.weighs
        texts = [(text_of(one), _times(one, item) if weighs else 1) for one, item in short]
        return Taken(time_ms, texts=tuple(texts)), bounded

    def _numbers(self, found: Found, time_ms: int) -> Taken | None:
        weighs = self.weighs
        numbers = tuple(
            [
                (number, _weight(item) if weighs else 1)
                for one, item in found
                if (number := billionths(one)) is not None
            ]
        )
        return Taken(time_ms, numbers=numbers) if numbers else None


def interest_of(attribute: CalculatedAttribute) -> Interest:
    """Return what *attribute* looks for in an event."""
    path, type_ = attribute.path, attribute.type
    if type_ in TIMELESS or path is None:
        return Interest(None, "time")
    if type_ in NUMERIC:
        return Interest(path, "numbers", type_ == "average" and path.text == "product.price")
    if type_ in TEXTUAL:
        return Interest(path, "texts", type_ == "most_frequent" and path.place == "product")
    return Interest(path, "last" if type_ in LATEST else "first")


def _found(path: Path, match: Match) -> Found:
    event = match.event
    if path.place == "product":
        items = event.products if match.products is None else match.products
    elif path.place == "promotion":
        items = event.promotions if match.promotions is None else match.promotions
    else:
        return [(one, None) for one in entries(path.of_event(event))]
    return [(one, item) for item in items for one in entries(path.of_item(item))]


def _weight(item: Object | None) -> int:
    """Return the quantity of a product in billionths; one where it says none."""
    quantity = billionths((item or {}).get("quantity"))
    return quantity if quantity is not None and quantity > 0 else UNIT


def _times(one: Scalar, item: Object | None) -> int:
    """Return how often a text counts: its product's quantity; a number counts once."""
    return max(_weight(item) // UNIT, 1) if isinstance(one, str) else 1

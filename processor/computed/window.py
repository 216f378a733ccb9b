"""Sliding windows: a state is kept in parts of one width, and a part leaves as a whole.

An event at *t* counts as if it happened at the end of its part, so it never leaves early, and late
by at most the part's width (docs/computed.md, "Windows"). Parts are a flat list ``[number of the
first part, value, value, ...]`` with None in gaps: the shortest form that msgpack has for it.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from processor.computed.instant import DAY_MS, HOUR_MS, MINUTE_MS

Parts = list[Any]

MOST_PARTS: Final = 400
_SHARE: Final = 24
_WIDTHS: Final = (
    *(n * DAY_MS for n in (28, 14, 7, 2, 1)),
    *(n * HOUR_MS for n in (12, 6, 3, 2, 1)),
    *(n * MINUTE_MS for n in (30, 15, 10, 5, 2, 1)),
)


def default_width_ms(length_ms: int) -> int:
    """Return the widest customary width of which a window of *length_ms* has 24 or more."""
    return next((width for width in _WIDTHS if _SHARE * width <= length_ms), MINUTE_MS)


class Window(Struct, frozen=True, gc=False):
    """A sliding window: events of the last *length_ms*, kept in parts of *width_ms*."""

    length_ms: int
    width_ms: int

    @property
    def most_parts(self) -> int:
        """How many parts can be inside at once."""
        return -(-self.length_ms // self.width_ms) + 1

    def part(self, time_ms: int) -> int:
        """Return the number of the part that an event at *time_ms* belongs to."""
        return time_ms // self.width_ms

    def leaves_ms(self, part: int) -> int:
        """Return the instant from which *part* is outside."""
        return (part + 1) * self.width_ms + self.length_ms

    def oldest(self, now_ms: int) -> int:
        """Return the number of the oldest part that is inside at *now_ms*."""
        return (now_ms - self.length_ms) // self.width_ms


def inside(window: Window, parts: Parts, now_ms: int) -> Iterator[tuple[int, Any]]:
    """Yield number and value of the parts that are inside at *now_ms*, oldest first."""
    if not parts:
        return
    first, oldest = parts[0], window.oldest(now_ms)
    for place in range(max(oldest - first, 0) + 1, len(parts)):
        value = parts[place]
        if value is not None:
            yield first + place - 1, value


def with_value(parts: Parts, part: int, value: Any, combine: Callable[[Any, Any], Any]) -> Parts:  # noqa: ANN401 - a state's value
    """Return *parts* with *value* combined into one of them; the same object if that is no news.

    Those that no window holds together with *part* may be missing.
    """
    if not parts:
        return [part, value]
    first, last = parts[0], parts[0] + len(parts) - 2
    if part < first:
        return [part, value, *[None] * (first - part - 1), *parts[1:]]
    if part > last:
        gap = part - last - 1  # of any length; where no window is as long, all before it have left
        return [part, value] if gap >= MOST_PARTS else [*parts, *[None] * gap, value]
    place = part - first + 1
    known = parts[place]
    both = value if known is None else combine(known, value)
    if both == known:
        return parts
    return [*parts[:place], both, *parts[place + 1 :]]


def without_before(parts: Parts, oldest: int) -> Parts:
    """Return *parts* from number *oldest* on, no empty one in front; empty if none is left."""
    if not parts or parts[0] >= oldest:
        return parts
    place = oldest - parts[0] + 1
    while place < len(parts) and parts[place] is None:
        place += 1
    return [parts[0] + place - 1, *parts[place:]] if place < len(parts) else []


def joined(parts: Parts, others: Parts, combine: Callable[[Any, Any], Any]) -> Parts:
    """Return the parts of both, values of one part combined."""
    for place in range(1, len(others)):
        if others[place] is not None:
            parts = with_value(parts, others[0] + place - 1, others[place], combine)
    return parts

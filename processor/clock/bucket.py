"""Buckets of time: minutes, hours and days of UTC, finer the nearer an instant is.

A minute opens at its end. An hour and a day open one width before they begin, so that what lies in
them is spread over finer buckets in time, and not all at once.
"""

from typing import Final, NamedTuple

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

_WIDTHS: Final = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_MINUTES_WITHIN: Final = 2 * HOUR_MS
_HOURS_WITHIN: Final = 2 * DAY_MS


class Bucket(NamedTuple):
    """One bucket: its unit (m, h or d), and its number, which is its start divided by its width."""

    unit: str
    number: int

    @property
    def name(self) -> str:
        """As documents and keys name it: ``m29454061``."""
        return f"{self.unit}{self.number}"

    @property
    def start_ms(self) -> int:
        """The first instant in it."""
        return self.number * _WIDTHS[self.unit]

    @property
    def end_ms(self) -> int:
        """The first instant after it."""
        return (self.number + 1) * _WIDTHS[self.unit]

    @property
    def opens_ms(self) -> int:
        """When its entries are looked at."""
        return self.end_ms if self.unit == "m" else self.start_ms - _WIDTHS[self.unit]

    def is_within(self, other: "Bucket") -> bool:
        """Whether it is *other*, or a part of it."""
        return other.start_ms <= self.start_ms and self.end_ms <= other.end_ms


def bucket_of(due_ms: int, now_ms: int) -> Bucket:
    """Return the bucket for what is due at *due_ms*, as of *now_ms*.

    One for a time to come is never open yet, and opens a minute after *due_ms* at the latest.
    """
    ahead = due_ms - now_ms
    unit = "m" if ahead <= _MINUTES_WITHIN else "h" if ahead <= _HOURS_WITHIN else "d"
    return Bucket(unit, due_ms // _WIDTHS[unit])


def bucket_named(name: str) -> Bucket | None:
    """Return the bucket of a *name*, None where there is none of that name."""
    unit, number = name[:1], name[1:]
    is_number = number.removeprefix("-").isdecimal() and number.isascii()
    return Bucket(unit, int(number)) if unit in _WIDTHS and is_number else None

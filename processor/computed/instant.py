"""Durations, dates and instants of definitions and attribute values, in UTC milliseconds."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from processor.computed.number import UNIT, billionths

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
LONGEST_MS: Final = 3660 * DAY_MS

_UNITS: Final = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,4})([mhdw])", re.ASCII)
_DATE: Final = r"\d{4}-\d\d-\d\d"
_ZONE: Final = r"(Z|z|[+-]\d\d:?\d\d)?"
_INSTANT: Final = re.compile(
    rf"{_DATE}([Tt ]\d\d:\d\d(:\d\d(\.\d{{1,9}})?)?{_ZONE})?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UTC_OFFSET: Final = "+00:00"
_MILLISECOND: Final = timedelta(milliseconds=1)
_LEAST_EPOCH: Final = 10**11
"""A number below this many milliseconds (March 1973) is taken for something else than a time."""


def duration_ms(text: object) -> int:
    """Return a duration such as ``30d`` in milliseconds; ValueError says what one looks like."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("is no duration; write 1 to 99999 and m, h, d or w, as 30d")
    length = int(found[1]) * _UNITS[found[2]]
    if length > LONGEST_MS:
        raise ValueError("is too long; 3660d is the longest duration")
    return length


def is_date(value: object) -> bool:
    """Whether *value* names a whole day: a date without a time."""
    if isinstance(value, str):
        return re.fullmatch(_DATE, value.strip(), re.ASCII) is not None
    return isinstance(value, date) and not isinstance(value, datetime)


def instant_ms(value: object) -> int | None:
    """Return the instant that *value* names, None where it names none.

    It is an ISO date (its midnight), a date-time (UTC where it names no zone), or a number of
    milliseconds since 1970 from 10^11 on. Parts of a millisecond are dropped.
    """
    if isinstance(value, date):
        return _milliseconds(value if isinstance(value, datetime) else _midnight(value))
    if isinstance(value, str) and _INSTANT.fullmatch(text := value.strip()):
        try:
            return _milliseconds(datetime.fromisoformat(text.upper()))
        except ValueError:
            return None
    number = billionths(value)
    if number is None or number < _LEAST_EPOCH * UNIT:
        return None
    return number // UNIT


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _milliseconds(time: datetime) -> int:
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - _EPOCH) // _MILLISECOND


def iso(time_ms: int) -> str:
    """Return an instant as ISO 8601 in UTC, always with milliseconds."""
    try:
        time = _EPOCH + timedelta(milliseconds=time_ms)
    except OverflowError:
        time = datetime.max.replace(tzinfo=UTC)
    return time.isoformat(timespec="milliseconds").removesuffix(_UTC_OFFSET) + "Z"

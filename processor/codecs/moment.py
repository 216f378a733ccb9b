"""Times as clients write them: numbers in some unit, and text in some form."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII)
_DAY: Final = re.compile(r"(?:19|20)[0-9]{6}", re.ASCII)
_PRINTED: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]+([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)"
    r"\s*(Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?(?: [A-Z]{3,4})?",
    re.ASCII,
)
"""ISO 8601 as programming languages print it, such as ``2021-10-16 16:00:27 +0000 UTC``."""
_BROWSER: Final = re.compile(
    r"[A-Z]{3} ([A-Z]{3}) ([0-9]{1,2}) ([0-9]{4}) ([0-9:]{8}) (?:GMT|UTC)([+-][0-9]{4}).*",
    re.ASCII,
)
"""As JavaScript's ``Date`` prints itself."""
_HALF: Final = re.compile(r"\b[AP]\.?M\b", re.ASCII)
_HALF_DAY: Final = re.compile(
    r"(.*[0-9]) ?([AP])\.?M\.?( (?:UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?", re.ASCII
)
"""A clock of twelve hours, such as ``Oct 16, 2021 at 4:00:27 PM``."""
_ONE_DIGIT: Final = re.compile(r"(?<![0-9:])([0-9]):", re.ASCII)
_HOURS: Final = range(1, 13)
_UNITS: Final = ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (1e20, 1e-6))
"""Numbers below the first are in a unit of so many milliseconds: s, ms, µs or ns."""
_LONGEST: Final = 64


def milliseconds_of(value: object) -> int | None:
    """Return a time in milliseconds since 1970, None where it cannot be read.

    Numbers, also as text, are seconds, milliseconds, microseconds or nanoseconds by their size;
    text is ISO 8601, RFC 2822, or as a language prints it. Without a zone it is UTC. A time before
    1970 counts as 1970.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _of_number(value)
    if not isinstance(value, str) or len(value) > _LONGEST:
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text) and not _DAY.fullmatch(text):
        return _of_number(float(text) if "." in text else int(text))
    return _of_text(text.upper())


def text_of_moment(time_ms: int) -> str:
    """Return a time in milliseconds since 1970 as ISO 8601, in UTC."""
    time = _EPOCH + timedelta(milliseconds=time_ms)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number_of(value: object) -> float | None:
    """Return a number that was sent as such or as text, None where it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value) if "." in value else int(value)
    return None


def _of_number(number: float) -> int | None:
    for bound, factor in _UNITS:
        if abs(number) < bound:
            return max(int(number if factor == 1 else number * factor), 0)
    return None


def _of_text(text: str) -> int | None:
    # Nearly all are in ISO 8601, and the parts of a day are in none of these.
    time = _read(text, (_iso,)) or _told(" ".join(text.split()).replace(" AT ", " "))
    if time is None:
        return None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return max((time - _EPOCH) // timedelta(milliseconds=1), 0)


def _told(text: str) -> datetime | None:
    """Read a time as people and languages write it, by a clock of 24 hours or of twelve."""
    half = _HALF_DAY.fullmatch(text)
    if half is None:
        # What reads mail would overlook which half of a day it is.
        return None if _HALF.search(text) else _read(text, (_printed, _mailed))
    padded = _ONE_DIGIT.sub(r"0\1:", half[1], count=1)
    time = _read(f"{padded}{half[3] or ''}", (_iso, _printed, _mailed))
    if time is None or time.hour not in _HOURS:
        return None
    return time.replace(hour=time.hour % 12 + (12 if half[2] == "P" else 0))


def _read(text: str, forms: Iterable[Callable[[str], datetime]]) -> datetime | None:
    for form in forms:
        try:
            return form(text)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def _iso(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _printed(text: str) -> datetime:
    found = _PRINTED.fullmatch(text)
    if found is None:
        raise ValueError
    zone = found[3] or ""
    return datetime.fromisoformat(f"{found[1]}T{found[2]}{'Z' if zone in {'UTC', 'GMT'} else zone}")


def _mailed(text: str) -> datetime:
    """Read RFC 2822, and what browsers print in place of it."""
    found = _BROWSER.fullmatch(text)
    if found is not None:
        text = f"{found[2]} {found[1]} {found[3]} {found[4]} {found[5]}"
    return parsedate_to_datetime(text)

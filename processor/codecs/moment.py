"""Times as clients write them: numbers in some unit, and text in some form."""

import re
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
    for form in (_iso, _printed, _mailed):
        try:
            time = form(text)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        return max((time - _EPOCH) // timedelta(milliseconds=1), 0)
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

"""Times as people read them: UTC, to the second."""

from datetime import UTC, datetime


def moment(time_ms: int) -> str:
    """Return a time in milliseconds since 1970 as text; as its number where no calendar has it."""
    try:
        found = datetime.fromtimestamp(time_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return str(time_ms)
    return found.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def clock_time(time_ms: int) -> str:
    """Return the time of the day of *time_ms*."""
    return moment(time_ms)[-8:]

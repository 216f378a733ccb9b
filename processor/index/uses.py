"""Uses of ``source_request_id``: how they are kept in time, alike for both indexes (pure).

They lie in buckets of record time that the store can drop whole. A bucket is at least as wide as
the window, so that three of them hold every use that can matter. Only a record that is no
duplicate leaves a use: otherwise a replay of the first one would find the second's.
"""

from functools import lru_cache

from processor.index.port import Use

HOUR_MS = 3_600_000
_MOST_MS = 2**52
"""Times beyond it (year 144,683) are cut: they stay exact as floating-point numbers in Lua."""


@lru_cache(maxsize=64)
def width_ms(window_ms: int) -> int:
    """Return the width of the buckets: an hour, doubled until the window fits.

    So a change of the window that stays within the same doubling forgets nothing.
    """
    width = HOUR_MS
    while width < window_ms:
        width *= 2
    return width


def bounded_ms(use: Use) -> int:
    """Return the time of *use*, kept within what can be told apart."""
    time = use.time_ms
    return time if -_MOST_MS < time < _MOST_MS else max(-_MOST_MS, min(time, _MOST_MS))


def buckets(time_ms: int, window_ms: int) -> tuple[int, ...]:
    """Return the numbers of the buckets that may hold a use that matters, its own first."""
    width = width_ms(window_ms)
    own = time_ms // width
    first, last = (time_ms - window_ms + 1) // width, (time_ms + window_ms - 1) // width
    if first == last:
        return (own,)
    return (own, *(number for number in range(first, last + 1) if number != own))


def is_duplicate(used: dict[tuple[int, bytes], list[Use]], use: Use | None) -> bool:
    """Note the use of a request id; tell whether another record had used it within the window."""
    if use is None or use.window_ms <= 0:
        return False
    time = bounded_ms(use)
    uses = used.setdefault((width_ms(use.window_ms), use.token), [])
    near = [one for one in uses if abs(bounded_ms(one) - time) < use.window_ms]
    if any(one.coordinates == use.coordinates for one in near):
        return False
    if near:
        return True
    uses.append(use)
    return False

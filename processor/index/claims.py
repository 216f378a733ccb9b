"""When a ``source_request_id`` counts as used before, alike for both indexes (pure).

Claims lie in buckets of record time that the store can drop whole. A bucket is at least as wide as
the window, so that three of them hold every claim that can matter. Only a record that is no
duplicate leaves a claim: otherwise a replay of the first one would find the second's.
"""

from processor.space import Claim

HOUR_MS = 3_600_000
_MOST_MS = 2**52
"""Times beyond it (year 144,683) are hostile; it keeps them exact as floating-point numbers."""


def width_ms(claim: Claim) -> int:
    """Return the width of the buckets: an hour, doubled until the window fits.

    So a change of the window within an hour forgets nothing.
    """
    width = HOUR_MS
    while width < claim.window_ms:
        width *= 2
    return width


def time_ms(claim: Claim) -> int:
    """Return the claim's time, kept within what can be told apart."""
    return max(-_MOST_MS, min(claim.time_ms, _MOST_MS))


def buckets(claim: Claim) -> tuple[int, ...]:
    """Return the numbers of the buckets that may hold a claim that matters, its own first."""
    width, time = width_ms(claim), time_ms(claim)
    own = time // width
    reach = max(claim.window_ms, 1) - 1
    around = range((time - reach) // width, (time + reach) // width + 1)
    return (own, *(number for number in around if number != own))

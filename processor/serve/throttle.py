"""The rate of each token: a bucket that fills while nobody asks."""

from collections.abc import Callable

from msgspec import Struct

from processor.serve.credentials import Token

BURST_S = 2.0
"""How long a token may save up what it did not use."""


class _Bucket(Struct):
    left: float
    at_s: float


class Throttle:
    """Counts the requests of this process by token; *now* tells seconds that only grow."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, token: Token) -> float:
        """Count a request of *token*; return 0, or after how many seconds the next would pass."""
        now, most = self._now(), max(1.0, token.rate * BURST_S)
        bucket = self._buckets.get(token.name)
        if bucket is None:
            bucket = self._buckets[token.name] = _Bucket(most, now)
        bucket.left = min(most, bucket.left + (now - bucket.at_s) * token.rate)
        bucket.at_s = now
        if bucket.left < 1.0:
            return (1.0 - bucket.left) / token.rate
        bucket.left -= 1.0
        return 0.0

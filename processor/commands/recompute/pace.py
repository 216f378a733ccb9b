"""How fast profiles are named: so many a second, and no more after a wait. Pure."""

from collections.abc import Callable


class NamingPace:
    """Tells how long to wait; *now* returns seconds that only grow."""

    def __init__(self, per_s: int, now: Callable[[], float]) -> None:
        self._per_s = per_s
        self._now = now
        self._free_at = now()

    def owed(self, count: int) -> float:
        """Return how many seconds are to pass after *count* more were named."""
        now = self._now()
        self._free_at = max(self._free_at, now) + count / self._per_s
        return self._free_at - now

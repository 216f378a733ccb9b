"""The pace of sweeps: so many profiles a second, and no more sweeps at once than come back in time.

Sweeps and batches are carried out by one thread. Where it has room, sweeps that it issues are back
from their topic at once. Where it has none, both wait for each other: more sweeps under way change
nobody sooner then, they only make batches wait longer. So one that is back late narrows what may
be under way, and one that is back in time widens it.
"""

import math
from collections.abc import Callable, Collection, Iterable
from typing import Final

from processor.clock.wheel import MOST
from processor.identity.model import Space

AHEAD_S: Final = 0.25
"""Of the profiles that one second lets be swept, how much may be under way at once: where there is
room for that pace, a sweep is back from its topic sooner, so it is kept."""
SOONER: Final = 2.0
"""By how much more may be under way, at most, once all of them have been back sooner."""
PATIENCE_S: Final = 1.0
"""For how long a sweep keeps others back that is not back: where batches never cease to wait, one
more goes out in so many seconds, until as many are under way as ever may be."""
_NO_LIMIT: Final = 10**9
"""More profiles a second than any process sweeps."""

Shard = tuple[Space, int]


class SweepPace:
    """Which sweeps are under way, and how many more may be. Costs nothing a profile."""

    def __init__(
        self,
        max_per_s: int = _NO_LIMIT,
        interval_s: float = 0.0,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Begin with nothing under way.

        *max_per_s* profiles may be swept a second. What is published is committed after
        *interval_s*, so a sweep that has just missed one commit waits for the next. *now* tells
        seconds that only grow: all that is counted here goes by them. Where none pass, no sweep is
        ever late, and what one second allows is all there is.
        """
        self._max_per_s = max_per_s
        self._in_time_s = AHEAD_S + 2 * interval_s
        self._now = now
        self._left = float(max_per_s)
        """How many profiles may be swept at present; negative where some are to be made up for."""
        self._refilled_at = now()
        self._most = max(1, math.ceil(max_per_s * AHEAD_S / MOST))
        self._width = float(self._most)
        self._under_way: dict[Shard, float] = {}
        """Since when each is."""

    def __contains__(self, shard: Shard) -> bool:
        """Return whether a sweep of *shard* is under way."""
        return shard in self._under_way

    def keep(self, shards: Collection[int]) -> None:
        """Forget what is under way but for *shards*: it comes back to nobody here."""
        self._under_way = {key: at for key, at in self._under_way.items() if key[1] in shards}

    def spend(self, profiles: int) -> None:
        """Count profiles that were swept."""
        self._left -= profiles

    def room(self) -> int:
        """Return how many more sweeps may be issued now."""
        now = self._now()
        self._left += (now - self._refilled_at) * self._max_per_s
        self._left, self._refilled_at = min(self._left, float(self._max_per_s)), now
        if self._left <= 0:
            return 0
        since = now - PATIENCE_S
        waited_for = sum(at > since for at in self._under_way.values())
        return max(0, min(int(self._width) - waited_for, self._most - len(self._under_way)))

    def issued(self, shards: Iterable[Shard]) -> None:
        """Note that sweeps of *shards* are under way from now on."""
        self._under_way.update(dict.fromkeys(shards, self._now()))

    def returned(self, shard: Shard) -> None:
        """Note that a sweep of *shard* is back, which may not have been issued here."""
        since = self._under_way.pop(shard, None)
        if since is None:
            return
        took_s = self._now() - since
        ratio = SOONER if took_s * SOONER <= self._in_time_s else self._in_time_s / took_s
        # Each of those under way says the same, so all of them together multiply it.
        self._width = min(self._most, max(1.0, self._width + ratio - 1))

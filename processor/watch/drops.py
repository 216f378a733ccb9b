"""Dropped records in the log: one line an input and minute, never one a record."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from processor.pipeline.tally import Tally
from processor.watch.logs import Log

EVERY_S: Final = 60.0
"""How often an input is told of, at most."""


class Drops:
    """Tells operators that records of an input are dropped, and why; *clock* is in seconds."""

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._untold: dict[str, Counter[str]] = {}
        self._told: dict[str, float] = {}

    def count(self, tally: Tally) -> None:
        """Take note of what a committed transaction dropped, and tell what is due."""
        for (name, reason), n in tally.dropped.items():
            self._untold.setdefault(name, Counter())[reason] += n
        if not self._untold:
            return
        now = self._clock()
        for name in [n for n in self._untold if now - self._told.get(n, -EVERY_S) >= EVERY_S]:
            reasons = dict(self._untold.pop(name))
            self._told[name] = now
            self._log.warning(
                "records_dropped", input=name, records=sum(reasons.values()), reasons=reasons
            )

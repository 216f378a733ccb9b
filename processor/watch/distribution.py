"""A histogram that takes many values at once: the client library's takes one at a time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Distribution(Collector):
    """How many values are at most each of *bounds*. One thread adds; another may scrape."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self.name: Final = name
        self._text = text
        self._bounds = tuple(map(float, bounds))
        self._state: tuple[tuple[int, ...], float] = ((0,) * (len(bounds) + 1), 0.0)
        """Values at most each bound and any, and their sum: replaced as one."""
        registry.register(self)

    def add(self, values: Sequence[float]) -> None:
        """Add *values*: costs a sort and a search for each bound."""
        counts, total = self._state
        ordered = sorted(values)
        found = [bisect_right(ordered, bound) for bound in self._bounds]
        added = zip(counts, (*found, len(ordered)), strict=True)
        self._state = tuple(a + b for a, b in added), total + sum(ordered)

    # typing.override is younger than our oldest Python
    def collect(self) -> Iterator[HistogramMetricFamily]:  # type: ignore[explicit-override]
        """Yield the family, as the registry wants it."""
        counts, total = self._state
        names = (*map(str, self._bounds), "+Inf")
        yield HistogramMetricFamily(
            self.name, self._text, buckets=list(zip(names, counts, strict=True)), sum_value=total
        )

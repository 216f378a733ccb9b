"""What a process remembers, and whether its room is too small."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from processor.pipeline.tally import Tally

CACHES: Final = ("index", "decisions", "profiles")
"""What is remembered: holders and documents of the index, decisions over them, published JSON."""


class CacheMetrics:
    """The metrics of the caches of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._bytes = Gauge(
            "idstream_cache_bytes",
            "Bytes that a cache of the process takes, estimated",
            ("cache",),
            registry=registry,
        )
        self._evictions = Counter(
            "idstream_cache_evictions_total",
            "Values that a cache forgot for want of room",
            ("cache",),
            registry=registry,
        )
        self._evicted = dict.fromkeys(CACHES, 0)
        for cache in CACHES:
            self._bytes.labels(cache)
            self._evictions.labels(cache)

    def count(self, tally: Tally) -> None:
        """Tell what the caches held at the end of a committed transaction."""
        for cache, held in tally.held.items():
            self._bytes.labels(cache).set(held.bytes)
            self._evictions.labels(cache).inc(held.evicted - self._evicted[cache])
            self._evicted[cache] = held.evicted

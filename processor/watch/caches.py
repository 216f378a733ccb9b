"""What a process remembers, and whether its room is too small."""

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from processor.pipeline.tally import CacheName, Tally

_NAMES: Final[tuple[CacheName, ...]] = get_args(CacheName)


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
        self._evicted = dict.fromkeys(_NAMES, 0)
        for name in _NAMES:
            self._bytes.labels(name)
            self._evictions.labels(name)

    def count(self, tally: Tally) -> None:
        """Tell what the caches held after the last poll batch of a committed transaction."""
        for name, size in tally.cache_bytes.items():
            self._bytes.labels(name).set(size)
        for name, evicted in tally.evicted.items():
            self._evictions.labels(name).inc(evicted - self._evicted[name])
            self._evicted[name] = evicted

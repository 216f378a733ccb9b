"""The metrics of ``idstream serve``; labels come from bounded sets (docs/serve.md lists them)."""

from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from processor import __version__
from processor.watch.contact import Server

SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class ApiMetrics:
    """The metrics of one serving process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series of creation times beside each counter: nobody asks
        self.registry = registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        self._requests = Counter(
            "idstream_api_requests_total",
            "Requests by route and by status of the answer",
            ("route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "idstream_api_seconds",
            "Seconds from a request's head to its answer",
            ("route",),
            registry=registry,
            buckets=SECONDS,
        )
        # To find the series of labels takes longer than to count.
        self._of: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._redis = Histogram(
            "idstream_api_redis_seconds",
            "Seconds that a script took, which looks at the index for all who wait",
            registry=registry,
            buckets=SECONDS,
        )
        self._throttled = Counter(
            "idstream_api_throttled_total",
            "Requests beyond the rate of their token",
            ("token",),
            registry=registry,
        )
        self._connected = Gauge(
            "idstream_connected", "Whether a server answers", ("to",), registry=registry
        )
        info = Gauge("idstream_info", "What runs", ("version", "guarantee"), registry=registry)
        info.labels(__version__, "").set(1)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        known = self._of.get((route, status))
        if known is None:
            counter = self._requests.labels(route, str(status))
            known = self._of[route, status] = (counter, self._seconds.labels(route))
        counter, histogram = known
        counter.inc()
        histogram.observe(seconds)

    def looked(self, seconds: float) -> None:
        """Count a look at the index."""
        self._redis.observe(seconds)

    def throttled(self, token: str) -> None:
        """Count a request that came too early."""
        self._throttled.labels(token).inc()

    def connection(self, to: Server) -> Callable[[float], None]:
        """Return what hears whether a server answers."""
        return self._connected.labels(to).set

"""What is measured of the clock: what is due, how far behind it is, and why it stands."""

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from processor.kafka.loop.horizon import Held
from processor.pipeline.sweeping import Result
from processor.pipeline.sweeps import Due
from processor.pipeline.tally import Tally

_REASONS: Final = get_args(Held)


class ClockMetrics:
    """The metrics of the clock."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Gauge(
            "idstream_clock_lag_seconds",
            "For how long the oldest bucket of own shards has been open, 0 where none is",
            registry=registry,
        )
        self._held = Gauge(
            "idstream_clock_held_seconds",
            "For how long the clock has stood although something is due, by why",
            ("reason",),
            registry=registry,
        )
        self._swept = Counter(
            "idstream_clock_swept_total",
            "Entries of the wheel by what became of them",
            ("result",),
            registry=registry,
        )
        self._set_aside = Gauge(
            "idstream_clock_set_aside",
            "Profiles of own shards whom no sweep comes to, as they ended processes",
            registry=registry,
        )
        for reason in _REASONS:
            self._held.labels(reason)
        for result in get_args(Result):
            self._swept.labels(result)

    def tell(self, due: Due, held: Held, seconds: float) -> None:
        """Note what is due, and for how long the clock has stood, and why."""
        self._lag.set(due.lag_s)
        self._set_aside.set(due.set_aside)
        for reason in _REASONS:
            self._held.labels(reason).set(seconds if reason == held else 0.0)

    def count(self, tally: Tally) -> None:
        """Add what a committed transaction counted."""
        for result, n in tally.swept.items():
            self._swept.labels(result).inc(n)

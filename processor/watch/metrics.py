"""Every metric the processor has, in one place; all labels come from bounded sets.

Counts are added once a transaction has committed, never per record (docs/operations.md lists them).
"""

from collections.abc import Callable, Sequence
from typing import Final, get_args

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
from processor.kafka.loop.step import TransactionKind
from processor.pipeline.tally import Tally
from processor.watch.caches import CacheMetrics
from processor.watch.clockwork import ClockMetrics
from processor.watch.computed import ComputedMetrics, add
from processor.watch.distribution import Distribution
from processor.watch.expected import ALIASES, ERRORS, Series

PHASE_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
BATCH_RECORDS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
LATENCY_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600)
INDEX_SECONDS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 10)
COMMIT_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_OF_RECORDS: Final = ("topic", "workspace", "input", "outcome", "reason")


class Metrics:
    """The metrics of one process. One thread counts; scrapes may come from another."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series of creation times beside each counter: nobody asks
        self.registry = registry = CollectorRegistry(auto_describe=True)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"idstream_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"idstream_{name}", text, labels, registry=registry, buckets=buckets)

        self._records = counter("records_total", "Records by what became of them", *_OF_RECORDS)
        self._decisions = counter(
            "decisions_total", "Identity decisions by strategy and kind", "strategy", "outcome"
        )
        self._skipped = counter(
            "skipped_identities_total",
            "Identities of records that were not added to the profile",
            "identity_type",
            "reason",
        )
        self._violations = counter(
            "violations_total",
            "Identities that a block list or a limit kept out",
            "identity_type",
            "reason",
        )
        self._ignored = counter(
            "ignored_fields_total",
            "Odd values of fields that decide nothing, left out of their records",
            "input",
            "field",
            "reason",
        )
        self._bounded = counter(
            "bounded_values_total", "Attributes and devices that a limit kept out"
        )
        self._aliases = counter(
            "aliases_total", "Aliases by what came of them", "outcome", "reason"
        )
        self._created = counter("profiles_created_total", "Profiles created")
        self._recalled = counter("recalled_batches_total", "Batches decided from memory")
        self._batch_records = histogram("batch_records", "Records of a poll batch", BATCH_RECORDS)
        self._batch_seconds = histogram(
            "batch_seconds", "Seconds of a poll batch by phase", PHASE_SECONDS, "phase"
        )
        self._transactions = counter(
            "transactions_total", "Kafka transactions, or flushes under at_least_once", "kind"
        )
        self._transaction_seconds = histogram(
            "transaction_seconds",
            "Seconds from a transaction's first record to its end",
            COMMIT_SECONDS,
            "kind",
        )
        self._transaction_records = counter(
            "transaction_records_total", "Records in transactions", "kind"
        )
        self._conflicts = counter(
            "commit_conflicts_total", "Index commits that found something changed since the read"
        )
        self._redecisions = counter(
            "redecisions_total", "Batches decided again, for a conflict or a further read"
        )
        self._index_seconds = histogram(
            "index_seconds", "Seconds of a call of the index, by call", INDEX_SECONDS, "call"
        )
        self._latency = Distribution(
            "idstream_record_latency_seconds",
            "Seconds from a record's timestamp to the commit of its outputs",
            LATENCY_SECONDS,
            registry,
        )
        self._computed = ComputedMetrics(registry)
        self._open_gauges()
        self._errors = counter(
            "errors_total", "Errors that the loop met, by whose they are", "source", "kind"
        )

    def _open_gauges(self) -> None:
        """Register the gauges, and Python's own metrics of the process."""
        registry = self.registry
        self.clock = ClockMetrics(registry)
        self._caches = CacheMetrics(registry)
        self._lag = Gauge(
            "idstream_consumer_lag_records",
            "Records between the position and the end of a partition",
            ("topic", "partition"),
            registry=registry,
        )
        self._lag_seconds = Gauge(
            "idstream_lag_seconds",
            "Age of the last record taken of a partition with records waiting, else 0",
            ("topic", "partition"),
            registry=registry,
        )
        self._info = Gauge(
            "idstream_info", "1, with what runs", ("version", "guarantee"), registry=registry
        )
        self._partitions = Gauge(
            "idstream_partitions",
            "Partitions of this process by state",
            ("state",),
            registry=registry,
        )
        self._connected = Gauge(
            "idstream_connected",
            "1 while a server answers, 0 while it does not",
            ("to",),
            registry=registry,
        )
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def count(self, tally: Tally) -> None:
        """Add what a committed transaction counted."""
        add(self._records, tally.records)
        add(self._decisions, tally.decisions)
        add(self._skipped, tally.skipped)
        add(self._violations, tally.violations)
        add(self._ignored, tally.ignored)
        add(self._aliases, tally.aliases)
        self._computed.count(tally)
        self._caches.count(tally)
        self._bounded.inc(tally.bounded)
        self._created.inc(tally.profiles_created)
        self._recalled.inc(tally.recalled)
        self._conflicts.inc(tally.conflicts)
        self._redecisions.inc(tally.redecisions)
        for size in tally.batches:
            self._batch_records.observe(size)
        for phase, times in tally.seconds.items():
            self.phase(phase, *times)

    def phase(self, name: str, *seconds: float) -> None:
        """Note how long a phase of the loop took."""
        observed = self._batch_seconds.labels(name)
        for one in seconds:
            observed.observe(one)

    def transaction(self, seconds: float, records: int, kind: str) -> None:
        """Note a transaction that ended as *kind*."""
        self._transactions.labels(kind).inc()
        self._transaction_seconds.labels(kind).observe(seconds)
        self._transaction_records.labels(kind).inc(records)

    def lag(self, topic: str, partition: int, records: int) -> None:
        """Note how far behind the end of a partition its position is."""
        self._lag.labels(topic, str(partition)).set(records)

    def age(self, topic: str, partition: int, seconds: float) -> None:
        """Note how old the last record taken of a partition is, 0 where none waits."""
        self._lag_seconds.labels(topic, str(partition)).set(seconds)

    def latencies(self, seconds: Sequence[float]) -> None:
        """Note how long records took from their timestamp to the commit."""
        self._latency.add(seconds)

    def expect(self, expected: Series) -> None:
        """Let series exist before their first event, which rates would miss otherwise."""
        self._info.labels(__version__, expected.guarantee).set(1)
        for records in expected.records:
            self._records.labels(*records)
        for decisions in expected.decisions:
            self._decisions.labels(*decisions)
        self._computed.expect(expected.computing)
        for aliases in ALIASES:
            self._aliases.labels(*aliases)
        for errors in ERRORS:
            self._errors.labels(*errors)
        for kind in get_args(TransactionKind):
            self._transactions.labels(kind)
            self._transaction_records.labels(kind)

    def partitions(self, started: int, waiting: int) -> None:
        """Note how many own partitions are processed, and how many wait to be."""
        self._partitions.labels("processed").set(started)
        self._partitions.labels("waiting").set(waiting)

    def forget_lags(self) -> None:
        """Forget the lags: that of a partition which was given up is told by its new owner."""
        self._lag.clear()
        self._lag_seconds.clear()

    def index_call(self, call: str, seconds: float) -> None:
        """Note how long Redis took for a call of the index."""
        self._index_seconds.labels(call).observe(seconds)

    def connection(self, to: str) -> Callable[[float], None]:
        """Return the setter of a gauge: 1 while *to* answers, 0 while it does not, and at first."""
        return self._connected.labels(to).set

    def error(self, source: str, kind: str) -> None:
        """Count an error that the loop met; *source* is a ``kafka.loop.step.Source``."""
        self._errors.labels(source, kind).inc()

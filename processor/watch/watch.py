"""The loop's observer: it tells the metrics and the health checks, and collects garbage."""

import gc
from collections.abc import Callable, Sequence

from processor.kafka.loop.horizon import Held
from processor.kafka.loop.statistics import Standing
from processor.kafka.loop.step import Source, TransactionKind
from processor.pipeline.sweeps import Due
from processor.watch.admin import Health
from processor.watch.contact import Contact
from processor.watch.metrics import Metrics


class Garbage:
    """Collects garbage between transactions instead of in the middle of poll batches.

    A poll batch makes many small objects that die with it. The collector, left to itself, walks all
    of them again and again: a fifth of the time of a batch (benchmarks/).
    """

    FULL_EVERY = 1000
    """Transactions between collections of everything."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        self._transactions = 0

    def collect(self) -> None:
        """Collect what the last transaction left."""
        self._transactions += 1
        gc.collect(2 if self._transactions % self.FULL_EVERY == 0 else 1)


class Watch:
    """Tells the metrics and the health checks how the loop fares (``kafka.loop.step.Observer``).

    *look* asks after Redis where nothing was asked of it for some time.
    """

    def __init__(
        self,
        metrics: Metrics,
        health: Health,
        kafka: Contact,
        look: Callable[[], None],
        garbage: Garbage,
    ) -> None:
        self._metrics = metrics
        self._health = health
        self._kafka = kafka
        self._look = look
        self._garbage = garbage
        self._given = (0, 0)
        self._owned = 0

    def turn(self) -> None:
        """Note that the loop is alive; ask after Redis now and then."""
        self._health.turn()
        self._look()

    def phase(self, name: str, seconds: float) -> None:
        """Note the seconds of one phase."""
        self._metrics.phase(name, seconds)

    def transaction(self, seconds: float, records: int, kind: TransactionKind) -> None:
        """Note a transaction's end; what it made is garbage now."""
        self._metrics.transaction(seconds, records, kind)
        self._garbage.collect()

    def lag(self, topic: str, partition: int, n: int) -> None:
        """Note a partition's lag."""
        self._metrics.lag(topic, partition, n)

    def age(self, topic: str, partition: int, seconds: float) -> None:
        """Note how far behind in time a partition is."""
        self._metrics.age(topic, partition, seconds)

    def latencies(self, seconds: Sequence[float]) -> None:
        """Note how long committed records took, from their timestamp on."""
        self._metrics.latencies(seconds)

    def error(self, source: Source, kind: str) -> None:
        """Count an error that the loop goes on after."""
        self._metrics.error(source, kind)

    def cluster(self, standing: Standing) -> None:
        """Note how the consumer stands with Kafka.

        Once it was away it answers when the group has let the process in again.
        """
        if standing.lacks:
            self._kafka.failed(standing.lacks)
        elif standing.is_member or not self._kafka.is_lost:
            self._kafka.answered()
        self._tell()

    def clock(self, due: Due, held: Held, seconds: float) -> None:
        """Note what is due, and whether the clock stands."""
        self._metrics.clock.tell(due, held, seconds)

    def partitions(self, started: int, waiting: int) -> None:
        """Note what this process has.

        A standby, which the group gave nothing, is as ready as it can be. Where nothing is left
        because Kafka is away, the partitions last owned wait for it.
        """
        if waiting == 0 and started + waiting > 0:
            self._metrics.forget_lags()
        self._given = started, waiting
        self._tell()

    def _tell(self) -> None:
        started, waiting = self._given
        if started + waiting == 0 and self._kafka.is_lost:
            waiting = self._owned
        self._owned = started + waiting
        self._metrics.partitions(started, waiting)
        self._health.has_started = waiting == 0

"""Starting partitions that the group gave, or that a rewind stopped: when, and from where.

Kafka says from where (``positions``), the step whether it may be (``Step.assign``). Until both do,
the partitions wait, and those that do not wait go on.
"""

from collections.abc import Callable, Collection
from time import monotonic
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaException
from msgspec import Struct

from processor.index.errors import NoStart
from processor.kafka.errors import passes
from processor.kafka.loop.interval import Interval
from processor.kafka.loop.partitions import Partitions
from processor.kafka.loop.positions import Found, Positions
from processor.kafka.loop.publishing import Committer
from processor.kafka.loop.step import Observer, Step
from processor.kafka.messages import OutOfRange
from processor.records import RowKey

READY_S: Final = 1.0
BACKOFF_S: Final = (0.1, 2.0)
"""How long partitions wait after a rewind, at first and after many in a row."""

log = structlog.get_logger()


class Parts(Struct, frozen=True):
    """What the loop drives, and what it works with."""

    consumer: Consumer
    leave: Callable[[], None]
    """Leaves the group, and closes the consumer."""
    committer: Committer
    interval: Interval
    positions: Positions
    step: Step
    observer: Observer
    reach: Callable[[str], None]
    """Passes a named crash point."""


class Starting:
    """Starts partitions, and knows when to try again. Used in the loop's thread."""

    def __init__(self, parts: Parts, partitions: Partitions) -> None:
        self._committer = parts.committer
        self._interval = parts.interval
        self._positions = parts.positions
        self._step = parts.step
        self._observer = parts.observer
        self._reach = parts.reach
        self._partitions = partitions
        self._backoff = BACKOFF_S[0]
        self._next_at = 0.0

    def start_waiting(self) -> None:
        """Start the partitions that wait, if Kafka and the index say from where."""
        waiting = self._partitions.waiting
        if not waiting or monotonic() < self._next_at:
            return
        began = monotonic()
        found = self._find(waiting)
        if found is None:
            # Partitions that do not wait get at least as much time as the question took.
            self._next_at = monotonic() + max(BACKOFF_S[0], monotonic() - began)
            return
        committed = {p.row: p.committed for p in found.own}
        self._interval.committed.update(committed)
        self._step.assign(found.own, found.others)
        if found.starts:
            self._interval.commit_starts(found.starts)
        self._reach("before_start")
        self._partitions.start(
            {key: found.starts[key] if at is None else at for key, at in committed.items()}
        )
        log.info("partitions_started", partitions=len(committed))

    def is_overcome(self, refusal: NoStart) -> bool:
        """Whether starting again answers *refusal*.

        So it does where any offset will do, and where others have committed offsets of ours: we
        were stopped, and looked from the past.
        """
        if isinstance(refusal, OutOfRange):
            return self._positions.accept_offsets
        known = self._interval.committed
        found = self._find(self._partitions.owned)
        return found is None or any(p.committed != known.get(p.row) for p in found.own)

    def back_off(self) -> None:
        """Let partitions wait after a rewind, longer after each until work went on."""
        self._next_at = monotonic() + self._backoff
        self._backoff = min(2 * self._backoff, BACKOFF_S[1])

    def committed(self) -> None:
        """Note that a transaction committed: the next rewind is a first one."""
        self._backoff = BACKOFF_S[0]

    def _find(self, waiting: Collection[RowKey]) -> Found | None:
        """Return where *waiting* start; None where Kafka does not say now."""
        try:
            if not self._committer.ready(READY_S):
                return None
            return self._positions.find(waiting, self._partitions.owned)
        except KafkaException as failure:
            error = failure.args[0]
            if not passes(error):
                raise
            self._observer.error("consumer", error.name())
            return None

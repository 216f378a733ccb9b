"""Starting partitions that the group gave, or that a rewind stopped: when, and from where.

Kafka says from where (``positions``), and the step whether they may start (``Step.assign``). Until
both have answered the partitions wait; others are processed meanwhile.
"""

from collections.abc import Callable, Collection
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaException
from msgspec import Struct, field

from processor.index.errors import NoStart
from processor.kafka.clock import Clock
from processor.kafka.errors import is_transient
from processor.kafka.loop.interval import Interval, Pace
from processor.kafka.loop.partitions import Partitions
from processor.kafka.loop.positions import GroupOffsets, Positions
from processor.kafka.loop.publishing import Committer
from processor.kafka.loop.statistics import Sight
from processor.kafka.loop.step import Observer, Step
from processor.kafka.loop.sweeping import Sweeping
from processor.kafka.messages import OutOfRange
from processor.records import RowKey

READY_S: Final = 1.0
"""What the committer may take at once to become ready."""

log = structlog.get_logger()


class LoopParts(Struct, frozen=True):
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
    pace: Pace
    clock: Clock
    sight: Sight = field(default_factory=Sight)
    """Whether consumer and producer still know any broker."""
    sweeping: Sweeping | None = None
    """None where nothing can be due."""


class Starter:
    """Starts partitions, and knows when to try again. Used in the loop's thread."""

    def __init__(self, parts: LoopParts, partitions: Partitions) -> None:
        self._committer = parts.committer
        self._interval = parts.interval
        self._positions = parts.positions
        self._step = parts.step
        self._observer = parts.observer
        self._reach = parts.reach
        self._partitions = partitions
        self._now = parts.clock.now
        self._first_backoff, self._most_backoff = parts.pace.backoff_s
        self._backoff = self._first_backoff
        self._next_at = 0.0

    def start_waiting(self) -> None:
        """Start the partitions that wait, if Kafka says from where and the step agrees."""
        waiting = self._partitions.waiting
        if not waiting or self._now() < self._next_at:
            return
        began = self._now()
        found = self._find(waiting)
        if found is None:
            # Partitions that do not wait get at least as much time as the question took.
            self._next_at = self._now() + max(self._first_backoff, self._now() - began)
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
        """Return whether a rewind can help instead of ending the process.

        It can where the operator accepts any offset, and where the group's offsets have moved since
        we read them: we were frozen while another member committed.
        """
        if isinstance(refusal, OutOfRange):
            return self._positions.accept_offsets
        known = self._interval.committed
        found = self._find(self._partitions.owned)
        return found is None or any(p.committed != known.get(p.row) for p in found.own)

    def back_off(self) -> None:
        """Let partitions wait after a rewind, longer after each until a transaction commits."""
        self._next_at = self._now() + self._backoff
        self._backoff = min(2 * self._backoff, self._most_backoff)

    def committed(self) -> None:
        """Note that a transaction committed: the next rewind is a first one."""
        self._backoff = self._first_backoff

    def _find(self, waiting: Collection[RowKey]) -> GroupOffsets | None:
        """Return where *waiting* start; None where Kafka cannot say now."""
        try:
            if not self._committer.ready(READY_S):
                return None
            return self._positions.find(waiting, self._partitions.owned)
        except KafkaException as failure:
            error = failure.args[0]
            if not is_transient(error):
                raise
            self._observer.error("consumer", error.name())
            return None

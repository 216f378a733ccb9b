"""One commit interval: what has been published and not yet committed, and how it ends."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from confluent_kafka import TopicPartition
from msgspec import Struct

from processor.kafka.clock import Clock
from processor.kafka.loop.publishing import Committer, Undone
from processor.kafka.loop.step import Observer, Step, TransactionKind
from processor.records import Output, Record, RowKey, last_of_rows

COMMIT_S: Final = 10.0
"""What a commit may take, in a revocation too: then the broker has aborted the transaction."""
ABORT_S: Final = 5.0

log = structlog.get_logger()


class Pace(Struct, frozen=True):
    """How much goes into one transaction, and how long the loop lets pass between its duties."""

    interval_s: float = 0.1
    sooner: float = 0.5
    """After what share of the interval it ends where no poll batch of it was full: there is time
    for more transactions then, and no record waits as long."""
    records: int = 20_000
    bytes: int = 32 * 1024 * 1024
    quiet_s: float = 1.0
    """How often idle work is done and lag is told."""
    backoff_s: tuple[float, float] = (0.1, 2.0)
    """How long partitions wait after a rewind, at first and after many in a row."""


class _Content(Struct):
    """The open transaction: the positions past its records, and how large it is."""

    since: float
    offsets: dict[RowKey, int]
    times_ms: list[int]
    """The timestamps of its records, those that have one."""
    records: int = 0
    bytes: int = 0
    is_pressed: bool = False
    """Whether a poll batch of it was full: more records may have waited then than it took."""


class Interval:
    """The open transaction, under either guarantee."""

    def __init__(
        self,
        committer: Committer,
        step: Step,
        observer: Observer,
        reach: Callable[[str], None],
        pace: Pace,
        clock: Clock,
    ) -> None:
        self._committer = committer
        self._step = step
        self._observer = observer
        self._reach = reach
        self._pace = pace
        self._now = clock.now
        self._wall = clock.wall
        self._open: _Content | None = None
        self.committed: dict[RowKey, int | None] = {}
        """The group's offsets of own partitions, as far as this process knows."""
        self._last_ms: dict[RowKey, int] = {}
        """The timestamp of the last record taken of each partition."""

    @property
    def is_open(self) -> bool:
        """Return whether there is anything to commit."""
        return self._open is not None

    def add(
        self,
        records: Sequence[Record],
        outputs: Sequence[Output],
        began: float,
        *,
        is_full: bool = False,
    ) -> Mapping[RowKey, int]:
        """Publish the *outputs* of a poll batch that was waited for since *began*.

        A record of it may have come just then; so a new transaction is due an interval after that,
        and sooner as long as no poll batch *is_full* (see Pace).
        Returns, and notes, the position after the last record of each partition.
        """
        self._reach("before_produce")
        content = self._opened(began)
        content.is_pressed |= is_full
        self._committer.publish(outputs)
        last = last_of_rows(records)
        positions = {row: one.offset + 1 for row, one in last.items()}
        content.offsets.update(positions)
        content.times_ms += [one.timestamp_ms for one in records if one.timestamp_ms > 0]
        self._last_ms.update({row: one.timestamp_ms for row, one in last.items()})
        content.records += len(records)
        content.bytes += sum([len(one.value or b"") for one in records])
        content.bytes += sum([len(one.value or b"") for one in outputs])
        self._reach("after_produce")
        return positions

    def add_ends(self, ends: Mapping[RowKey, int]) -> None:
        """Commit the *ends* of partitions with what is open: no record stands before them."""
        self._opened(self._now()).offsets.update(ends)

    def tell_age(self, row: RowKey, waiting: int) -> None:
        """Tell how old the last record taken of a partition is, if known; 0 where none waits."""
        at_ms = self._last_ms.get(row, 0)
        if waiting == 0:
            self._observer.age(*row, 0.0)
        elif at_ms > 0:
            self._observer.age(*row, max(0.0, self._wall() - at_ms / 1000))

    def is_due(self) -> bool:
        """Return whether the interval is over, or the transaction large enough."""
        pace, content = self._pace, self._open
        return content is not None and (
            self.left_s() <= 0 or content.records >= pace.records or content.bytes >= pace.bytes
        )

    def left_s(self) -> float:
        """Return the seconds until the interval is over; endless where nothing is open."""
        content, pace = self._open, self._pace
        if content is None:
            return math.inf
        lasts_s = pace.interval_s if content.is_pressed else pace.interval_s * pace.sooner
        return max(0.0, content.since + lasts_s - self._now())

    def commit_starts(self, starts: Mapping[RowKey, int]) -> None:
        """Commit *starts*, where partitions begin that have no offset of the group."""
        self._opened(self._now()).offsets.update(starts)
        self.commit()

    def commit(self, within: float = COMMIT_S) -> None:
        """Commit the open transaction, if there is one."""
        content = self._open
        if content is None:
            return
        began = self._now()
        metadata = self._step.metadata
        offsets = [
            TopicPartition(topic, partition, offset, metadata(topic, partition))
            for (topic, partition), offset in content.offsets.items()
        ]
        self._committer.commit(offsets, within)
        self.committed.update(content.offsets)
        self._reach("after_kafka_commit")
        self._step.committed()
        self._observer.phase("commit", self._now() - began)
        now = self._wall()
        self._observer.latencies([max(0.0, now - at / 1000) for at in content.times_ms])
        self._close(content, "committed")

    def try_commit(self, within: float = COMMIT_S) -> bool:
        """Commit the open transaction, if there is one; return whether that could be done."""
        try:
            self.commit(within)
        except Undone as undone:
            log.warning("not_committed", kind=undone.kind)
            return False
        return True

    def abort(self) -> None:
        """Abort the open transaction; does nothing where none is open."""
        self._committer.abort(ABORT_S)
        if self._open is not None:
            self._close(self._open, "aborted")

    def _opened(self, began: float) -> _Content:
        if self._open is None:
            self._open = _Content(since=began, offsets={}, times_ms=[])
        return self._open

    def _close(self, content: _Content, kind: TransactionKind) -> None:
        self._open = None
        self._observer.transaction(self._now() - content.since, content.records, kind)

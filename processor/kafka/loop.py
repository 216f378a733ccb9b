"""The loop: poll batches in, Kafka transactions out, one way back.

    consume ▸ step.process ▸ publish ▸ … ▸ commit, once an interval

A transaction holds the poll batches of one commit interval; it ends sooner when the input runs dry
or when it grows large. Whatever goes wrong and passes ends in the same *rewind*: abort, forget, ask
Kafka where every own partition stands, start again. Everything else ends the process.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from threading import Event
from time import monotonic
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Struct

from processor.codecs.registry import RegistryUnavailable
from processor.kafka.errors import is_of_a_record, passes
from processor.kafka.interval import Interval, positions_after
from processor.kafka.positions import Found, Positions
from processor.kafka.publishing import Committer, Undone
from processor.kafka.rebalance import Key, Partitions
from processor.kafka.records import OutOfRange, check, record, split
from processor.kafka.step import Observer, Step
from processor.outcome import Record
from processor.space import Fenced, IndexUnavailable, LostWrites, NoStart

READY_S: Final = 1.0
QUIET_S: Final = 1.0
"""How often idle work is done and lag is told."""
BACKOFF_S: Final = (0.1, 2.0)

log = structlog.get_logger()


class Parts(Struct, frozen=True):
    """What the loop drives, and what it works with."""

    consumer: Consumer
    committer: Committer
    interval: Interval
    positions: Positions
    step: Step
    observer: Observer
    reach: Callable[[str], None]
    """Passes a named crash point."""


class Loop:
    """Drives a step from one consumer group. All of it happens in the thread that calls ``run``."""

    def __init__(self, parts: Parts, inputs: Sequence[str], take: int, wait_s: float) -> None:
        self._consumer = parts.consumer
        self._committer = parts.committer
        self._interval = parts.interval
        self._positions = parts.positions
        self._step = parts.step
        self._observer = parts.observer
        self._reach = parts.reach
        self._partitions = Partitions(parts.consumer)
        self._inputs = list(inputs)
        self._take_records = take
        self._wait_s = wait_s
        self._backoff = BACKOFF_S[0]
        self._start_at = 0.0
        self._quiet_at = 0.0
        self._has_failed = False

    def run(self, stop: Event) -> None:
        """Process until *stop* is set, then commit what was taken and leave the group."""
        self._consumer.subscribe(
            self._inputs,
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        try:
            while not stop.is_set():
                self._turn()
            self._finish()
        except LostWrites:
            self._has_failed = True
            self._rescue()
            raise
        except BaseException as end:
            self._has_failed = True
            self._excuse(end)
            raise
        finally:
            self._leave()

    def _excuse(self, end: BaseException) -> None:
        """Let no record be suspected of what somebody else did to the process."""
        if isinstance(end, Fenced | NoStart) or (
            isinstance(end, KafkaException) and not is_of_a_record(end.args[0])
        ):
            with suppress(IndexUnavailable, LostWrites, Fenced):
                self._step.excuse()

    # ---- a poll batch -----------------------------------------------------------------------

    def _turn(self) -> None:
        self._observer.turn()
        try:
            self._do_what_is_due()
        except Undone as undone:
            self._rewind("producer", undone.kind)
        except IndexUnavailable as away:
            self._rewind("index", type(away).__name__)
        except RegistryUnavailable as away:
            self._rewind("registry", str(away))
        except NoStart as refusal:
            if not self._is_overcome(refusal):
                raise
            self._rewind("consumer", type(refusal).__name__)

    def _do_what_is_due(self) -> None:
        records = self._take()
        self._start_waiting()
        if records:
            self._process_all(records)
        elif self._interval.is_open:
            self._commit()
        else:
            self._idle()

    def _take(self) -> list[Record]:
        """Consume a poll batch. Partitions may be given and taken meanwhile, in the callbacks."""
        began = monotonic()
        messages, errors = split(self._consumer.consume(self._take_records, self._wait_s))
        for message, error in errors:
            kind = check(error, message)
            self._observer.error("consumer", kind)
            log.warning("consumer_error", kind=kind, topic=message.topic())
        if not messages:
            return []
        self._reach("after_consume")
        records = self._partitions.expected([record(message) for message in messages])
        self._observer.phase("consume", monotonic() - began)
        return records

    def _process_all(self, records: Sequence[Record]) -> None:
        """Process a poll batch, or one lot of it after the other, with commits between them."""
        lots = self._step.lots(records)
        if not lots:
            self._process(records)
            return
        self._interval.commit()
        for lot in lots:
            self._observer.turn()
            self._process(lot)
            self._interval.commit()

    def _process(self, records: Sequence[Record]) -> None:
        """Process a poll batch into the open transaction, and commit that when it is due."""
        began = monotonic()
        outputs = self._step.process(records)
        processed = monotonic()
        self._interval.add(records, outputs, began)
        self._partitions.moved(positions_after(records))
        self._observer.phase("process", processed - began)
        self._observer.phase("produce", monotonic() - processed)
        if self._interval.is_due():
            self._commit()

    def _commit(self) -> None:
        self._interval.commit()
        self._backoff = BACKOFF_S[0]
        if monotonic() >= self._quiet_at:
            self._tell_lag()

    def _idle(self) -> None:
        """Let the step do what waits for a quiet moment; its outputs are committed next turn."""
        if monotonic() < self._quiet_at or self._partitions.waiting:
            return
        self._tell_lag()
        outputs = self._step.idle()
        if outputs:
            self._interval.add((), outputs, monotonic())
        self._committer.serve()

    # ---- starting, and the one way back -----------------------------------------------------

    def _start_waiting(self) -> None:
        """Start the partitions that wait, if Kafka and the index say from where."""
        waiting = self._partitions.waiting
        if not waiting or monotonic() < self._start_at:
            return
        began = monotonic()
        found = self._find(waiting)
        if found is None:
            # Partitions that do not wait get at least as much time as the question took.
            self._start_at = monotonic() + max(BACKOFF_S[0], monotonic() - began)
            return
        committed = {(p.topic, p.partition): p.committed for p in found.own}
        self._interval.committed.update(committed)
        self._step.assign(found.own, found.others)
        if found.starts:
            self._interval.commit_starts(found.starts)
        self._reach("before_start")
        self._partitions.start(
            {key: found.starts[key] if at is None else at for key, at in committed.items()}
        )
        log.info("partitions_started", partitions=len(committed))
        self._tell_partitions()

    def _is_overcome(self, refusal: NoStart) -> bool:
        """Whether starting again answers *refusal*.

        So it does where any offset will do, and where others have committed offsets of ours: we
        were stopped, and looked from the past.
        """
        if isinstance(refusal, OutOfRange):
            return self._positions.accept_offsets
        known = self._interval.committed
        found = self._find(self._partitions.owned)
        return found is None or any(
            p.committed != known.get((p.topic, p.partition)) for p in found.own
        )

    def _find(self, waiting: Collection[Key]) -> Found | None:
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

    def _rewind(self, source: str, kind: str) -> None:
        """Undo the open transaction; every own partition starts again from what is committed."""
        log.warning("rewound", source=source, kind=kind)
        self._observer.error(source, kind)
        self._undo()
        self._start_at = monotonic() + self._backoff
        self._backoff = min(2 * self._backoff, BACKOFF_S[1])
        self._reach("in_rewind")

    def _undo(self) -> None:
        self._interval.abort()
        self._step.forget()
        self._partitions.stop()
        self._tell_partitions()

    # ---- the group --------------------------------------------------------------------------

    def _on_assign(self, _: Consumer, given: list[TopicPartition]) -> None:
        self._partitions.given(_keys(given))
        log.info("partitions_assigned", partitions=len(given))
        self._tell_partitions()

    def _on_revoke(self, _: Consumer, taken: list[TopicPartition]) -> None:
        """Commit what was processed, then give the partitions up."""
        keys = _keys(taken)
        if not self._has_failed:
            self._give_up(keys)
        self._partitions.taken(keys)
        log.info("partitions_revoked", partitions=len(taken))
        self._tell_partitions()

    def _give_up(self, keys: Sequence[Key]) -> None:
        try:
            self._reach("before_revoke")
            self._interval.commit()
            self._reach("after_revoke")
            self._step.revoke(keys)
        except Undone as undone:
            self._rewind("producer", undone.kind)
        except IndexUnavailable as away:
            self._rewind("index", type(away).__name__)

    def _on_lost(self, _: Consumer, lost: list[TopicPartition]) -> None:
        """They have another owner already: what is open must not count."""
        if not self._has_failed:
            self._rewind("consumer", "partitions_lost")
        self._partitions.taken(_keys(lost))
        self._tell_partitions()

    def _finish(self) -> None:
        """Commit what was processed; if that cannot be done now, the next owner does it again."""
        try:
            self._interval.commit()
        except (Undone, IndexUnavailable):
            self._undo()

    def _rescue(self) -> None:
        """Commit what the index had acknowledged before it lost it: in Kafka it survives.

        Others may have built on it, and published what they made of it; a rebuild then finds both.
        """
        try:
            self._finish()
        except KafkaException as failure:
            log.warning("rescue_failed", kind=failure.args[0].name())

    def _leave(self) -> None:
        """Leave the group with nothing open, after whatever happened."""
        try:
            self._interval.abort()
        except KafkaException as failure:
            log.warning("abort_failed", kind=failure.args[0].name())
        self._consumer.close()

    # ---- what others want to know -----------------------------------------------------------

    def _tell_lag(self) -> None:
        self._quiet_at = monotonic() + QUIET_S
        started = self._partitions.started
        for key, end in self._positions.ends(started).items():
            self._observer.lag(*key, max(0, end - started[key]))

    def _tell_partitions(self) -> None:
        self._observer.partitions(len(self._partitions.started), len(self._partitions.waiting))


def _keys(partitions: Sequence[TopicPartition]) -> list[Key]:
    return [(one.topic, one.partition) for one in partitions]

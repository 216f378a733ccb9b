"""The loop: poll batches in, Kafka transactions out, one way back.

    consume ▸ step.process ▸ publish ▸ … ▸ commit, once an interval

A transaction holds the poll batches of one commit interval, or of half of one as long as none of
them is full; it ends sooner when the input runs dry or when it grows large. Every transient error
ends in the same *rewind*: abort, forget, ask Kafka where every own partition stands, start again.
Every other error ends the process.

Where the index (or the schema registry) is unavailable, or the index has lost writes, what it
acknowledged is committed first: other processors may have built on it and published the result.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from processor.codecs.avro.reading import RegistryUnavailable
from processor.index.errors import Fenced, IndexRefused, IndexUnavailable, LostWrites, NoStart
from processor.kafka.errors import Stranded, is_of_a_record
from processor.kafka.loop.consuming import Consuming
from processor.kafka.loop.partitions import Partitions
from processor.kafka.loop.publishing import Undone
from processor.kafka.loop.starting import LoopParts, Starter
from processor.kafka.loop.step import Source
from processor.records import Record, RowKey

AWAY_S: Final = 4.0
"""What a commit may take while the index is unavailable: Kafka may be unavailable as well."""

log = structlog.get_logger()


class Loop:
    """Drives a step from one consumer group. All of it happens in the thread that calls ``run``."""

    def __init__(self, parts: LoopParts, inputs: Sequence[str], take: int, wait_s: float) -> None:
        self._consumer = parts.consumer
        self._leave_group = parts.leave
        self._committer = parts.committer
        self._interval = parts.interval
        self._positions = parts.positions
        self._step = parts.step
        self._observer = parts.observer
        self._reach = parts.reach
        self._sight = parts.sight
        self._sweeping = parts.sweeping
        self._partitions = Partitions(parts.consumer, parts.observer)
        self._starter = Starter(parts, self._partitions)
        self._inputs = list(inputs)
        self._consuming = Consuming(parts, self._partitions, take, wait_s)
        self._now = parts.clock.now
        self._quiet_s = parts.pace.quiet_s
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

    # ---- a turn: one poll batch -------------------------------------------------------------

    def _turn(self) -> None:
        """Do what is due; a transient error ends in a rewind."""
        self._observer.turn()
        self._sight.check()
        try:
            self._do_what_is_due()
        except Undone as undone:
            self._rewind("producer", undone.kind)
        except (IndexUnavailable, RegistryUnavailable) as away:
            self._interval.try_commit(AWAY_S)
            self._rewind(*_what_is_away(away))
        except NoStart as refusal:
            if not self._starter.is_overcome(refusal):
                raise
            self._rewind("consumer", type(refusal).__name__)

    def _do_what_is_due(self) -> None:
        began = self._now()
        records = self._consuming.take(self._interval.left_s())
        self._starter.start_waiting()
        if records:
            self._process_all(records, began)
        elif self._interval.is_open:
            self._pass_ends()
            self._commit()
        else:
            self._idle()
        if self._sweeping is not None and (due := self._sweeping.turn(self._partitions)):
            self._interval.add((), due, self._now())
            self._reach("sweep_appended")

    def _process_all(self, records: Sequence[Record], began: float) -> None:
        """Process a poll batch waited for since *began*, or its lots, and commit between lots."""
        lots = self._step.lots(records)
        if not lots:
            self._process(records, began)
            self._pass_ends()
            if self._interval.is_due():
                self._commit()
            return
        self._interval.commit()
        for lot in lots:
            self._observer.turn()
            self._process(lot, self._now())
            self._commit()

    def _process(self, records: Sequence[Record], since: float) -> None:
        """Process records into the open transaction; a new one counts its interval from *since*."""
        began = self._now()
        outputs = self._step.process(records)
        processed = self._now()
        full = self._consuming.is_full
        self._partitions.moved(self._interval.add(records, outputs, since, is_full=full))
        self._observer.phase("process", processed - began)
        self._observer.phase("produce", self._now() - processed)

    def _commit(self) -> None:
        self._interval.commit()
        self._starter.committed()
        if self._now() >= self._quiet_at:
            self._tell_lag()

    def _pass_ends(self) -> None:
        """Let a transaction commit ends of partitions; all that was handed out is processed."""
        if ends := self._partitions.passed():
            self._interval.add_ends(ends)

    def _idle(self) -> None:
        """Let the step do what waits for a quiet moment; its outputs are committed next turn."""
        if self._now() < self._quiet_at or self._partitions.waiting:
            return
        self._tell_lag()
        self._pass_ends()
        if outputs := self._step.idle():
            self._interval.add((), outputs, self._now())
        self._committer.serve()

    def _tell_lag(self) -> None:
        self._quiet_at = self._now() + self._quiet_s
        for key, n in self._positions.lags(self._partitions.started).items():
            self._observer.lag(*key, n)
            self._interval.tell_age(key, n)

    # ---- the one way back -------------------------------------------------------------------

    def _rewind(self, source: Source, kind: str) -> None:
        """Undo the open transaction; every own partition starts again from what is committed."""
        log.warning("rewound", source=source, kind=kind)
        self._observer.error(source, kind)
        self._undo()
        self._starter.back_off()
        self._reach("in_rewind")

    def _undo(self) -> None:
        self._interval.abort()
        self._step.forget()
        self._partitions.stop()

    # ---- the group --------------------------------------------------------------------------

    def _on_assign(self, _: Consumer, given: list[TopicPartition]) -> None:
        self._partitions.given(_keys(given))
        log.info("partitions_assigned", partitions=len(given))

    def _on_revoke(self, _: Consumer, taken: list[TopicPartition]) -> None:
        """Commit what was processed, then give the partitions up."""
        keys = _keys(taken)
        if not self._has_failed:
            self._give_up(keys)
        self._partitions.taken(keys)
        log.info("partitions_revoked", partitions=len(taken))

    def _give_up(self, keys: Sequence[RowKey]) -> None:
        try:
            self._reach("before_revoke")
            self._interval.commit()
            self._reach("after_revoke")
        except Undone as undone:
            self._rewind("producer", undone.kind)
        self._step.revoke(keys)

    def _on_lost(self, _: Consumer, lost: list[TopicPartition]) -> None:
        """Rewind: lost partitions have another owner already, so what is open must not count."""
        if not self._has_failed:
            self._rewind("consumer", "partitions_lost")
        self._partitions.taken(_keys(lost))

    # ---- the end ----------------------------------------------------------------------------

    def _finish(self) -> None:
        """Commit what was processed; if that cannot be done now, the next owner does it again."""
        if not self._interval.try_commit():
            self._undo()
        if waiting := len(self._partitions.waiting):
            log.warning("left_under_way", partitions=waiting)

    def _rescue(self) -> None:
        """Commit what the index had acknowledged before it lost it, so that Kafka has it."""
        with _told("rescue_failed"):
            self._finish()

    def _leave(self) -> None:
        """Abort what is open, and leave the group."""
        with _told("abort_failed"):
            self._interval.abort()
        self._leave_group()

    def _excuse(self, end: BaseException) -> None:
        """Tell the step if *end* is not the fault of a record: then none becomes a suspect."""
        if _is_of_no_record(end):
            with suppress(IndexRefused, IndexUnavailable, LostWrites, Fenced):
                self._step.excuse()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Log a failure of the block as *what*, since raised it would hide an earlier one."""
    try:
        yield
    except KafkaException as failure:
        log.warning(what, kind=failure.args[0].name())


def _keys(partitions: Sequence[TopicPartition]) -> list[RowKey]:
    return [RowKey(one.topic, one.partition) for one in partitions]


def _what_is_away(error: IndexUnavailable | RegistryUnavailable) -> tuple[Source, str]:
    if isinstance(error, IndexUnavailable):
        return "index", type(error).__name__
    return "registry", str(error)


def _is_of_no_record(end: BaseException) -> bool:
    """Return whether no record in hand can be the reason for *end*."""
    if isinstance(end, KafkaException):
        return not is_of_a_record(end.args[0])
    return isinstance(end, Fenced | IndexRefused | NoStart | Stranded)

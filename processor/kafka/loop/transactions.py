"""exactly_once: outputs and offsets in one Kafka transaction (docs/architecture.md)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from msgspec import Struct

from processor.kafka.clock import Clock
from processor.kafka.errors import NO_MEMBER, OLD_GENERATION, TIMED_OUT
from processor.kafka.loop.publishing import NewProducer, Publisher, Undone
from processor.kafka.producer import serve
from processor.records import Output

_SLICE_S: Final = 1.0
"""How long one call of librdkafka takes at most: a call that timed out is resumed at once."""
_OFFSETS_S: Final = 5.0
"""What sending offsets may take: milliseconds, or seconds while the group's coordinator moves."""
_REBALANCES: Final = 3
"""How many rebalances in a row a commit may meet."""

log = structlog.get_logger()


class Apart(Protocol):
    """Makes a call that may never return, and leaves it behind (``processor.apart.apart``)."""

    def __call__(self, call: Callable[[], None], seconds: float, name: str, /) -> None:
        """Return once *call* has; raise TimeoutError after *seconds*."""
        ...


class Producers(Struct, frozen=True):
    """The producers of one transactional id, of which each fences the one before."""

    new: NewProducer
    transaction_s: float
    """How long a transaction may stay open: then the broker aborts it, and fences its producer."""


class Transactions:
    """The one transactional producer of the process, and the transaction that is open.

    Errors fall into four classes. *Retriable*: the same call again. *Requires abort*: Undone.
    *Fatal* (fenced, above all): raised, the process ends; but not where the open transaction has
    expired, in an outage for instance: then it is the broker that fenced us, and what was published
    does not count. Anything else, and a call that did not end in time, leaves open what the
    broker did. In these two cases the producer is replaced, and ``ready`` of the new one settles
    the old one's transaction before positions are read again.
    """

    def __init__(
        self,
        producers: Producers,
        consumer: Consumer,
        topics: Mapping[str, str],
        reach: Callable[[str], None],
        clock: Clock,
        apart: Apart,
    ) -> None:
        self._new_producer = producers.new
        self._transaction_s = producers.transaction_s
        self._consumer = consumer
        self._reach = reach
        self._now = clock.now
        self._apart = apart
        self._publisher = Publisher(topics)
        self._producer = producers.new(self._publisher.delivered)
        self._initialised = False
        self._indefinite = False
        self._open = False
        self._expires_at = 0.0
        """When the broker aborts the open transaction, at the earliest."""
        self._outputs: list[Output] = []
        """What the open transaction holds."""

    def ready(self, within: float) -> bool:
        """Replace the producer if its state is unknown; settle what an earlier one left open."""
        if self._indefinite:
            self._producer = self._new_producer(self._publisher.delivered)
            self._initialised = self._indefinite = False
        if not self._initialised:
            serve(self._producer.poll, 0)  # it may stay so for long
            try:
                self._producer.init_transactions(within)
            except KafkaException as failure:
                if failure.args[0].retriable():
                    return False
                raise
            self._initialised = True
        return True

    def publish(self, outputs: Sequence[Output]) -> None:
        """Add *outputs* to the open transaction, or to a new one."""
        if outputs:
            self._begin()
            self._outputs += outputs
            with self._expiring():
                self._publisher.publish(self._producer, outputs)

    def commit(self, offsets: Sequence[TopicPartition], within: float) -> None:
        """Commit the open transaction with *offsets*.

        A rebalance may overtake it: then the group takes no offsets of the generation before, and
        the transaction has to be aborted. The partitions are still ours, since the group waits
        until we give up what it takes; so the same is published again, under the new generation.
        """
        deadline = self._now() + within
        rebalances = 0
        while True:
            try:
                with self._expiring():
                    self._commit(offsets, deadline)
            except Undone as undone:
                rebalances += 1
                is_overtaken = undone.error.code() == OLD_GENERATION and rebalances <= _REBALANCES
                if not (is_overtaken and self._now() < deadline and self._reopen(deadline)):
                    raise
            else:
                return

    def abort(self, within: float) -> None:
        """Abort the open transaction; if that cannot be confirmed, the producer is replaced."""
        if self._open and not self._indefinite:
            try:
                _until_done(self._producer.abort_transaction, self._now() + within, self._now)
            except KafkaException as failure:
                if failure.args[0].fatal() and not self._has_expired():
                    raise
                self._indefinite = True
        self._open = False
        self._outputs = []
        self._publisher.clear()

    def serve(self) -> None:
        """Let the producer's callbacks run.

        Not those of one that is to be replaced: it may hear yet that its transaction has timed out,
        which is fatal to it, and nothing to the process. Without partitions it stays for long.
        """
        if not self._indefinite:
            serve(self._producer.poll, 0)

    def _begin(self) -> None:
        if not self._open:
            with self._classified():
                self._producer.begin_transaction()
            self._open = True
            self._expires_at = self._now() + self._transaction_s

    def _commit(self, offsets: Sequence[TopicPartition], deadline: float) -> None:
        """Flush the outputs, send *offsets*, commit."""
        self._begin()
        self._flush(deadline)
        self._reach("before_send_offsets")
        if offsets:
            self._send(offsets, min(deadline, self._now() + _OFFSETS_S))
        self._reach("before_kafka_commit")
        with self._classified():
            _until_done(self._producer.commit_transaction, deadline, self._now)
        self._open = False
        self._outputs = []

    def _reopen(self, deadline: float) -> bool:
        """Abort, and publish the same in a new transaction; False where the abort is in doubt."""
        outputs = self._outputs
        self.abort(max(0.0, deadline - self._now()))
        if self._indefinite:
            return False
        log.info("published_again", outputs=len(outputs))
        self.publish(outputs)
        return True

    def _flush(self, deadline: float) -> None:
        """Wait until the outputs are delivered.

        Flush before offsets are sent: librdkafka delays them by 100 ms while partitions are being
        added to the transaction.
        """
        while serve(self._producer.flush, min(_SLICE_S, max(0.0, deadline - self._now()))):
            if self._now() >= deadline:
                self._publisher.refuse(KafkaError(TIMED_OUT))

    def _send(self, offsets: Sequence[TopicPartition], until: float) -> None:
        """Add *offsets* to the transaction.

        librdkafka forgets the timeout of send_offsets_to_transaction when the group's coordinator
        goes away, and may never return (its issues 5456 and 5511). So the call is made in a thread
        of its own; one that is left behind in it has its producer replaced.
        """
        send = partial(
            self._producer.send_offsets_to_transaction,
            list(offsets),
            _membership(self._consumer, self._publisher),
        )

        def send_apart(_: float) -> None:
            seconds = max(0.0, until - self._now())
            try:
                self._apart(partial(send, seconds), seconds, "send-offsets")
            except TimeoutError:
                raise KafkaException(KafkaError(TIMED_OUT)) from None

        with self._classified():
            _until_done(send_apart, until, self._now)

    def _has_expired(self) -> bool:
        """Return whether the broker may have aborted the open transaction by itself.

        Should it be a newer process with our id that fenced us, the group or the index refuses us
        next.
        """
        return self._open and self._now() >= self._expires_at

    @contextmanager
    def _expiring(self) -> Iterator[None]:
        """Raise Undone for a fatal error where the transaction has expired: a new producer goes on.

        Any other error passes.
        """
        try:
            yield
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if not (error.fatal() and self._has_expired()):
                raise
            self._indefinite = True
            raise Undone(error) from None

    @contextmanager
    def _classified(self) -> Iterator[None]:
        """Raise what an error of a call inside means: Undone, or what ends the process."""
        try:
            yield
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            self._indefinite = not (error.fatal() or error.txn_requires_abort())
            self._publisher.refuse(error)


def _membership(consumer: Consumer, publisher: Publisher) -> object:
    """Return the member id and generation that the group checks the offsets by.

    Brokers accept offsets unchecked without them. The id is looked at after the metadata was
    read: a member that has lost its id gets a new one only after our callback ran, so an empty
    id is never missed.
    """
    metadata = consumer.consumer_group_metadata()
    if not consumer.memberid():
        publisher.refuse(KafkaError(NO_MEMBER))
    return metadata


def _until_done(call: Callable[[float], None], deadline: float, now: Callable[[], float]) -> None:
    """Make *call*, a slice of time at once, until it is done or fails for another reason."""
    while True:
        try:
            call(max(0.0, min(_SLICE_S, deadline - now())))
        except KafkaException as failure:
            if not failure.args[0].retriable() or now() >= deadline:
                raise
        else:
            return

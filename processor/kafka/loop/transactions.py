"""exactly_once: outputs and offsets in one Kafka transaction (docs/architecture.md)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from processor.apart import apart
from processor.kafka.clients import Config
from processor.kafka.errors import NO_MEMBER, OLD_GENERATION, TIMED_OUT
from processor.kafka.loop.publishing import Publishing, Undone, serve
from processor.records import Output

_SLICE_S: Final = 1.0
"""How long librdkafka is away at most: a call that timed out is resumed at once."""
_OFFSETS_S: Final = 5.0
"""What sending offsets may take: milliseconds, or seconds while the group's coordinator moves."""
_REBALANCES: Final = 3
"""How many rebalances in a row a commit may meet."""

log = structlog.get_logger()


class Transactions:
    """The one transactional producer of the process, and the transaction that is open.

    Errors fall into four classes. *Retriable*: the same call again. *Requires abort*: Undone.
    *Fatal* (fenced, above all): raised, the process ends. Anything else, and a call that did not
    end in time, leaves open what the broker did: the producer is replaced, and ``ready`` of the
    new one settles the old one's transaction before positions are read again.
    """

    def __init__(
        self,
        config: Config,
        consumer: Consumer,
        topics: Mapping[str, str],
        reach: Callable[[str], None],
    ) -> None:
        self._consumer = consumer
        self._reach = reach
        self._publishing = Publishing(topics)
        self._config = {**config, "on_delivery": self._publishing.delivered}
        self._producer = Producer(self._config)
        self._initialised = False
        self._indefinite = False
        self._open = False
        self._outputs: list[Output] = []
        """What the open transaction holds."""

    def ready(self, within: float) -> bool:
        """Replace the producer if its state is unknown; settle what an earlier one left open."""
        if self._indefinite:
            self._producer = Producer(self._config)
            self._initialised = self._indefinite = False
        if not self._initialised:
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
            self._publishing.produce(self._producer, outputs)

    def commit(self, offsets: Sequence[TopicPartition], within: float) -> None:
        """Commit the open transaction with *offsets*.

        A rebalance may overtake it: then the group takes no offsets of the generation before, and
        the transaction has to be aborted. The partitions are still ours, since the group waits
        until we give up what it takes; so the same is published again, under the new generation.
        """
        deadline = monotonic() + within
        rebalances = 0
        while True:
            try:
                self._commit(offsets, deadline)
            except Undone as undone:
                rebalances += 1
                is_overtaken = undone.error.code() == OLD_GENERATION and rebalances <= _REBALANCES
                if not (is_overtaken and monotonic() < deadline and self._reopen(deadline)):
                    raise
            else:
                return

    def _reopen(self, deadline: float) -> bool:
        """Abort, and publish the same in a new transaction; False where the abort is in doubt."""
        outputs = self._outputs
        self.abort(max(0.0, deadline - monotonic()))
        if self._indefinite:
            return False
        log.info("published_again", outputs=len(outputs))
        self.publish(outputs)
        return True

    def _commit(self, offsets: Sequence[TopicPartition], deadline: float) -> None:
        """Flush the outputs, send *offsets*, commit."""
        self._begin()
        self._flush(deadline)
        self._reach("before_send_offsets")
        if offsets:
            send = partial(
                self._producer.send_offsets_to_transaction, list(offsets), self._membership()
            )
            until = min(deadline, monotonic() + _OFFSETS_S)
            self._again(lambda _: _apart(send, until), until)
        self._reach("before_kafka_commit")
        self._again(self._producer.commit_transaction, deadline)
        self._open = False
        self._outputs = []

    def _membership(self) -> object:
        """Return what the group checks the offsets by.

        A broker checks nothing where it has neither member ID nor generation. Who has lost the ID
        gets another one only after the loop has heard of it: so it is looked for afterwards.
        """
        metadata = self._consumer.consumer_group_metadata()
        if not self._consumer.memberid():
            self._publishing.refuse(KafkaError(NO_MEMBER))
        return metadata

    def abort(self, within: float) -> None:
        """Abort the open transaction; if that cannot be confirmed, the producer is replaced."""
        if self._open and not self._indefinite:
            deadline = monotonic() + within
            try:
                while not self._tried(self._producer.abort_transaction, deadline):
                    pass
            except KafkaException as failure:
                if failure.args[0].fatal():
                    raise
                self._indefinite = True
        self._open = False
        self._outputs = []
        self._publishing.clear()

    def serve(self) -> None:
        """Let the producer's callbacks run."""
        serve(self._producer.poll, 0)

    def _begin(self) -> None:
        if not self._open:
            self._again(lambda _: self._producer.begin_transaction(), monotonic())
            self._open = True

    def _flush(self, deadline: float) -> None:
        """Wait for the outputs: offsets sent before wait 100 ms for partitions still joining."""
        while serve(self._producer.flush, min(_SLICE_S, max(0.0, deadline - monotonic()))):
            if monotonic() >= deadline:
                self._publishing.refuse(KafkaError(TIMED_OUT))

    def _again(self, call: Callable[[float], None], deadline: float) -> None:
        """Call until it is done or *deadline* has passed; raise as the class says."""
        try:
            while not self._tried(call, deadline):
                pass
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            self._indefinite = not (error.fatal() or error.txn_requires_abort())
            self._publishing.refuse(error)

    def _tried(self, call: Callable[[float], None], deadline: float) -> bool:
        """Return whether *call* is done; False if it is to be called again."""
        try:
            call(max(0.0, min(_SLICE_S, deadline - monotonic())))
        except KafkaException as failure:
            if failure.args[0].retriable() and monotonic() < deadline:
                return False
            raise
        return True


def _apart(call: Callable[[float], None], deadline: float) -> None:
    """Make *call* in a thread of its own, and leave it behind if it is not done by *deadline*.

    librdkafka forgets the timeout of send_offsets_to_transaction when the group's coordinator goes
    away, and may never return (its issues 5456 and 5511). Whoever waits here gives the producer up.
    """
    seconds = max(0.0, deadline - monotonic())
    try:
        apart(partial(call, seconds), seconds, "send-offsets")
    except TimeoutError:
        raise KafkaException(KafkaError(TIMED_OUT)) from None

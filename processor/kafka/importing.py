"""Rows of an import to the topic of its input: records and position in one transaction, or neither.

The position is an offset that a group of the import's own commits for partition 0 of the topic; its
number is the row, and its metadata says of which file.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.apart import apart
from processor.kafka.asking import committed, partitions_of
from processor.kafka.clients import Config, command_config, reader_config
from processor.kafka.errors import FATAL, NOT_DELIVERED, TIMED_OUT
from processor.kafka.producer import produce, serve
from processor.records import RowKey
from processor.settings import KafkaSettings

_WITHIN_S: Final = 30.0
_LINGER_MS: Final = 50
_SERVED: Final = 1000
"""Records after which the producer's callbacks may run."""
_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - its own codes begin with an underscore
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        FATAL,  # a call after one that was told so
    }
)


def _config(kafka: KafkaSettings, name: str) -> Config:
    """Return a command's configuration, with batches that are worth a request: nobody waits."""
    return {"linger.ms": _LINGER_MS, **command_config(kafka, name)}


class ImportFenced(Exception):
    """A newer process goes on with the same import, or a transaction has expired: this one ends."""


class TooLargeForTopic(Exception):
    """A record is larger than the topic takes."""


class Importing:
    """The producer and the position of one import."""

    def __init__(
        self,
        kafka: KafkaSettings,
        name: str,
        topic: str,
        headers: Sequence[tuple[str, bytes]],
        reach: Callable[[str], None],
    ) -> None:
        """Open the connections; *name* is what group and transactional id have behind the group."""
        self._place = RowKey(topic, 0)
        self._topic = topic
        self._headers = list(headers)
        self._reach = reach
        self._failed: list[KafkaError] = []
        self._consumer = Consumer(reader_config(kafka, f"{kafka.group_id}-{name}"))
        self._producer = Producer(_config(kafka, name) | {"on_delivery": self._heard})
        self._is_open = False
        self._sent = 0

    @contextmanager
    def fencing(self) -> Iterator[None]:
        """Raise ImportFenced for an error that says so."""
        try:
            yield
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.code() in _FENCED:
                raise ImportFenced from None
            raise

    def begin(self) -> tuple[int, str] | None:
        """Put an earlier process of the import out; return the position, None where there is none.

        Raises NoTopic where there is no such topic.
        """
        partitions_of(self._consumer, self._topic, _WITHIN_S)
        # Ends its open transaction too.
        self._producer.init_transactions(_WITHIN_S)
        (found,) = committed(self._consumer, [self._place], _WITHIN_S)
        return None if found.offset < 0 else (found.offset, found.metadata or "")

    def send(self, key: bytes, value: bytes) -> None:
        """Add a record to the open transaction, or to a new one."""
        if not self._is_open:
            self._begin()
        produce(self._producer, self._topic, value, key, self._headers)
        self._sent += 1
        if self._sent % _SERVED == 0:
            serve(self._producer.poll, 0)
            self._check()

    def commit(self, offset: int, metadata: str) -> None:
        """Commit what was sent, with the position after it."""
        self._begin()
        # Flushed first: librdkafka delays offsets while partitions join the transaction.
        serve(self._producer.flush, _WITHIN_S)
        self._check()
        self._reach("import_produced")
        send = partial(
            self._producer.send_offsets_to_transaction,
            [TopicPartition(*self._place, offset, metadata)],
            self._consumer.consumer_group_metadata(),
            _WITHIN_S,
        )
        try:
            # This call may never return (docs/architecture.md, "What was simplified, and why").
            apart(send, _WITHIN_S, "send-offsets")
        except TimeoutError:
            raise KafkaException(KafkaError(TIMED_OUT)) from None
        self._reach("before_import_commit")
        self._producer.commit_transaction(_WITHIN_S)
        self._is_open = False

    def close(self) -> None:
        """Close the connections; what is not committed is nobody's."""
        if self._is_open:
            self._producer.purge()
        self._consumer.close()

    def _begin(self) -> None:
        if not self._is_open:
            self._producer.begin_transaction()
            self._is_open = True

    def _check(self) -> None:
        """Raise what became of records that were not delivered."""
        if not self._failed:
            return
        codes = {error.code() for error in self._failed}
        if KafkaError.MSG_SIZE_TOO_LARGE in codes:
            raise TooLargeForTopic(
                f"a row is larger than topic {self._topic} takes: raise its max.message.bytes, or"
                " lower limits.max_record_bytes, and such rows are rejected"
            )
        if NOT_DELIVERED in codes:  # a broker that is slow or away, as with any other question
            raise KafkaException(KafkaError(TIMED_OUT))
        raise KafkaException(self._failed[0])

    def _heard(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error)

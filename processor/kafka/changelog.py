"""A topic read from its beginning to where it ended when we began: ``profiles``, for ``restore``.

What an open transaction has appended may yet count, and hides what others appended behind it. So
the end is that of everybody's records, and the reader waits until it may read that far.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it names no exports
    AdminClient,
    OffsetSpec,
)
from msgspec import Struct

from processor.kafka.asking import answered, close, partitions_of
from processor.kafka.clients import client_config
from processor.kafka.errors import passes
from processor.kafka.messages import record
from processor.records import Record
from processor.settings import KafkaSettings

_ANSWER_S: Final = 10.0
_WAIT_S: Final = 0.5
_END: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - its own codes begin with an underscore


class Part(Struct, frozen=True):
    """What came of the topic in one go, and how far that leads."""

    records: tuple[Record, ...]
    done: int
    """Offsets behind the reader, of all partitions together."""
    total: int


class Changelog:
    """Reads one topic, without a group's offsets."""

    def __init__(self, kafka: KafkaSettings, topic: str, take: int = 2000) -> None:
        self._topic = topic
        self._take = take
        self._admin = AdminClient(client_config(kafka, "admin"))
        self._consumer = Consumer(
            {
                "queued.max.messages.kbytes": 64 * 1024,
                "fetch.queue.backoff.ms": 10,
                **client_config(kafka, "consumer"),
                "group.id": f"{kafka.group_id}-restore",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "allow.auto.create.topics": False,
            }
        )

    def read(self) -> Iterator[Part]:
        """Yield the records of the topic; parts without any tell that it is being waited for."""
        latest, earliest = OffsetSpec.latest(), OffsetSpec.earliest()  # type: ignore[no-untyped-call]
        ends = self._offsets(latest)
        at = {p: min(begin, ends[p]) for p, begin in self._offsets(earliest).items()}
        behind = dict(at)
        total = sum(ends.values()) - sum(behind.values())
        self._consumer.assign([TopicPartition(self._topic, p, OFFSET_BEGINNING) for p in ends])
        while any(at[p] < ends[p] for p in ends):
            messages = self._consumer.consume(self._take, _WAIT_S)
            records = tuple(self._taken(messages, ends, at))
            done = sum(min(at[p], ends[p]) - behind[p] for p in ends)
            yield Part(records, done, total)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()
        close(self._admin)

    def _taken(
        self, messages: Sequence[Message], ends: Mapping[int, int], at: dict[int, int]
    ) -> Iterator[Record]:
        for message in messages:
            partition, offset = message.partition() or 0, message.offset() or 0
            error = message.error()
            if error is None:
                at[partition] = max(at[partition], offset + 1)
                if offset < ends[partition]:
                    yield record(message)
            elif error.code() == _END:
                # Its offset is past what compaction and aborted transactions left out.
                at[partition] = max(at[partition], offset)
            elif not passes(error):
                raise KafkaException(error)

    def _offsets(self, which: OffsetSpec) -> dict[int, int]:
        partitions = partitions_of(self._admin, self._topic, _ANSWER_S)
        asked = {TopicPartition(self._topic, p): which for p in partitions}
        found = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=_ANSWER_S
        )
        return {p.partition: answered(one, _ANSWER_S).offset for p, one in found.items()}

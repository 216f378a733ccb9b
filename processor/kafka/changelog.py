"""A topic from its beginning to where it ended when we began: ``profiles``, for commands.

Records of an open transaction may still commit, and nothing behind them can be read until it ends.
So the end is the log's as it was, committed or not, and the reader waits for open transactions on
the way.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from confluent_kafka import Consumer, IsolationLevel, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # it names no exports
    AdminClient,
    OffsetSpec,
)
from msgspec import Struct

from processor.kafka.asking import NoTopic, answered, close, partitions_of
from processor.kafka.clients import client_config, reader_config
from processor.kafka.span import Span
from processor.records import Record
from processor.settings import KafkaSettings

_ANSWER_S: Final = 10.0


class Slice(Struct, frozen=True):
    """Records that were read in one go, and how far that leads."""

    records: tuple[Record, ...]
    """Empty while the reader waits for more."""
    done: int
    """Offsets behind the reader, of all partitions together."""
    total: int


class Changelog:
    """Reads one topic, without a group's offsets."""

    def __init__(self, kafka: KafkaSettings, topic: str, take: int = 2000) -> None:
        self._topic = topic
        self._take = take
        self._admin = AdminClient(client_config(kafka, "admin"))
        self._consumer = Consumer(reader_config(kafka, f"{kafka.group_id}-restore"))

    def read(self, places: Mapping[int, int] = MappingProxyType({})) -> Iterator[Slice]:
        """Yield the records of the topic; a slice without any while they are waited for.

        A partition of *places* is read from there on. NoTopic where there is no such partition.
        """
        latest, earliest = OffsetSpec.latest(), OffsetSpec.earliest()  # type: ignore[no-untyped-call]
        ends, starts = self._offsets(latest), self._offsets(earliest)
        for partition, place in places.items():
            if partition not in starts:
                raise NoTopic(f"topic {self._topic} has no partition {partition}")
            starts[partition] = max(starts[partition], place)
        span = Span(self._consumer, self._topic, starts, ends)
        for records in span.read(self._take):
            yield Slice(tuple(records), span.done, span.total)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()
        close(self._admin)

    def _offsets(self, which: OffsetSpec) -> dict[int, int]:
        partitions = partitions_of(self._admin, self._topic, _ANSWER_S)
        asked = {TopicPartition(self._topic, p): which for p in partitions}
        found = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=_ANSWER_S
        )
        return {p.partition: answered(one, _ANSWER_S).offset for p, one in found.items()}

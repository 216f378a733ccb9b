"""Topics as they are written, from their beginning or from now on, without a group's offsets."""

from collections.abc import Iterator, Sequence
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, TopicPartition

from processor.kafka.asking import partitions_of
from processor.kafka.clients import reader_config
from processor.kafka.messages import record, split
from processor.records import Record
from processor.settings import KafkaSettings

_TAKE: Final = 500
_KNOWN_S: Final = 10.0


class Listening:
    """Reads what is committed on *topics*. Raises NoTopic where one is missing."""

    def __init__(
        self, kafka: KafkaSettings, name: str, topics: Sequence[str], *, from_start: bool = False
    ) -> None:
        """Open the connection; *name* is what the command is called in the cluster's logs."""
        self.consumer = Consumer(reader_config(kafka, f"{kafka.group_id}-{name}"))
        start = OFFSET_BEGINNING if from_start else OFFSET_END
        try:
            self.consumer.assign(list(self._places(topics, start)))
        except BaseException:
            self.consumer.close()
            raise

    def read(self, within: float) -> list[Record]:
        """Return what has come after *within* seconds; sooner where it is very much."""
        messages, _ = split(self.consumer.consume(_TAKE, within))
        return [record(message) for message in messages]

    def close(self) -> None:
        """Close the connection."""
        self.consumer.close()

    def _places(self, topics: Sequence[str], start: int) -> Iterator[TopicPartition]:
        for topic in topics:
            for partition in partitions_of(self.consumer, topic, _KNOWN_S):
                yield TopicPartition(topic, partition, start)

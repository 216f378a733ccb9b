"""Poll batches: what the consumer hands out, as records; errors and ends among it, told apart."""

import structlog

from processor.kafka.errors import END
from processor.kafka.loop.partitions import Partitions
from processor.kafka.loop.starting import LoopParts
from processor.kafka.messages import check, position, record, split
from processor.records import Record

log = structlog.get_logger()


class Consuming:
    """Takes poll batches of a size from a consumer; the group gives and takes partitions in it."""

    def __init__(self, parts: LoopParts, partitions: Partitions, size: int, wait_s: float) -> None:
        self._consumer = parts.consumer
        self._observer = parts.observer
        self._reach = parts.reach
        self._now = parts.clock.now
        self._partitions = partitions
        self._size = size
        self._wait_s = wait_s
        self.is_full = False
        """Whether the last poll batch was full: more records may wait than it took."""

    def take(self, most_s: float) -> list[Record]:
        """Consume a poll batch; wait *most_s* at most for it to fill.

        The group may give and take partitions meanwhile, in callbacks.
        """
        began = self._now()
        taken = self._consumer.consume(self._size, min(self._wait_s, most_s))
        self.is_full = len(taken) >= self._size
        messages, errors = split(taken)
        for message, error in errors:
            if error.code() == END:
                self._partitions.ended(*position(message))
                continue
            kind = check(error, message)
            self._observer.error("consumer", kind)
            log.warning("consumer_error", kind=kind, topic=message.topic())
        if not messages:
            return []
        self._reach("after_consume")
        records = self._partitions.expected([record(message) for message in messages])
        self._observer.phase("consume", self._now() - began)
        return records

"""Sends records to a broker that is killed, frozen and cut off: all of them, seldom one twice."""

import time
from collections.abc import Mapping
from functools import partial
from itertools import count
from typing import Any

from confluent_kafka import KafkaError, Producer

from processor.kafka.errors import Stranded
from processor.kafka.loop.statistics import EVERY_MS, Sight, standing

_PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}


class Sender:
    """A producer; one that knows no broker any more is replaced (librdkafka's issue 5301)."""

    def __init__(self, bootstrap: str, **config: Any) -> None:
        self._config = {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.timeout.ms": 900_000,  # outages last for minutes
            "log_level": 0,
            "statistics.interval.ms": EVERY_MS,
            **config,
        }
        self._numbers = count()
        self._under_way: dict[int, tuple[tuple[Any, ...], Mapping[str, Any]]] = {}
        """What is not acknowledged, in the order in which it was sent."""
        self._refused: list[str] = []
        self.replaced = 0
        """How often: each time records may come twice that had come, and were not acknowledged."""
        self._begin()

    def send(self, *record: Any, **more: Any) -> None:
        """Send a record, given as ``Producer.produce`` takes it."""
        number = next(self._numbers)
        self._under_way[number] = record, more
        self._produce(number)

    def serve(self, within_s: float) -> None:
        """Hear of what was delivered, for so long."""
        self._producer.poll(within_s)
        try:
            self._sight.check()
        except Stranded:
            self.replaced += 1
            self._producer.purge()
            self._producer.flush(5)
            self._begin()
            for number in list(self._under_way):
                self._produce(number)

    def flush(self, within_s: float) -> None:
        """Wait until all is delivered; AssertionError where it is not, or something was refused."""
        deadline = time.monotonic() + within_s
        while self._under_way:
            assert time.monotonic() < deadline, f"{len(self._under_way)} records are not delivered"
            self.serve(0.1)
        assert not self._refused, self._refused[:3]

    def _begin(self) -> None:
        self._sight = sight = Sight()
        told = {"stats_cb": lambda told: sight.told("producer", standing(told))}
        self._producer = Producer(self._config | told)

    def _produce(self, number: int) -> None:
        record, more = self._under_way[number]
        self._producer.produce(*record, **more, on_delivery=partial(self._delivered, number))

    def _delivered(self, number: int, error: KafkaError | None, _: object) -> None:
        if error is not None and error.code() in _PURGED:
            return  # sent again
        del self._under_way[number]
        if error is not None:
            self._refused.append(error.str())

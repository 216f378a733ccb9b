"""The example's service by the clock of records: ``python -m tests.uid2.service TOPICS``.

Its answers carry the time of their question and a minute, as if all weeks passed as they should.
"""

import json
import os
import sys
import time
from typing import Any

from confluent_kafka import Consumer, Producer

from examples.uid2.enrich import Service
from examples.uid2.operator_client import Operator

MINUTE_MS = 60_000


class AsOfQuestions:
    """A consumer that notes the time of the latest question of each person."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.times: dict[bytes, int] = {}

    def consume(self, *how: Any) -> list[Any]:
        messages = self._consumer.consume(*how)
        for one in messages:
            self.times[one.key()] = json.loads(one.value())["timestamp_ms"]
        return messages

    def commit(self, **how: Any) -> Any:
        return self._consumer.commit(**how)


class AsOfAnswers:
    """A producer whose records come a minute after their question."""

    def __init__(self, producer: Producer, times: dict[bytes, int]) -> None:
        self._producer, self._times = producer, times

    def produce(self, topic: str, value: bytes, key: bytes, **how: Any) -> None:
        self._producer.produce(topic, value, key, timestamp=self._times[key] + MINUTE_MS, **how)

    def flush(self, seconds: float) -> int:
        return self._producer.flush(seconds)


if __name__ == "__main__":
    said = json.loads(sys.argv[1])
    servers = {"bootstrap.servers": said["bootstrap"]}
    group = {"group.id": said["group"], "session.timeout.ms": 6000, "enable.auto.commit": False}
    consumer = Consumer({**servers, **group, "auto.offset.reset": "earliest"})
    consumer.subscribe([said["audience_changes"]])
    operator = Operator(
        os.environ["UID2_OPERATOR"],
        os.environ["UID2_API_KEY"],
        bytes.fromhex(os.environ["UID2_SECRET"]),
        lambda: time.time_ns() // 1_000_000,
    )
    asking = AsOfQuestions(consumer)
    producer = Producer({**servers, "enable.idempotence": True})
    answering = AsOfAnswers(producer, asking.times)
    service = Service(asking, answering, operator, answers=said["answers"])  # type: ignore[arg-type]
    while True:
        service.turn(wait_s=0.3)

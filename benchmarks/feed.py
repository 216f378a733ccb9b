"""Batches that come at a steady rate, and the time until what becomes of them can be read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from threading import Event, Thread

from confluent_kafka import Consumer, Message, TopicPartition

from benchmarks import loads
from benchmarks.play import Play
from benchmarks.stage import PARTITIONS

TICK_S = 0.02
LINGER_MS = 2
"""Shorter ticks and no linger make a request of every few records: the broker, which shares the
machine, then takes three times the CPU for a record."""


class Feed:
    """Sends batches at a rate, until it is stopped."""

    def __init__(self, play: Play, per_second: float, messages: Iterator[loads.Message]) -> None:
        """Take what is sent from *messages*, which must not end."""
        self.sent: dict[tuple[int, int], int] = {}
        """The time of each record, ms, by partition and offset, as Kafka has it."""
        self.count = 0
        self._stop = Event()
        self._play, self._rate, self._messages = play, per_second, messages
        self._thread = Thread(target=self._run, name="feed")
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Return when the last one was taken by Kafka."""
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._send()
        except BaseException as failure:  # noqa: BLE001 - told by stop()
            self._failure = failure

    def _send(self) -> None:
        topic = self._play.input.then
        producer = self._play.stage.producer(LINGER_MS)
        began = time.monotonic()
        while not self._stop.is_set():
            due = int((time.monotonic() - began) * self._rate)
            for key, value in islice(self._messages, due - self.count):
                producer.produce(topic, value, key, on_delivery=self._delivered)
            self.count = max(due, self.count)
            producer.poll(0)
            self._stop.wait(TICK_S)
        assert producer.flush(60) == 0

    def _delivered(self, error: object, message: Message) -> None:
        assert error is None, error
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self.sent[partition, offset] = message.timestamp()[1]


class Reader:
    """Reads a topic as it grows, as a `read_committed` consumer sees it."""

    def __init__(self, play: Play, topic: str) -> None:
        """Begin at the end of *topic*."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": play.stage.kafka.bootstrap,
                "group.id": f"{play.group}-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
                "log_level": 0,
            }
        )
        ends = play.stage.ends(topic)
        self._consumer.assign([TopicPartition(topic, p, ends[p]) for p in range(PARTITIONS)])

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def seen(self) -> Iterator[tuple[tuple[int, int], int, float]]:
        """Yield where the input's record was, the output's time and the time now (ms)."""
        messages = self._consumer.consume(2000, 0.005)
        now = time.time() * 1000
        for message in messages:
            headers = dict(message.headers() or ())
            place = int(headers["source-partition"]), int(headers["source-offset"])
            yield place, message.timestamp()[1], now


@contextmanager
def feeding(play: Play, per_second: float, messages: Iterator[loads.Message]) -> Iterator[Feed]:
    """Feed as long as the context lasts."""
    feed = Feed(play, per_second, messages)
    feed.start()
    try:
        yield feed
    finally:
        feed.stop()

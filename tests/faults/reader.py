"""A read_committed reader that runs throughout, and notes when what came."""

import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from processor.kafka.errors import Stranded
from processor.kafka.loop.statistics import EVERY_MS, Sight, standing
from tests.faults import oracle

SILENCE_S = 5.0


class Reader(threading.Thread):
    """Reads the output topics from their beginning until it is stopped."""

    def __init__(
        self, bootstrap: str, topics: Mapping[str, str], unasked: Collection[str] = ()
    ) -> None:
        """Read *topics* by role; records of the input topics *unasked* nobody waits for."""
        super().__init__(daemon=True)
        self._unasked = unasked
        self._roles = {name: role for role, name in topics.items()}
        self._config = {
            "bootstrap.servers": bootstrap,
            "group.id": f"reader-{time.monotonic_ns()}",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
            "log_level": 0,
            "statistics.interval.ms": EVERY_MS,
        }
        self._next: dict[tuple[str, int], int] = {}
        """The offset after the last record seen of each partition."""
        self._begin()
        self._next.update(_beginnings(self._consumer, topics.values()))
        self._go_on()
        self._is_over = threading.Event()
        self.seen: dict[str, list[oracle.Seen]] = defaultdict(list)
        self.done: set[oracle.Source] = set()
        """Input records of which an outcome was seen."""
        self.last: dict[tuple[str, int], float] = {}
        """When the last outcome of each input partition was seen."""
        self.silences: list[tuple[float, float]] = []
        """Length and end of each long time between two outcomes of one input partition."""

    def run(self) -> None:
        while not self._is_over.is_set():
            self._take(self._consumer.consume(1000, timeout=0.05))
            try:
                self._sight.check()
            except Stranded:
                self._consumer.close()
                self._begin()
                self._go_on()
        self._consumer.close()

    def _begin(self) -> None:
        """Make a client: one that knows no broker any more stays so (librdkafka issue 5301)."""
        self._sight = sight = Sight()
        told = {"stats_cb": lambda told: sight.told("consumer", standing(told))}
        self._consumer = Consumer(self._config | told)

    def _go_on(self) -> None:
        # Assigned, as a member of a group would begin anew after an outage longer than its session.
        self._consumer.assign([TopicPartition(*key, at) for key, at in self._next.items()])

    def _take(self, messages: Iterable[Message]) -> None:
        now = time.monotonic()
        for message in messages:
            if message.error():
                continue
            key = message.topic() or "", message.partition() or 0
            self._next[key] = (message.offset() or 0) + 1
            one = seen(self._roles[message.topic() or ""], message)
            self.seen[one.role].append(one)
            if one.role == "outcomes":
                topic, partition, _ = source = one.source
                if topic in self._unasked:
                    continue
                self.done.add(source)
                key = topic, partition
                silence = now - self.last.get(key, now)
                if silence > SILENCE_S:
                    self.silences.append((silence, now))
                self.last[key] = now

    def stop(self) -> None:
        self._is_over.set()
        if self.is_alive():
            self.join()


def seen(role: str, message: Message) -> oracle.Seen:
    """Return what a reader sees of *message*."""
    headers = {name: value or b"" for name, value in message.headers() or []}
    return oracle.Seen(role, message.key(), message.value() or b"", headers)


def _beginnings(consumer: Consumer, topics: Iterable[str]) -> Iterator[tuple[tuple[str, int], int]]:
    for topic in topics:
        for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
            yield (topic, partition), OFFSET_BEGINNING

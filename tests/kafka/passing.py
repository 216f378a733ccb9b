"""A step that passes records through, and loops around it in threads or processes of their own."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

from confluent_kafka import Message

from processor.index.port import Assignment
from processor.kafka.loop.open import Process, open_loop
from processor.kafka.loop.step import TransactionKind
from processor.records import Output, Record
from processor.settings import KafkaSettings, TopicSettings
from tests.kafka.deaf import Deaf
from tests.servers.kafka import Kafka
from tests.servers.waiting import eventually

ROOT = Path(__file__).parent.parent.parent
GUARANTEES = ["exactly_once", "at_least_once"]


class PassThrough:
    """Every record becomes one enriched record that says where it came from."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.assigned: list[tuple[list[Assignment], list[Assignment]]] = []
        self.revoked: list[tuple[str, int]] = []
        self.processed = 0
        self.commits = 0
        self.forgotten = 0
        self.excused = 0
        self.idled = 0

    def assign(self, partitions: Sequence[Assignment], others: Sequence[Assignment]) -> None:
        self.assigned.append((list(partitions), list(others)))

    def revoke(self, partitions: Collection[tuple[str, int]]) -> None:
        self.revoked += partitions

    def process(self, records: Sequence[Record]) -> list[Output]:
        self.processed += len(records)
        return [Output("enriched", r.key, r.value, (*r.headers, *source(r))) for r in records]

    def lots(self, records: Sequence[Record]) -> Sequence[Sequence[Record]]:
        return ()

    def idle(self) -> Sequence[Output]:
        self.idled += 1
        return ()

    def metadata(self, topic: str, partition: int) -> str:
        return json.dumps({"by": self.name, "commits": self.commits})

    def committed(self) -> None:
        self.commits += 1

    def forget(self) -> None:
        self.forgotten += 1

    def excuse(self) -> None:
        self.excused += 1


def source(record: Record) -> Iterator[tuple[str, bytes]]:
    yield "source-topic", record.topic.encode()
    yield "source-partition", str(record.partition).encode()
    yield "source-offset", str(record.offset).encode()


class Listener(Deaf):
    """Remembers what a loop tells."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, str]] = []
        self.kinds: Counter[TransactionKind] = Counter()
        self.records: Counter[TransactionKind] = Counter()
        self.lags: dict[tuple[str, int], int] = {}
        self.ages: dict[tuple[str, int], float] = {}
        self.took: list[float] = []
        self.started = self.waiting = self.turns = 0

    def turn(self) -> None:
        self.turns += 1

    def transaction(self, seconds: float, records: int, kind: TransactionKind) -> None:
        self.kinds[kind] += 1
        self.records[kind] += records

    def lag(self, topic: str, partition: int, n: int) -> None:
        self.lags[topic, partition] = n

    def age(self, topic: str, partition: int, seconds: float) -> None:
        self.ages[topic, partition] = seconds

    def latencies(self, seconds: Sequence[float]) -> None:
        self.took += seconds

    def error(self, source: str, kind: str) -> None:
        self.errors.append((source, kind))

    def partitions(self, started: int, waiting: int) -> None:
        self.started, self.waiting = started, waiting


@dataclass
class Flow:
    """An input topic, an output topic and a group: what one test processes."""

    kafka: Kafka
    input: str
    output: str
    group: str
    partitions: int
    settings: KafkaSettings

    def results(self, isolation: str = "read_committed") -> list[Message]:
        return self.kafka.read(self.output, isolation=isolation)

    def offsets_out(self) -> Counter[tuple[int, int]]:
        """Return how often the record of each input partition and offset came out."""
        return Counter(origin(message) for message in self.results())

    def offsets_in(self) -> set[tuple[int, int]]:
        return {(m.partition(), m.offset()) for m in self.kafka.read(self.input)}


def origin(message: Message) -> tuple[int, int]:
    headers = dict(message.headers())
    return int(headers["source-partition"]), int(headers["source-offset"])


def flow(kafka: Kafka, partitions: int = 4, **settings: object) -> Flow:
    """Make topics and settings for one test; sessions end as soon as the broker lets them."""
    source_topic = kafka.create_topic("in", partitions)
    output = kafka.create_topic("out", partitions)
    group = source_topic.replace("in-", "group-")
    client = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 300}
    client |= settings.pop("client", {})
    topics = TopicSettings(batches=(source_topic,), requests=(), enriched=output)
    return Flow(
        kafka,
        source_topic,
        output,
        group,
        partitions,
        KafkaSettings(
            bootstrap_servers=kafka.bootstrap,
            group_id=group,
            topics=topics,
            client=client,
            **settings,
        ),
    )


def fill(flow: Flow, records: int, start: int = 0) -> None:
    """Append *records* records, spread over the input's partitions."""
    for partition in range(flow.partitions):
        numbers = range(start + partition, start + records, flow.partitions)
        flow.kafka.produce(flow.input, (b"%d" % n for n in numbers), partition)


@dataclass
class Running:
    """A loop in a thread."""

    thread: Thread
    stop: Event
    listener: Listener
    failures: list[BaseException] = field(default_factory=list)

    def failure(self, within: float = 60) -> BaseException:
        """Wait for the loop to fail, and return with what."""
        self.thread.join(within)
        assert not self.thread.is_alive(), "the loop goes on"
        assert self.failures, "the loop ended without a failure"
        return self.failures.pop()

    def end(self, within: float = 30) -> None:
        self.stop.set()
        self.thread.join(within)
        assert not self.thread.is_alive(), "the loop did not stop in time"
        if self.failures:
            raise self.failures.pop()


@contextmanager
def running(flow: Flow, step: PassThrough, **options: object) -> Iterator[Running]:
    """Run a loop in a thread; at the end it must stop within 30 s, and without a failure."""
    listener = options.pop("observer", None) or Listener()
    loop = open_loop(
        flow.settings,
        step,
        Process(name=f"{flow.group}-{id(step)}", **options),
        listener,
    )
    run = Running(Thread(target=lambda: _kept(run, loop)), Event(), listener)
    run.thread.start()
    try:
        yield run
    finally:
        run.end()


def _kept(run: Running, loop) -> None:
    try:
        loop.run(run.stop)
    except BaseException as failure:  # noqa: BLE001 - shown by the test's thread
        run.failures.append(failure)


def at_nth(point: str, n: int, act) -> Callable[[str], None]:
    """Return what does *act* at the *n*-th passage of a named point."""
    passages = itertools.count(1)

    def reach(name: str) -> None:
        if name == point and next(passages) == n:
            act()

    return reach


class Freeze:
    """Freezes the broker at the *n*-th passage of a point, and has it go on at the end."""

    def __init__(self, kafka: Kafka, point: str, n: int) -> None:
        self._node = kafka.node
        self._lock = Lock()
        self._over = False
        self.struck = Event()
        self.reach = at_nth(point, n, self._freeze)

    def _freeze(self) -> None:
        with self._lock:
            if not self._over:
                self._node.pause()
                self.struck.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let the broker go on; whoever comes to the point only now freezes it no more."""
        with self._lock:
            self._over = True
            self._node.resume()


@contextmanager
def spawned(flow: Flow, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a pass-through loop in a process of its own; at the end it must obey SIGTERM."""
    process = spawn(flow, **environ)
    try:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def spawn(flow: Flow, **environ: str) -> subprocess.Popen[bytes]:
    settings = {
        "bootstrap_servers": flow.settings.bootstrap_servers,
        "group_id": flow.group,
        "guarantee": flow.settings.guarantee,
        "instance_id": flow.settings.instance_id,
        "commit_interval_ms": flow.settings.commit_interval_ms,
        "max_batch_records": flow.settings.max_batch_records,
        "client": flow.settings.client,
        "input": flow.input,
        "output": flow.output,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.kafka.worker", json.dumps(settings)],
        cwd=ROOT,
        env={**os.environ, **environ},
    )


def all_came_out_once(flow: Flow, within: float = 40) -> None:
    """Wait until every input record came out, and check that none did twice."""
    expected = flow.offsets_in()
    eventually(lambda: expected <= flow.offsets_out().keys(), within, every=0.3)
    twice = {where: n for where, n in flow.offsets_out().items() if n > 1}
    assert not twice

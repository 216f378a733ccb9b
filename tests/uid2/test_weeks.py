"""The example on real servers: two weeks by the clock of the records, under kills."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from examples.uid2.enrich import IDENTITY
from examples.uid2.stand_in import StandIn, uid_of
from tests.kafka.shopping import ROLES, logged, running, started
from tests.servers.ports import free_port
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(240)]

DAY_MS = 86_400_000
MINUTE_MS = 60_000
PEOPLE = 40
KEY, SECRET = "api-key", bytes(range(32))
CONFIG = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{group}"
instance_id = "one"
client = {{ "session.timeout.ms" = 6000, "heartbeat.interval.ms" = 300 }}
[kafka.topics]
batches = ["{batches}", "{answers}"]
requests = []
clock = "{clock}"
{outputs}
[redis]
url = "{redis}"
prefix = "{prefix}"
[clock]
grace_s = 0
max_silence_s = 0
[observability]
host = "127.0.0.1"
port = {port}
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid", "email"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
[workspaces.shop.events]
uid2 = {{ type = "custom_event", name = "UID2 Enriched", inputs = ["uid2_feed"] }}
[workspaces.shop.audiences.needs_uid2]
all = [{{ identity = "email" }}, {{ not = {{ event = "uid2", within = "7d" }} }}]
identities = ["email"]
[workspaces.shop.partner_identities]
TradeDesk_UID2 = {{}}
[inputs.default]
workspace = "shop"
[inputs.uid2_feed]
workspace = "shop"
source = "custom_feed"
protection = "update_only"
topics = ["{answers}"]
"""


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    made = StandIn(KEY, SECRET, lambda: time.time_ns() // 1_000_000)
    yield made
    made.stop()


@pytest.fixture
def topics(kafka, redis_url, redis_prefix, tmp_path) -> dict[str, str]:
    """Create the topics, write the configuration, and return them by role."""
    made = {role: kafka.create_topic(role) for role in ROLES}
    for role in ("batches", "answers"):  # whose records are of long ago
        made[role] = kafka.create_topic(role, 2, retention_ms="-1")
    made |= {"clock": kafka.create_topic("clock", 2, message_timestamp_type="LogAppendTime")}
    (tmp_path / "idstream.toml").write_text(
        CONFIG.format(
            **made,
            bootstrap=kafka.bootstrap,
            group=kafka.unique("group"),
            outputs="\n".join(f'{role} = "{made[role]}"' for role in ROLES),
            redis=redis_url,
            prefix=redis_prefix,
            port=free_port(),
        )
    )
    return made


def email_of(n: int) -> str:
    return f"person-{n}@x.example"


def people_come(kafka, topic: str, at_ms: int) -> None:
    """Append a batch of each person, as of a moment."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for n in range(PEOPLE):
        names = {"customer_id": f"c{n}", "email": email_of(n)}
        value = json.dumps({"environment": "production", "user_identities": names})
        producer.produce(topic, value, f"c{n}", timestamp=at_ms)
    assert producer.flush(30) == 0


class Services:
    """The processes of the service, one at a time."""

    def __init__(self, kafka, topics: dict[str, str], stand_in: StandIn, log: Path) -> None:
        said = {"bootstrap": kafka.bootstrap, "group": kafka.unique("uid2"), **topics}
        self._command = [sys.executable, "-m", "tests.uid2.service", json.dumps(said)]
        self._said = {"UID2_OPERATOR": stand_in.url, "UID2_API_KEY": KEY}
        self._said["UID2_SECRET"] = SECRET.hex()
        self._log = log
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command, env={**os.environ, **self._said}, stdout=log, stderr=log
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.process = self._started()


@contextmanager
def serving(kafka, topics: dict[str, str], stand_in: StandIn, log: Path) -> Iterator[Services]:
    services = Services(kafka, topics, stand_in, log)
    try:
        yield services
    finally:
        services.kill()


@contextmanager
def dying(path: Path, point: str) -> Iterator[None]:
    """Run a processor that has to die at a crash point."""
    process = started(path, IDSTREAM_CRASH_AT=point)
    try:
        yield
        assert process.wait(60) == -signal.SIGKILL, logged(path)
    finally:
        process.kill()
        process.wait()


def told(kafka, topics: dict[str, str]) -> Counter[tuple[str, int, str]]:
    """Return how often each change was told, by what, at which day and why."""
    values = [json.loads(m.value()) for m in kafka.read(topics["audience_changes"])]
    return Counter((v["change"], v["timestamp_ms"], v["reason"]) for v in values)


def test_each_email_is_asked_about_once_a_week_whoever_is_killed(kafka, topics, stand_in, tmp_path):
    path, start_ms = tmp_path / "idstream.toml", round(time.time() * 1000) - 15 * DAY_MS
    people_come(kafka, topics["batches"], start_ms)
    expected = Counter[tuple[str, int, str]]()
    for week in range(3):  # each answer comes a minute after its question
        at_ms = start_ms + week * (7 * DAY_MS + MINUTE_MS)
        expected["entered", at_ms, "time" if week else "record"] = PEOPLE
        expected["left", at_ms + MINUTE_MS, "record"] = PEOPLE
    with serving(kafka, topics, stand_in, tmp_path / "service.log") as services:
        with dying(path, "after_sweep_commit"):
            eventually(lambda: stand_in.asked, within=60)
            services.restart()  # those whom it had asked about are perhaps not answered
        with running(path):
            week_ms = start_ms + 7 * DAY_MS + MINUTE_MS
            eventually(lambda: told(kafka, topics)["entered", week_ms, "time"], 80, every=0.2)
            services.restart()
            eventually(lambda: told(kafka, topics).total() >= expected.total(), 80, every=0.5)
    assert told(kafka, topics) == expected
    asked = Counter(email for emails in stand_in.asked for email in emails)
    assert set(asked) == {email_of(n) for n in range(PEOPLE)}
    assert all(3 <= times <= 5 for times in asked.values()), asked  # two kills
    assert kafka.read(topics["dead_letters"]) == []
    latest = {m.key(): json.loads(m.value()) for m in kafka.read(topics["profiles"])}
    kept = {
        document["workspaces"]["shop"]["partner_identities"][IDENTITY]["value"]
        for document in latest.values()
    }
    assert kept == {uid_of(email_of(n)) for n in range(PEOPLE)}

"""Processes that die at the crash points of sweeps: every flip is told once all the same."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from confluent_kafka import Producer

from tests.servers.kafka_node import free_port
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]

HOUR_MS = 3_600_000
PEOPLE = 300
ROLES = ("enriched", "responses", "changes", "profiles", "dead_letters", "audience_changes")
CONFIG = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{group}"
instance_id = "one"
client = {{ "session.timeout.ms" = 6000, "heartbeat.interval.ms" = 300 }}
[kafka.topics]
batches = ["{batches}"]
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
priority = ["customerid"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
[workspaces.shop.events]
order = {{ type = "custom_event", name = "Order" }}
[workspaces.shop.audiences]
fresh = {{ all = [{{ event = "order", within = "30m" }}] }}
[inputs.default]
workspace = "shop"
"""


@pytest.fixture
def shop(kafka, redis_url, redis_prefix, tmp_path):
    """Give a configuration, its topics by role, and records of people who are due."""
    topics = {role: kafka.create_topic(role) for role in ROLES}
    topics |= {"batches": kafka.create_topic("batches", 2)}
    topics |= {"clock": kafka.create_topic("clock", 4, message_timestamp_type="LogAppendTime")}
    path = tmp_path / "idstream.toml"
    path.write_text(
        CONFIG.format(
            **topics,
            bootstrap=kafka.bootstrap,
            group=kafka.unique("group"),
            outputs="\n".join(f'{role} = "{topics[role]}"' for role in ROLES),
            redis=redis_url,
            prefix=redis_prefix,
            port=free_port(),
        )
    )
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    at_ms = round(time.time() * 1000) - HOUR_MS
    for n in range(PEOPLE):
        value = {
            "environment": "production",
            "user_identities": {"customer_id": f"c{n}"},
            "events": [{"event_type": "custom_event", "data": {"event_name": "Order"}}],
            "timestamp_unixtime_ms": at_ms,
        }
        producer.produce(topics["batches"], json.dumps(value), partition=n % 2, timestamp=at_ms)
    assert producer.flush(30) == 0
    return path, topics


def started(path, **environ: str) -> subprocess.Popen[bytes]:
    with path.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "processor", "run", "-c", str(path)],
            env={**os.environ, **environ},
            stdout=log,
            stderr=log,
        )


def flips(kafka, topics) -> Counter[tuple[str, str, str, int]]:
    values = [json.loads(m.value()) for m in kafka.read(topics["audience_changes"])]
    return Counter((v["mpid"], v["change"], v["reason"], v["timestamp_ms"]) for v in values)


@pytest.mark.parametrize(
    "point",
    [
        "sweep_appended",
        "before_sweep_commit",
        "after_sweep_commit:3",
        "after_sweep_commit",
    ],
)
def test_whoever_dies_with_a_sweep_in_hand_every_flip_is_told_once(kafka, shop, point):
    path, topics = shop
    dying = started(path, IDSTREAM_CRASH_AT=point)
    assert dying.wait(90) == -signal.SIGKILL, path.with_suffix(".log").read_text()[-2000:]
    living = started(path)
    try:
        eventually(lambda: len(flips(kafka, topics)) == 2 * PEOPLE, within=80, every=0.5)
    finally:
        living.send_signal(signal.SIGTERM)
        assert living.wait(40) == 0, path.with_suffix(".log").read_text()[-2000:]
    told = flips(kafka, topics)
    assert set(told.values()) == {1}
    assert Counter(key[1:3] for key in told) == {
        ("entered", "record"): PEOPLE,
        ("left", "time"): PEOPLE,
    }
    instants = {change: at for _, change, _, at in told}
    assert instants["left"] - instants["entered"] == HOUR_MS // 2
    assert kafka.read(topics["dead_letters"]) == []

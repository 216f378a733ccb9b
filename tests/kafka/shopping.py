"""A shop with an audience that time ends: topics, configuration, orders, processes of it."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Producer

from tests.servers.kafka import Kafka
from tests.servers.ports import free_port

ROLES = ("enriched", "responses", "changes", "profiles", "dead_letters", "audience_changes")
PRIVACY_ROLES = (
    "enriched",
    "responses",
    "changes",
    "dead_letters",
    "outcomes",
    "receipts",
    "profiles",
    "cases",
)
"""What comes out where people may be erased."""
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


def open_shop(kafka: Kafka, redis: tuple[str, str], path: Path) -> Mapping[str, str]:
    """Create the topics of a shop, write its configuration, and return the topics by role."""
    topics = {role: kafka.create_topic(role) for role in ROLES if role != "profiles"}
    topics |= {"profiles": kafka.create_topic("profiles", 2)}
    topics |= {"batches": kafka.create_topic("batches", 2)}
    topics |= {"clock": kafka.create_topic("clock", 4, message_timestamp_type="LogAppendTime")}
    path.write_text(
        CONFIG.format(
            **topics,
            bootstrap=kafka.bootstrap,
            group=kafka.unique("group"),
            outputs="\n".join(f'{role} = "{topics[role]}"' for role in ROLES),
            redis=redis[0],
            prefix=redis[1],
            port=free_port(),
        )
    )
    return topics


def order(kafka: Kafka, topic: str, people: Iterable[int], at_ms: int, **more: object) -> None:
    """Append an order of each of *people*, as of a moment."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for n in people:
        value = {
            "environment": "production",
            "user_identities": {"customer_id": f"c{n}"},
            "events": [{"event_type": "custom_event", "data": {"event_name": "Order"}}],
            "timestamp_unixtime_ms": at_ms,
            **more,
        }
        producer.produce(topic, json.dumps(value), partition=n % 2, timestamp=at_ms)
    assert producer.flush(30) == 0


def started(path: Path, command: str = "run", *more: str, **environ: str) -> subprocess.Popen[str]:
    """Start a process of the shop's configuration, whose log is beside it."""
    with path.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "processor", command, "-c", str(path), *more],
            env={**os.environ, **environ},
            stdout=log if command == "run" else subprocess.PIPE,
            stderr=log if command == "run" else subprocess.PIPE,
            text=True,
        )


@contextmanager
def running(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a processor, which has to end well."""
    living = started(path)
    try:
        yield living
    finally:
        living.send_signal(signal.SIGTERM)
        assert living.wait(40) == 0, logged(path)


def logged(path: Path) -> str:
    """Return the end of the processors' log."""
    return path.with_suffix(".log").read_text()[-2000:]


def flips(kafka: Kafka, topic: str) -> Counter[tuple[str, str, str, str, int]]:
    """Return how often each change of an audience was told: person, name, what, why and when."""
    values = [json.loads(m.value()) for m in kafka.read(topic)]
    return Counter(
        (v["mpid"], v["audience"], v["change"], v["reason"], v["timestamp_ms"]) for v in values
    )

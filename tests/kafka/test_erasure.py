"""An erasure through Kafka, by processors that die on the way: told once, and nobody comes back."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message, Producer
from redis import Redis

from processor.clock.place import SHARDS
from processor.codecs.sweep import shard_sweep
from processor.identity.model import Space
from processor.privacy.receipt import is_proved
from tests.kafka.shopping import PRIVACY_ROLES, logged, running, started
from tests.servers.kafka import Kafka
from tests.servers.ports import free_port
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]

DAY_MS, MINUTE_MS = 86_400_000, 60_000
SPACE = Space("shop", "production")
INPUTS = ("batches", "privacy", "clock")
CONFIG = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{group}"
instance_id = "one"
client = {{ "session.timeout.ms" = 6000, "heartbeat.interval.ms" = 300 }}
[kafka.topics]
batches = "{batches}"
requests = []
privacy = "{privacy}"
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
[privacy]
record_days = 30
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid", "email"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
[inputs.default]
workspace = "shop"
[inputs.office]
workspace = "shop"
topics = ["{privacy}"]
"""
ADA = {"user_identities": {"customer_id": "ada", "email": "ada@example.com"}}
BOB = {"user_identities": {"customer_id": "bob"}}


class Shop:
    """Topics, a configuration, and what is sent and told there."""

    def __init__(self, kafka: Kafka, redis: tuple[str, str], path: Path) -> None:
        self.kafka, self.path = kafka, path
        self.topics = {role: kafka.create_topic(role) for role in PRIVACY_ROLES}
        # The clocks of producers count, so that this test can let time pass.
        ahead = {"message_timestamp_after_max_ms": str(2**63 - 1)}
        self.topics |= {role: kafka.create_topic(role, **ahead) for role in INPUTS}
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap})
        path.write_text(
            CONFIG.format(
                **{role: self.topics[role] for role in INPUTS},
                outputs="\n".join(f'{role} = "{self.topics[role]}"' for role in PRIVACY_ROLES),
                bootstrap=kafka.bootstrap,
                group=kafka.unique("group"),
                redis=redis[0],
                prefix=redis[1],
                port=free_port(),
            )
        )

    def send(self, role: str, at_ms: int, value: bytes, **headers: bytes) -> None:
        self._producer.produce(
            self.topics[role], value, timestamp=at_ms, headers=list(headers.items())
        )
        assert self._producer.flush(30) == 0

    def batch(self, at_ms: int, who: dict[str, Any]) -> None:
        events = [{"event_type": "session_start", "data": {}}]
        self.send("batches", at_ms, json.dumps({**who, "events": events}).encode())

    def pass_time(self, at_ms: int) -> None:
        """Let all that is due by an instant be done."""
        for shard in range(SHARDS):
            self.send("clock", at_ms, shard_sweep(SPACE, at_ms, shard))

    def told(self, role: str) -> list[Message]:
        return self.kafka.read(self.topics[role])

    def newest(self, role: str) -> dict[bytes, bytes | None]:
        return {one.key(): one.value() for one in self.told(role)}

    def states(self) -> list[str]:
        return [json.loads(one.value())["state"] for one in self.told("receipts")]

    def until(self, *states: str) -> None:
        def told() -> bool:
            assert self.states() == list(states)
            return True

        eventually(told, within=20, every=0.3)

    def outcomes(self) -> list[tuple[str, str | None]]:
        found = [json.loads(one.value()) for one in self.told("outcomes")]
        return [(one["outcome"], one["reason"]) for one in found]

    @contextmanager
    def dying(self, point: str) -> Iterator[Callable[[], None]]:
        """Run a processor that dies at a point; yield what waits for that."""
        one = started(self.path, IDSTREAM_CRASH_AT=point)

        def died() -> None:
            assert one.wait(60) == -signal.SIGKILL, logged(self.path)

        try:
            yield died
        finally:
            if one.poll() is None:
                one.kill()
            one.wait(30)


def lose(redis_url: str, prefix: str) -> None:
    """Let Redis lose everything."""
    with Redis.from_url(redis_url) as redis:
        found = list(redis.scan_iter(f"{prefix}:*"))
        assert found
        redis.delete(*found)


def test_an_erasure_is_told_once_whoever_dies_and_what_is_read_again_brings_nobody_back(
    kafka, redis_url, redis_prefix, tmp_path
):
    shop = Shop(kafka, (redis_url, redis_prefix), tmp_path / "idstream.toml")
    now = round(time.time() * 1000)
    shop.batch(now - 5000, ADA)
    shop.batch(now - 5000, BOB)
    request = {
        "subject_request_id": "one",
        "subject_request_type": "erasure",
        "regulation": "gdpr",
        "submitted_time": "2026-01-01T00:00:00Z",
        "subject_identities": {"customerid": "ada"},
    }
    over = now + 8 * DAY_MS
    with shop.dying("after_sweep_commit") as died:
        eventually(lambda: len(shop.told("outcomes")) == 2, within=60, every=0.3)
        shop.send("privacy", now, json.dumps(request).encode())
        shop.send("privacy", now, json.dumps(request).encode(), input=b"office")
        shop.until("pending")
        assert [
            b"ada" in bytes.fromhex(json.loads(one.value())["document"])
            for one in shop.told("cases")
        ] == [True]
        shop.pass_time(over)
        died()
    with shop.dying("before_sweep_commit") as died:
        shop.until("pending", "in_progress")
        shop.batch(now - 5000, ADA)
        eventually(lambda: ("dropped", "erased") in shop.outcomes(), within=60, every=0.3)
        shop.pass_time(over + 5 * MINUTE_MS)
        died()
    with running(shop.path):
        # Completed by the first look after journals of before are trimmed.
        looks = count(over + 10 * MINUTE_MS, 3 * MINUTE_MS)
        eventually(lambda: shop.pass_time(next(looks)) or len(shop.states()) == 3, 60, every=0.5)
        receipts = shop.told("receipts")
        assert all(is_proved(one.value(), b"") for one in receipts)
        assert {one.key() for one in receipts} == {b"one"}
        (ada,) = json.loads(receipts[-1].value())["mpids"]
        told = json.loads(receipts[-1].value())["residues"]
        residues = {one["where"]: one["gone_by_ms"] for one in told}
        assert residues[shop.topics["batches"]] > over
        assert residues[shop.topics["profiles"]] is not None
        profiles = shop.newest("profiles")
        gone = f"shop/production/{ada}".encode()
        assert profiles.pop(gone) is None
        assert [b"bob" in (one or b"") for one in profiles.values()] == [True]
        (case,) = (json.loads(one or b"") for one in shop.newest("cases").values())
        assert (case["state"], b"ada" in bytes.fromhex(case["document"])) == ("completed", False)
        changes = [json.loads(one.value()) for one in shop.told("changes")]
        ended = [(c["mpid"], c["reason"]) for c in changes if c["change"] == "profile_erased"]
        assert ended == [(ada, "erased")]
    lose(redis_url, redis_prefix)
    restoring = started(shop.path, "restore", "--wait")
    told, failed = restoring.communicate(timeout=60)
    assert restoring.returncode == 0, failed
    assert "1 requests under privacy law" in told
    with running(shop.path):
        shop.batch(now - 5000, ADA)
        eventually(lambda: shop.outcomes().count(("dropped", "erased")) == 2, within=60, every=0.3)
        shop.batch(over + DAY_MS, ADA)  # who comes back later is somebody new
        eventually(lambda: len(shop.newest("profiles")) == 3, within=60, every=0.3)
        shop.pass_time(over + 40 * DAY_MS)
        eventually(lambda: set(shop.newest("cases").values()) == {None}, within=60, every=0.3)
    (letter,) = shop.told("dead_letters")  # of an input that may not ask for erasures
    assert dict(letter.headers())["reason"] == b"unknown_input"
    assert shop.states() == ["pending", "in_progress", "completed"]


def test_a_request_that_waits_for_nothing_keeps_out_whoever_comes_after_it(
    kafka, redis_url, redis_prefix, tmp_path
):
    shop = Shop(kafka, (redis_url, redis_prefix), tmp_path / "idstream.toml")
    now = round(time.time() * 1000)
    request = {
        "subject_request_id": "one",
        "subject_request_type": "erasure",
        "regulation": "gdpr",
        "submitted_time": "2026-01-01T00:00:00Z",
        "subject_identities": {"customerid": "ada", "email": "ada@example.com"},
        "extensions": {"idstream": {"skip_waiting_period": True}},
    }
    with shop.dying("after_index_commit") as died:
        shop.send("privacy", now, json.dumps(request).encode(), input=b"office")
        died()
    with running(shop.path):
        shop.until("completed")
        shop.batch(now - 5000, ADA)
        shop.batch(now - 5000, BOB)
        eventually(lambda: len(shop.outcomes()) == 3, within=60, every=0.3)
    lose(redis_url, redis_prefix)
    restoring = started(shop.path, "restore", "--wait")
    _, failed = restoring.communicate(timeout=60)
    assert restoring.returncode == 0, failed
    with running(shop.path):
        shop.batch(now - 5000, ADA)
        eventually(lambda: len(shop.outcomes()) == 4, within=60, every=0.3)

    assert [one for one in shop.outcomes() if one[0] == "dropped"] == [("dropped", "erased")] * 2
    words = [sys.executable, "-m", "processor", "privacy", "show", "-c", str(shop.path), "one"]
    shown = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert "on 2 identities" in shown.stdout
    (receipt,) = shop.told("receipts")
    told = json.loads(receipt.value())
    assert (told["found"], told["marked"], is_proved(receipt.value(), b"")) == (0, 2, True)
    ((_, bob),) = shop.newest("profiles").items()
    assert b"bob" in (bob or b"")
    assert all(b"ada" not in (one.value() or b"") for one in shop.told("cases"))

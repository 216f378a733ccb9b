"""The clock of real loops on a real Kafka: flips are told once, at their instant."""

import json
import time
from collections import Counter
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from confluent_kafka import Producer

from processor.kafka.clock import Clock
from processor.kafka.loop.horizon import HorizonPace
from processor.kafka.loop.open import Process, open_loop
from processor.pipeline.pipeline import Parts, Pipeline
from processor.redis.index import RedisIndex
from processor.settings import load_text
from tests.kafka.deaf import Deaf
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(120)]

HOUR_MS = 3_600_000
CONFIG = """
[kafka]
bootstrap_servers = "%(bootstrap)s"
group_id = "%(group)s"
client = { "session.timeout.ms" = 6000, "heartbeat.interval.ms" = 300 }
[kafka.topics]
batches = ["%(batches)s"]
requests = []
clock = "%(clock)s"
%(outputs)s
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
[workspaces.shop.events]
order = { type = "custom_event", name = "Order" }
[workspaces.shop.audiences]
fresh = { all = [{ event = "order", within = "30m" }] }
[inputs.default]
workspace = "shop"
"""
OUTPUTS = ("enriched", "responses", "changes", "profiles", "dead_letters", "audience_changes")


class Told(Deaf):
    """Remembers what is told of the clock."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()

    def clock(self, due, held, seconds) -> None:
        if due.is_open and seconds:
            self.held[held] += 1


class Shop:
    """Topics, a configuration with an audience, and an index that processors share."""

    def __init__(self, kafka, redis_url: str, prefix: str) -> None:
        self.kafka = kafka
        self.redis = redis_url, prefix
        self.topics = {role: kafka.create_topic(role) for role in OUTPUTS}
        self.topics |= {"batches": kafka.create_topic("batches", 2)}
        self.topics |= {"clock": kafka.create_topic("clock", 4)}
        outputs = "\n".join(f'{role} = "{self.topics[role]}"' for role in OUTPUTS)
        names = {"bootstrap": kafka.bootstrap, "group": kafka.unique("group"), "outputs": outputs}
        self.settings = load_text(CONFIG % {**self.topics, **names}, {})

    def orders(self, count: int, ago_ms: int) -> None:
        """Append orders of as many persons, as of some time ago."""
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap})
        at_ms = round(time.time() * 1000) - ago_ms
        for n in range(count):
            value = {
                "environment": "production",
                "user_identities": {"customer_id": f"c{n}"},
                "events": [{"event_type": "custom_event", "data": {"event_name": "Order"}}],
                "timestamp_unixtime_ms": at_ms,
            }
            producer.produce(
                self.topics["batches"], json.dumps(value), partition=n % 2, timestamp=at_ms
            )
        assert producer.flush(30) == 0

    @contextmanager
    def processing(self, name: str = "p", reach=lambda _point: None):
        settings, index = self.settings, RedisIndex.connect(*self.redis)
        step = Pipeline(
            Parts(
                rules=settings.rules(),
                spaces=settings.space_rules(),
                index=index,
                owner="test",
                computed=settings.computed,
                reach=reach,
            )
        )
        process = Process(
            name=self.kafka.unique(name),
            reach=reach,
            clock=Clock(),
            horizon=HorizonPace(grace_s=0, max_silence_s=0),
        )
        told, stop, failures = Told(), Event(), []

        def run() -> None:
            try:
                open_loop(settings.kafka, step, process, told).run(stop)
            except BaseException as failure:  # noqa: BLE001 - shown by the test's thread
                failures.append(failure)

        thread = Thread(target=run)
        thread.start()
        try:
            yield told
        finally:
            stop.set()
            thread.join(30)
            index.close()
            assert not thread.is_alive()
            if failures:
                raise failures.pop()

    def flips(self) -> Counter[tuple[str, str, str]]:
        values = [json.loads(m.value()) for m in self.kafka.read(self.topics["audience_changes"])]
        return Counter((v["mpid"], v["change"], v["reason"]) for v in values)

    def lefts(self) -> int:
        return sum(1 for _, change, reason in self.flips() if (change, reason) == ("left", "time"))


@pytest.fixture
def shop(kafka, redis_url, redis_prefix) -> Shop:
    return Shop(kafka, redis_url, redis_prefix)


def test_whoever_was_due_is_told_once_through_the_topic_of_sweeps(kafka, shop):
    shop.orders(30, HOUR_MS)
    with shop.processing():
        eventually(lambda: shop.lefts() == 30, every=0.5)
    assert set(shop.flips().values()) == {1}
    assert kafka.read(shop.topics["dead_letters"]) == []


def test_while_records_wait_nobody_is_swept(kafka, shop):
    shop.orders(3, HOUR_MS)
    transaction = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": kafka.unique("tx")}
    )
    transaction.init_transactions(30)
    transaction.begin_transaction()
    transaction.produce(shop.topics["batches"], b"{}", partition=0)
    assert transaction.flush(30) == 0
    with shop.processing() as told:
        eventually(lambda: told.held["lag"] > 2, within=60)
        assert shop.lefts() == 0
        transaction.abort_transaction(30)
        eventually(lambda: shop.lefts() == 3, every=0.5)


def test_two_processors_share_the_shards_and_a_rebalance_moves_them(kafka, shop):
    shop.orders(40, HOUR_MS)
    with shop.processing("one"):
        eventually(lambda: shop.lefts() > 0, every=0.3)
        with shop.processing("two"):
            eventually(lambda: shop.lefts() == 40, within=60, every=0.5)
    assert set(shop.flips().values()) == {1}

"""Processes that die at the crash points of sweeps: every flip is told once all the same."""

import signal
import time
from collections import Counter

import pytest

from tests.kafka.shopping import flips, logged, open_shop, order, running, started
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]

HOUR_MS = 3_600_000
PEOPLE = 300


@pytest.fixture
def shop(kafka, redis_url, redis_prefix, tmp_path):
    """Give a configuration, its topics by role, and records of people who are due."""
    path = tmp_path / "idstream.toml"
    topics = open_shop(kafka, (redis_url, redis_prefix), path)
    order(kafka, topics["batches"], range(PEOPLE), round(time.time() * 1000) - HOUR_MS)
    return path, topics


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
    assert dying.wait(90) == -signal.SIGKILL, logged(path)
    with running(path):
        eventually(
            lambda: len(flips(kafka, topics["audience_changes"])) == 2 * PEOPLE,
            within=80,
            every=0.5,
        )
    told = flips(kafka, topics["audience_changes"])
    assert set(told.values()) == {1}
    assert Counter(key[2:4] for key in told) == {
        ("entered", "record"): PEOPLE,
        ("left", "time"): PEOPLE,
    }
    instants = {change: at for _, _, change, _, at in told}
    assert instants["left"] - instants["entered"] == HOUR_MS // 2
    assert kafka.read(topics["dead_letters"]) == []

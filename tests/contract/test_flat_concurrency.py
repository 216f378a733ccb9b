"""Several processors on shared identifiers leave a graph that one of them could have left."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from processor.identity.model import Space
from processor.index.memory import MemoryIndex
from processor.index.port import Ask, Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.tally import Tally
from processor.records import Record
from processor.redis.index import RedisIndex
from processor.settings import load_text

pytestmark = pytest.mark.redis

TOPIC = "event-batches"
PROCESSORS, RECORDS, AT_ONCE = 4, 300, 25
START_MS = 1_767_225_600_000
SETTINGS = load_text(
    """
    [workspaces.shop]
    strategy = "flat_matching"
    max_merges = 6
    [workspaces.shop.identifiers]
    user_id = { limit = 1 }
    email = { limit = 2 }
    anonymous_id = { limit = { count = 3, window = "daily" } }
    [inputs.default]
    workspace = "shop"
    """,
    {},
)
SPACE = Space("shop", "production")
TALLIES: list[Tally] = []


def pipeline(index, partitions):
    spaces = SETTINGS.space_rules()
    made = Pipeline(
        Parts(
            rules=SETTINGS.rules(),
            spaces=spaces,
            index=index,
            owner="flat",
            with_outcomes=True,
            counted=TALLIES.append,
        )
    )
    made.assign([Assignment(TOPIC, partition, "t", None, "") for partition in partitions], [])
    return made


def records(partition):
    """Return events of a few people who share mailboxes and devices, all partitions the same."""
    chance = random.Random(partition)
    for offset in range(RECORDS):
        known = {
            "user_id": f"u{chance.randrange(40)}",
            "email": [f"e{chance.randrange(60)}" for _ in range(chance.randrange(3))],
            "anonymous_id": f"a{chance.randrange(80)}",
        }
        for name in chance.sample(sorted(known), chance.randrange(2)):
            del known[name]
        time_ms = START_MS + offset * 60_000 + chance.randrange(120_000)
        body = {
            "user_identities": known,
            "timestamp_unixtime_ms": time_ms,
            "user_attributes": {f"k{chance.randrange(4)}": chance.randrange(100)},
        }
        yield Record(TOPIC, partition, offset, time_ms, None, json.dumps(body).encode())


def outcomes(outputs):
    return [json.loads(output.value) for output in outputs if output.role == "outcomes"]


def process(partition, url, prefix):
    """Process a partition; return its records with their outcomes."""
    index = RedisIndex.connect(url, prefix)
    mine, every, done = pipeline(index, [partition]), list(records(partition)), []
    for start in range(0, RECORDS, AT_ONCE):
        lot = every[start : start + AT_ONCE]
        done += zip(lot, outcomes(mine.process(lot)), strict=True)
        mine.committed()
    index.close()
    return done


def test_what_four_processors_leave_one_could_have_left(redis_url, redis_prefix):
    with ThreadPoolExecutor(PROCESSORS) as pool:
        parts = pool.map(lambda n: process(n, redis_url, redis_prefix), range(PROCESSORS))
        done = [one for part in parts for one in part]
    done.sort(key=lambda one: (one[1]["seq"], one[1]["position"]))
    alone = MemoryIndex()
    one = pipeline(alone, range(PROCESSORS))
    for record, outcome in done:
        (again,) = outcomes(one.process([record]))
        one.committed()
        assert (again["outcome"], again["mpid"]) == (outcome["outcome"], outcome["mpid"])
    index = RedisIndex.connect(redis_url, redis_prefix)
    wanted = {p.mpid: p for p in alone.profiles() if (p.scope, p.environment) == SPACE}
    left = index.visit(SPACE, {}, [Ask(mpids=tuple(wanted))]).found.profiles
    index.close()
    assert left == wanted
    assert sum(p.merged_into is not None for p in wanted.values()) > 5
    assert sum(tally.conflicts for tally in TALLIES), "they never met: nothing was tested"
    owners = {}
    for profile in wanted.values():
        for identity in profile.identities:
            key = identity.identity_type, identity.value
            assert owners.setdefault(key, profile.mpid) == profile.mpid

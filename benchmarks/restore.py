"""How long does a restore take, and how much memory does it need?

    python -m benchmarks.restore [PROFILES] [DUPLICATES in percent]

Fills a ``profiles`` topic of 8 partitions on a Kafka of its own with profiles of about 600 bytes
(three identities, five attributes), then runs ``idstream restore`` into an empty Redis server.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.servers.kafka_node import start_node
from tests.servers.redis import Node, find_binary

CONFIGURATION = """
[kafka]
bootstrap_servers = "{bootstrap}"
[redis]
url = "{redis}"
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
"""
PARTITIONS = 8


def profile(number: int, version: int) -> tuple[bytes, bytes]:
    mpid = number * 6_364_136_223_846_793_005 % 2**63
    times = {"added_ms": 1_782_900_000_000, "updated_ms": 1_782_900_000_000, "input": "default"}
    values = {"customerid": number, "email": f"p{number}@example.com", "ios_idfv": number // 2}
    attribute = {"source": "sdk", "input": "default", "updated_ms": 1_782_900_000_000}
    document = {
        "format": 1,
        "scope": "retail",
        "environment": "production",
        "mpid": str(mpid),
        "version": version,
        "created_ms": 1_782_900_000_000,
        "last_seen_ms": 1_782_900_000_000,
        "source_mpid": None,
        "merged_into": None,
        "is_orphaned": False,
        "identities": [
            {"identity_type": kind, "value": str(value), **times} for kind, value in values.items()
        ],
        "workspaces": {
            "retail": {
                "attributes": {
                    f"attribute_{n}": {"value": f"value {number} {n}", **attribute}
                    for n in range(5)
                },
                "consent_state": {},
                "devices": [],
            }
        },
    }
    value = json.dumps(document, separators=(",", ":")).encode()
    return f"retail/production/{mpid}".encode(), value


def main(profiles: int, again: int) -> None:
    kafka, redis = start_node(), Node(find_binary()).start()
    try:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        wanted = [NewTopic("profiles", PARTITIONS, 1, config={"cleanup.policy": "compact"})]
        wanted += [NewTopic(name, 8, 1) for name in ("event-batches", "identity-requests")]
        for made in admin.create_topics(wanted).values():
            made.result(30)
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "lz4"})
        size = 0
        for version in (1, 2):
            for number in range(1, (profiles if version == 1 else profiles * again // 100) + 1):
                key, value = profile(number, version)
                size += len(value)
                while True:
                    try:
                        producer.produce("profiles", value, key)
                        break
                    except BufferError:
                        producer.poll(0.1)
        producer.flush()
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "idstream.toml"
            config.write_text(CONFIGURATION.format(bootstrap=kafka.bootstrap, redis=redis.url))
            began, before = monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-m", "processor", "restore", "-c", str(config)]
            subprocess.run(command, check=True)
            seconds = monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        used = redis.client.info("memory")["used_memory"] // 2**20
        print(
            f"{profiles:,} profiles, {again} % twice, {size >> 20:,} MiB of JSON: {seconds:.1f} s,"
        )
        print(f"{profiles / seconds:,.0f} profiles/s; Redis {used:,} MiB;")
        print(f"the command: {cpu:.1f} s of a core, {after.ru_maxrss // 1024} MiB at most")
    finally:
        redis.close()
        kafka.close()


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["1000000"])[0]), int((sys.argv[2:] or ["10"])[0]))

"""A large import, killed again and again: every row is in once, and what a run left alone costs."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.servers.kafka import ANSWER_S
from tests.servers.kafka_node import Node, start_node

PARTITIONS = 4
ATTRIBUTES = 10
BAD_EVERY = 100
"""One row in so many identifies nobody."""
OUTAGE_EVERY = 10
"""The broker dies with one kill in so many, and comes back."""
CONFIG = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "imports"
[kafka.topics]
batches = ["{topic}"]
[redis]
url = "redis://127.0.0.1:1"
[workspaces.retail]
strategy = "default"
priority = ["customerid", "email"]
[inputs.default]
workspace = "retail"
source = "csv"
"""

Tell = Callable[[str], object]


class Cost(NamedTuple):
    """What a run cost that nothing disturbed."""

    rows: int
    wall_s: float
    cpu_s: float
    peak_mb: float

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows alone: {self.rows / self.wall_s:,.0f} a second,"
            f" {self.rows / self.cpu_s:,.0f} a second of CPU, {self.peak_mb:.0f} MB at most"
        )


class Imports:
    """A broker, a file, and imports of it."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder = folder
        self._rows = rows
        self._node: Node = start_node()
        self._bad = set(range(BAD_EVERY, rows + 1, BAD_EVERY))
        _write(folder / "people.csv", rows, self._bad)

    def close(self) -> None:
        """End the broker."""
        self._node.close()

    def killed(self, times: int, seed: int, tell: Tell) -> list[str]:
        """Kill an import at *times* moments, let it end; return what is wrong then."""
        chance = random.Random(seed)
        wrong: list[str] = []
        self._open("killed")
        for turn in range(times):
            process = self._started()
            time.sleep(chance.uniform(1.5, 4))
            if turn % OUTAGE_EVERY == OUTAGE_EVERY - 1:
                self._node.kill()
                self._node.start()
            process.send_signal(signal.SIGKILL)
            _, told = process.communicate(timeout=120)
            if process.returncode == 0:
                tell(f"imports: done after {turn} kills")
                break
            if process.returncode != -signal.SIGKILL and "committed row" not in told:
                wrong.append(f"ended by itself: {told}")
            tell(f"imports: killed {turn + 1} times, {told.strip().splitlines()[:1]}")
        process = self._started()
        _, told = process.communicate(timeout=900)
        if process.returncode:
            wrong.append(f"does not end: {told}")
        return wrong + self._misses("killed")

    def alone(self) -> Cost:
        """Import the file once, undisturbed."""
        self._open("alone")
        began, process = time.monotonic(), self._started(stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        seconds = time.monotonic() - began
        return Cost(self._rows, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)

    def _open(self, topic: str) -> None:
        admin = AdminClient({"bootstrap.servers": self._node.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(ANSWER_S)
        config = CONFIG.format(bootstrap=self._node.bootstrap, topic=topic)
        (self._folder / "idstream.toml").write_text(config)
        (self._folder / "people.csv.import.json").unlink(missing_ok=True)

    def _started(self, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        command = (sys.executable, "-m", "processor", "import", "--input", "default")
        return subprocess.Popen(
            [*command, "--id", "crm", "--max-errors", str(self._rows), "people.csv"],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            text=True,
        )

    def _misses(self, topic: str) -> list[str]:
        """Return which rows are missing, there twice, or there though they are bad."""
        found = Counter(self._rows_in(topic))
        good = self._rows - len(self._bad)
        twice = sum(count > 1 for count in found.values())
        wrong = []
        if len(found) != good or twice or self._bad & found.keys():
            wrong.append(f"{len(found):,} of {good:,} rows are in, {twice:,} of them twice")
        with (self._folder / "people.csv.rejected.jsonl").open() as file:
            rejected = Counter(json.loads(line)["row"] for line in file)
        if rejected != Counter(self._bad):
            wrong.append(f"{len(rejected):,} rows are told as rejected, of {len(self._bad):,}")
        return wrong

    def _rows_in(self, topic: str) -> list[int]:
        consumer = Consumer(
            {
                "bootstrap.servers": self._node.bootstrap,
                "group.id": "reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
        rows, left = [], PARTITIONS
        while left:
            for message in consumer.consume(5000, 1):
                error = message.error()
                if error is None:
                    value = json.loads(message.value())
                    rows.append(int(value["source_request_id"].rpartition(":")[2]))
                elif error.code() == KafkaError._PARTITION_EOF:
                    left -= 1
        consumer.close()
        return rows


def _write(file: Path, rows: int, bad: set[int]) -> None:
    names = [f"user_attributes.a{n}" for n in range(ATTRIBUTES)]
    with file.open("w") as out:
        out.write(",".join(["user_identities.customer_id", "user_identities.email", *names]) + "\n")
        for row in range(1, rows + 1):
            who = "," if row in bad else f"C-{row},p{row}@example.com"
            said = ",".join(f"value {row % (97 + n)} of {n}" for n in range(ATTRIBUTES))
            out.write(f"{who},{said}\n")

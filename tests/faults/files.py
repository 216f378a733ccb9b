"""A large import, killed again and again: every row is in once, and what a run left alone costs."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.outside import resident_mib
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

SOON_S = (1.5, 4.0)
LOOK_S = 0.25
"""Between two looks at the memory of a process."""

Tell = Callable[[str], object]
Form = Literal["csv", "jsonl"]


class Cost(NamedTuple):
    """What a run cost that nothing disturbed."""

    form: Form
    rows: int
    wall_s: float
    cpu_s: float
    resident: Sequence[float]
    """MiB, from look to look."""

    def __str__(self) -> str:
        quarter = self.resident[len(self.resident) // 4]
        return (
            f"{self.rows:,} rows of {self.form} alone: {self.rows / self.wall_s:,.0f} a second,"
            f" {self.rows / self.cpu_s:,.0f} a second of CPU; memory {quarter:.0f} MiB after a"
            f" quarter, {self.resident[-1]:.0f} at the end, {max(self.resident):.0f} at most"
        )


class Imports:
    """A broker, a file, and imports of it."""

    def __init__(self, folder: Path, rows: int, form: Form = "csv") -> None:
        self._folder = folder
        self._rows = rows
        self._form: Form = form
        self._file = folder / f"people.{form}"
        self._node: Node = start_node()
        self._alone = 0
        self._bad = set(range(BAD_EVERY, rows + 1, BAD_EVERY))
        WRITERS[form](self._file, rows, self._bad)

    def close(self) -> None:
        """End the broker."""
        self._node.close()

    def killed(
        self, times: int, seed: int, tell: Tell, within: tuple[float, float] = SOON_S
    ) -> list[str]:
        """Kill an import at *times* moments, let it end; return what is wrong then.

        *within* are the seconds after its start between which it is killed.
        """
        chance = random.Random(seed)
        wrong: list[str] = []
        self._open("killed")
        for turn in range(times):
            process = self._started()
            time.sleep(chance.uniform(*within))
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
        self._alone += 1
        self._open(f"alone-{self._alone}")
        began, process = time.monotonic(), self._started(stderr=subprocess.DEVNULL)
        resident, ended = list[float](), 0
        while not ended:
            time.sleep(LOOK_S)
            resident += _resident(process.pid)
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return Cost(self._form, self._rows, seconds, used.ru_utime + used.ru_stime, resident)

    def _open(self, topic: str) -> None:
        admin = AdminClient({"bootstrap.servers": self._node.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(ANSWER_S)
        config = CONFIG.format(bootstrap=self._node.bootstrap, topic=topic)
        (self._folder / "idstream.toml").write_text(config)
        self._beside("import.json").unlink(missing_ok=True)

    def _beside(self, end: str) -> Path:
        """Return the file that an import writes beside its own."""
        return self._file.with_name(f"{self._file.name}.{end}")

    def _started(self, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        command = (sys.executable, "-m", "processor", "import", "--input", "default")
        return subprocess.Popen(
            [*command, "--id", "crm", "--max-errors", str(self._rows), self._file.name],
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
        with self._beside("rejected.jsonl").open() as file:
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


def _resident(pid: int) -> list[float]:
    """Return the memory in which a process stands, nothing of one that has ended."""
    try:
        found = resident_mib(pid)
    except (OSError, IndexError):
        return []
    return [found] if found else []


def _csv(file: Path, rows: int, bad: set[int]) -> None:
    names = [f"user_attributes.a{n}" for n in range(ATTRIBUTES)]
    with file.open("w") as out:
        out.write(",".join(["user_identities.customer_id", "user_identities.email", *names]) + "\n")
        for row in range(1, rows + 1):
            who = "," if row in bad else f"C-{row},p{row}@example.com"
            out.write(f"{who},{','.join(_said(row))}\n")


def _jsonl(file: Path, rows: int, bad: set[int]) -> None:
    with file.open("w") as out:
        for row in range(1, rows + 1):
            who = {} if row in bad else {"customer_id": f"C-{row}", "email": f"p{row}@example.com"}
            attributes = {f"a{n}": said for n, said in enumerate(_said(row))}
            batch = {"user_identities": who, "user_attributes": attributes}
            out.write(json.dumps(batch) + "\n")


def _said(row: int) -> list[str]:
    return [f"value {row % (97 + n)} of {n}" for n in range(ATTRIBUTES)]


WRITERS: Mapping[Form, Callable[[Path, int, set[int]], None]] = {"csv": _csv, "jsonl": _jsonl}
"""What writes a file of rows, of which some are bad."""

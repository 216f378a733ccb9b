"""Topics, a Redis server of its own, one processor, and what can be asked of them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from processor.identity.model import Space
from processor.index.tokens import tokens
from processor.profiles.document import to_json
from tests.faults.load import load
from tests.faults.processors import (
    Processor,
    identifiers_by_token,
    live_holders,
    live_profiles,
)
from tests.servers.freezing import state_of
from tests.servers.waiting import eventually

SPACE = Space("retail", "production")
CONFIGURATION = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{group}"
topics = {{ {topics} }}
formats = {{ {formats} }}
client = {{ "session.timeout.ms" = 6000, "heartbeat.interval.ms" = 500 }}
[redis]
url = "{redis}"
[observability]
port = 0
[workspaces.retail]
strategy = "{strategy}"
priority = {priority}
login_ids = ["customerid"]
unique_ids = {unique}
[inputs.default]
workspace = "retail"
source = "custom_feed"
"""
ROLES = (
    "batches",
    "requests",
    "enriched",
    "responses",
    "changes",
    "profiles",
    "dead_letters",
    "outcomes",
)


class Deployment:
    """Topics, a Redis server of its own, one processor, and what can be asked of them."""

    def __init__(self, kafka, node, folder: Path, seed: int = 7) -> None:
        self.kafka = kafka
        self.node = node
        self.topics = {role: kafka.create_topic(role, 3) for role in ROLES}
        self.config = folder / "idstream.toml"
        self.configure()
        self.processor = Processor("only", self.config)
        self._load = load(seed, 4000, 1000)
        self.sent = 0

    def configure(
        self,
        priority: str = '["customerid", "email", "ios_idfv"]',
        unique: str = '["customerid", "email"]',
        avro: tuple[str, ...] = (),
    ) -> None:
        """Write the configuration; topics of the roles in *avro* are Avro."""
        topics = ", ".join(f'{role} = "{name}"' for role, name in self.topics.items())
        self.config.write_text(
            CONFIGURATION.format(
                bootstrap=self.kafka.bootstrap,
                group=self.topics["batches"],
                topics=topics,
                formats=", ".join(f'{role} = "avro"' for role in avro),
                redis=self.node.url,
                strategy="profile_isolation",
                priority=priority,
                unique=unique,
            )
        )

    def produce(self, count: int, **headers: str) -> None:
        names = {
            "event-batches": self.topics["batches"],
            "identity-requests": self.topics["requests"],
        }
        for _ in range(count):
            sent = next(self._load)
            partition = sum(sent.key or b"") % 3
            named = [(name, value.encode()) for name, value in headers.items()]
            self.kafka.hand_over(names[sent.topic], [sent.value], partition, sent.key, named)
        self.kafka.flush()
        self.sent += count

    def produce_sharers(self, number: int) -> None:
        """Produce batches of two new people who share an address and a device."""
        for name in (f"customer-{number}-a", f"customer-{number}-b"):
            batch = {
                "environment": "production",
                "events": [],
                "device_info": {"ios_idfv": f"device-shared-{number}"},
                "user_identities": {"customer_id": name, "email": f"mail-shared-{number}"},
            }
            self.kafka.produce(self.topics["batches"], [json.dumps(batch).encode()], 0, b"k")
        self.sent += 2

    def run_to_the_end(self) -> None:
        """Run until everything that was sent has its outcome, then stop."""
        self.processor.start()
        eventually(self._is_done, within=60, every=0.2)
        self.processor.terminate()
        assert self.processor.wait() == 0, self.processor.log()[-2000:]

    def _is_done(self) -> bool:
        assert self.processor.is_running, self.processor.log()[-2000:]
        # One that is only just starting cannot leave in order yet.
        started = self.processor.has_started
        return started and len(self.kafka.read(self.topics["outcomes"])) >= self.sent

    def restore(self, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.command("restore", *options, **environ)

    @contextmanager
    def restore_that_stops(self, point: str) -> Iterator[Callable[[], tuple[int, str, str]]]:
        """Begin a restore that freezes at *point*; yield what thaws it, and tells how it ended."""
        arguments = [sys.executable, "-m", "processor", "restore", "--wait", "-c", str(self.config)]
        environ = {**os.environ, "IDSTREAM_STOP_AT": point}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        frozen = subprocess.Popen(arguments, env=environ, **pipes)

        def thawed() -> tuple[int, str, str]:
            frozen.send_signal(signal.SIGCONT)
            said, error = frozen.communicate(timeout=60)
            return frozen.returncode, said, error

        try:
            eventually(lambda: state_of(frozen.pid) == "T", within=60)
            yield thawed
        finally:
            frozen.kill()
            frozen.wait()

    def committed(self) -> dict[str, dict[int, int]]:
        """Return the committed offsets of both inputs."""
        group = self.topics["batches"]
        topics = [self.topics[role] for role in ("batches", "requests")]
        found = {topic: self.kafka.committed(group, topic) for topic in topics}
        return {t: {p: one.offset for p, one in of.items()} for t, of in found.items()}

    def restore_in_slices(
        self, count: int, *options: str, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Restore, with *count* changed profiles a transaction."""
        program = (
            "import sys; from processor.cli import main;"
            " from processor.commands.restore import restore;"
            f" restore.SLICE = {count}; main(sys.argv[1:])"
        )
        return _run(["-c", program, "restore", "-c", str(self.config), *options], environ)

    def place_of(self, key: str) -> int:
        """Return the partition of the changelog where the records of *key* are."""
        messages = self.kafka.read(self.topics["profiles"])
        return next(m.partition() for m in messages if m.key() == key.encode())

    def command(self, name: str, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the configuration."""
        return _run(["-m", "processor", name, "-c", str(self.config), *options], environ)

    def state(self) -> tuple[dict[str, bytes], dict[bytes, tuple[int, ...]]]:
        """Return documents and entries as they are in Redis."""
        client = self.node.client
        documents = live_profiles(client, "idstream", SPACE)
        entries = live_holders(client, "idstream", SPACE)
        return {key: to_json(profile) for key, profile in documents.items()}, entries

    def check_entries(
        self, priority: tuple[str, ...], unique: tuple[str, ...], key: bytes = b""
    ) -> None:
        """The entries are the inverse of the documents, and unique identifiers have one holder."""
        live = live_profiles(self.node.client, "idstream", SPACE)
        by_token = identifiers_by_token(live, tokens(key))
        inverse: dict[bytes, set[int]] = {}
        for token, identifier in by_token.items():
            if identifier.identity_type in priority:
                inverse[token] = {
                    p.mpid
                    for p in live.values()
                    if p.merged_into is None
                    and any((i.identity_type, i.value) == identifier for i in p.identities)
                }
                if identifier.identity_type in unique:
                    assert len(inverse[token]) == 1
        held = {t: set(m) for t, m in live_holders(self.node.client, "idstream", SPACE).items()}
        assert held == inverse

    def generations(self) -> set[bytes]:
        """Return the generations of which there are keys."""
        keys = self.node.client.scan_iter("idstream:1:{retail/production}:*", count=1000)
        return {key.split(b"}:")[1].split(b":")[0] for key in keys}


def _run(arguments: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environ},
    )

"""The HTTP front of deploy/connect as a process, and the processor behind it."""

import hashlib
import os
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Message

from tests.docs.pages import ROOT
from tests.security.program import Idstream
from tests.servers.go import cached
from tests.servers.kafka import Kafka
from tests.servers.ports import free_port
from tests.servers.waiting import eventually

CONNECT = ROOT / "deploy" / "connect"
ENGINE = Path(__file__).parent / "front"
KEYS = {
    "SEGMENT_WRITE_KEY": "segment-key",
    "RUDDERSTACK_WRITE_KEY": "rudderstack-key",
    "MPARTICLE_KEY": "mparticle-key",
    "MPARTICLE_SECRET": "mparticle-secret",
}


@pytest.fixture(scope="session")
def engine() -> Path:
    """The program that runs the front."""
    sources = b"".join(p.read_bytes() for p in sorted(ENGINE.iterdir()))
    name = f"front-{hashlib.sha256(sources).hexdigest()[:12]}"
    return cached(name, ["go", "install", "."], ENGINE)


class Front:
    """A running front; ``url`` is where SDKs send to."""

    def __init__(self, engine: Path, folder: Path, kafka: Kafka, **environ: str) -> None:
        self.kafka = kafka
        self.topics = {
            role: kafka.create_topic(role)
            for role in ("batches", "requests", "enriched", "responses")
        }
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        self.log = folder / "front.log"
        settings = {
            "KAFKA": kafka.bootstrap,
            "FRONT_ADDRESS": address,
            "BATCHES_TOPIC": self.topics["batches"],
            "REQUESTS_TOPIC": self.topics["requests"],
            **KEYS,
            **environ,
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [engine, "run", CONNECT / "front.yaml"],
                env={**os.environ, **settings},
                stdout=log,
                stderr=log,
            )
        eventually(self._is_ready)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            return self.send("/ready", method="GET")[0] == 200
        except urllib.error.URLError:
            return False

    def send(
        self, path: str, body: bytes | None = None, method: str = "POST", **headers: str
    ) -> tuple[int, bytes]:
        """Send a request as it is; return status and body of the answer."""
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def records(self, role: str = "batches") -> list[Message]:
        """Return what the front has put on the topic of this role."""
        return self.kafka.read(self.topics[role])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


@pytest.fixture
def front(engine, kafka, tmp_path) -> Iterator[Front]:
    front = Front(engine, tmp_path, kafka)
    yield front
    front.close()


@pytest.fixture
def processor(front, redis_url, redis_prefix, tmp_path) -> Iterator[Idstream]:
    """The processor with the configuration beside the front, running on the topics of the test."""
    config = (CONNECT / "idstream.toml").read_text()
    others = {role: front.kafka.unique(role) for role in UNSEEN}
    topics = "".join(f'{role} = "{name}"\n' for role, name in {**front.topics, **others}.items())
    config = re.sub(
        r'bootstrap_servers = ".*"', f'bootstrap_servers = "{front.kafka.bootstrap}"', config
    )
    config = re.sub(r'url = ".*"', f'url = "{redis_url}"\nprefix = "{redis_prefix}"', config)
    path = tmp_path / "idstream.toml"
    path.write_text(f"{config}\n[kafka.topics]\n{topics}[observability]\nport = 0\n")
    program = Idstream(path)
    made = program.command("check", "--create")
    assert made.returncode == 0, made.stderr
    program.start()
    yield program
    program.stop()


UNSEEN = ("changes", "profiles", "dead_letters")

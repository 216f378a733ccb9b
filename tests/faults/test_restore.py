"""An index that lost its data, the message that leads to ``restore``, and what comes of it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.crash import POINTS
from processor.identity.model import Space
from processor.index.tokens import tokens
from processor.profiles.document import to_json
from tests.faults.load import load
from tests.faults.processors import Processor, identifiers_by_token, live_holders, live_profiles
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]

SPACE = Space("retail", "production")
CONFIGURATION = """
[kafka]
bootstrap_servers = "{bootstrap}"
group_id = "{group}"
topics = {{ {topics} }}
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

    def __init__(self, kafka, node, folder: Path) -> None:
        self.kafka = kafka
        self.node = node
        self.topics = {role: kafka.create_topic(role, 3) for role in ROLES}
        self.config = folder / "idstream.toml"
        self.configure()
        self.processor = Processor("only", self.config)
        self._load = load(7, 4000, 1000)
        self.sent = 0

    def configure(
        self,
        priority: str = '["customerid", "email", "ios_idfv"]',
        unique: str = '["customerid", "email"]',
    ) -> None:
        topics = ", ".join(f'{role} = "{name}"' for role, name in self.topics.items())
        self.config.write_text(
            CONFIGURATION.format(
                bootstrap=self.kafka.bootstrap,
                group=self.topics["batches"],
                topics=topics,
                redis=self.node.url,
                strategy="profile_isolation",
                priority=priority,
                unique=unique,
            )
        )

    def produce(self, count: int) -> None:
        names = {
            "event-batches": self.topics["batches"],
            "identity-requests": self.topics["requests"],
        }
        for _ in range(count):
            sent = next(self._load)
            self.kafka.produce(names[sent.topic], [sent.value], sum(sent.key) % 3, sent.key)
        self.sent += count

    def run_to_the_end(self) -> None:
        """Run until everything that was sent has its outcome, then stop."""
        self.processor.start()
        eventually(self._is_done, within=60, every=0.5)
        self.processor.terminate()
        assert self.processor.wait() == 0, self.processor.log()[-2000:]

    def _is_done(self) -> bool:
        assert self.processor.is_running, self.processor.log()[-2000:]
        return len(self.kafka.read(self.topics["outcomes"])) >= self.sent

    def restore(self, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "processor", "restore", "-c", str(self.config), *options],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environ},
        )

    def state(self) -> tuple[dict[str, bytes], dict[bytes, tuple[int, ...]]]:
        """Return documents and entries as they are in Redis."""
        client = self.node.client
        documents = live_profiles(client, "idstream", SPACE)
        entries = live_holders(client, "idstream", SPACE)
        return {key: to_json(profile) for key, profile in documents.items()}, entries

    def check_entries(self, priority: tuple[str, ...], unique: tuple[str, ...]) -> None:
        """The entries are the inverse of the documents, and unique identifiers have one holder."""
        live = live_profiles(self.node.client, "idstream", SPACE)
        by_token = identifiers_by_token(live, tokens(b""))
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


@pytest.fixture
def deployment(kafka, start_redis, tmp_path: Path) -> Iterator[Deployment]:
    node = start_redis()
    one = Deployment(kafka, node, tmp_path)
    yield one
    one.processor.close()


def test_an_emptied_index_leads_to_restore_and_restore_to_where_it_was(deployment: Deployment):
    deployment.produce(600)
    deployment.run_to_the_end()
    before = deployment.state()
    assert len(before[0]) > 20
    deployment.produce(200)

    deployment.node.client.flushall()
    deployment.processor.start()
    assert deployment.processor.wait() == 1
    last = deployment.processor.log().splitlines()[-1]
    assert "lost acknowledged writes" in last
    assert "`idstream restore`" in last

    done = deployment.restore("--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "processors may be started" in done.stdout
    assert deployment.state() == before
    deployment.run_to_the_end()
    assert len(deployment.kafka.read(deployment.topics["outcomes"])) == deployment.sent
    deployment.check_entries(("customerid", "email", "ios_idfv"), ("customerid", "email"))


def test_restore_refuses_while_the_group_lives_and_touches_nothing(deployment: Deployment):
    deployment.produce(50)
    deployment.processor.start()
    eventually(deployment._is_done, within=60, every=0.5)
    before = deployment.state()

    done = deployment.restore()

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "live members" in line
    assert "--wait" in line
    assert deployment.state() == before
    assert deployment.processor.is_running
    deployment.processor.terminate()
    assert deployment.processor.wait() == 0


def test_part_of_the_documents_lost_is_restored_too(deployment: Deployment):
    deployment.produce(400)
    deployment.run_to_the_end()
    before = deployment.state()
    client = deployment.node.client
    lost = list(client.scan_iter("*:p:*", count=1000))[::3]
    client.delete(*lost)
    client.delete(*list(client.scan_iter("*:i:*", count=1000))[::4])
    assert deployment.state() != before

    done = deployment.restore("--wait")

    assert done.returncode == 0, done.stderr
    assert deployment.state() == before
    assert deployment.generations() == {b"2"}, "the old generation is deleted"


RESTORE_POINTS = tuple(point for point in POINTS if "restore" in point)


def test_a_restore_that_died_at_any_point_is_begun_again(deployment: Deployment):
    deployment.produce(300)
    deployment.run_to_the_end()
    before = deployment.state()

    for point in RESTORE_POINTS:
        died = deployment.restore("--wait", IDSTREAM_CRASH_AT=point)
        assert died.returncode == -9, died.stdout + died.stderr
        assert deployment.state() == before, "what was live, or all that was restored"
    done = deployment.restore("--wait")

    assert done.returncode == 0, done.stderr
    assert deployment.state() == before
    assert len(deployment.generations()) == 1
    deployment.produce(100)
    deployment.run_to_the_end()


def test_other_settings_are_refused_until_the_index_is_derived_anew(deployment: Deployment):
    deployment.produce(600)
    deployment.run_to_the_end()
    documents, _ = deployment.state()

    deployment.configure('["customerid", "ios_idfv"]', '["customerid", "ios_idfv"]')
    deployment.processor.start()
    assert deployment.processor.wait() == 1
    assert "`idstream restore --reindex`" in deployment.processor.log().splitlines()[-1]
    refused = deployment.restore("--wait")
    assert refused.returncode == 1
    assert "--reindex" in refused.stderr
    assert deployment.state()[0] == documents

    done = deployment.restore("--wait", "--reindex")

    assert done.returncode == 0, done.stderr
    assert "more holders than they can have" in done.stdout
    deployment.check_entries(("customerid", "ios_idfv"), ("customerid", "ios_idfv"))
    changed = sum(deployment.state()[0][key] != value for key, value in documents.items())
    assert changed
    published = {m.key(): m.value() for m in deployment.kafka.read(deployment.topics["profiles"])}
    assert {k.encode(): v for k, v in deployment.state()[0].items()} == published
    deployment.produce(200)
    deployment.run_to_the_end()
    deployment.check_entries(("customerid", "ios_idfv"), ("customerid", "ios_idfv"))

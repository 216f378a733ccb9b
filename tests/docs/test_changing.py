"""What pages say can be changed on a running group is changed here, and nobody is forgotten."""

import json
import re

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from tests.docs.pages import text
from tests.docs.shell import Shell, play, serve, written
from tests.servers.kafka import ANSWER_S

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]

CONFIGURATION = """
[workspaces.shop]
strategy = "profile_isolation"
priority = ["customerid", "email"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
"""


def batch(**identities: str) -> bytes:
    events = [{"event_type": "session_start", "data": {}}]
    return json.dumps({"user_identities": identities, "events": events}).encode()


def until(command: str) -> str:
    """Return a loop that ends when *command* does what it should."""
    return f"until {command} 2>/dev/null; do sleep 0.2; done"


class Deployment:
    """A processor in the background of a shell; who is asked for is told by its MPID."""

    def __init__(self, shell: Shell, kafka, redis_url: str, prefix: str) -> None:
        self.shell, self.kafka, self.group = shell, kafka, prefix
        self.names = serve(shell, kafka, redis_url, prefix)
        (shell.folder / "idstream.toml").write_text(CONFIGURATION)
        shell.run("idstream check --create")

    def start(self) -> None:
        self.shell.run("idstream run &")

    def stop(self) -> None:
        self.shell.run("kill %1 && wait")

    def send(self, *batches: bytes) -> None:
        self.kafka.produce(self.names["event-batches"], batches, key=b"k")

    def mpid(self, email: str) -> str:
        return json.loads(self.shell.run(until(f"idstream profile --json shop email={email}")))[
            "mpid"
        ]


@pytest.fixture
def deployment(shell, kafka, redis_url, redis_prefix) -> Deployment:
    return Deployment(shell, kafka, redis_url, redis_prefix)


def test_the_key_of_tokens_can_be_changed_by_a_restore(deployment):
    shell = deployment.shell
    (shell.folder / "old.key").write_text("k" * 32)
    (shell.folder / "new.key").write_text("n" * 32)
    shell.export(REDIS__KEY_FILE=str(shell.folder / "old.key"))
    deployment.start()
    deployment.send(batch(email="ada@example.com", customer_id="c-7"))
    ada = deployment.mpid("ada@example.com")
    deployment.stop()
    shell.export(REDIS__KEY_FILE=str(shell.folder / "new.key"))
    shell.run("idstream restore --wait")
    deployment.start()
    deployment.send(batch(customer_id="c-7"), batch(email="bob@example.com"))
    assert deployment.mpid("bob@example.com") != ada
    assert deployment.mpid("ada@example.com") == ada
    deployment.stop()


def test_profiles_can_be_moved_to_a_topic_of_more_partitions(deployment):
    shell, kafka = deployment.shell, deployment.kafka
    written(shell.folder, text("docs/partitions.md"))
    deployment.start()
    deployment.send(*(batch(email=f"p{n}@example.com") for n in range(40)))
    last = deployment.mpid("p39@example.com")
    deployment.stop()
    wider = kafka.create_topic(
        "profiles-12",
        12,
        cleanup_policy="compact",
        min_compaction_lag_ms="600000",
        message_timestamp_type="LogAppendTime",
        max_message_bytes="540672",
    )
    copied = shell.run(
        f"python copy_topic.py {kafka.bootstrap} {deployment.names['profiles']} {wider}"
    )
    assert copied == "0 of 40 records were not delivered\n"
    shell.export(KAFKA__TOPICS__PROFILES=wider)
    assert "has the documents of space" in shell.run("idstream check || true")
    assert "40 profiles" in shell.run("idstream restore 2>&1")
    deployment.start()
    deployment.send(batch(email="p39@example.com", customer_id="c-39"))
    assert deployment.mpid("p39@example.com") == last
    deployment.stop()
    found = [m for m in kafka.read(wider) if m.key().decode().endswith(f"/{last}")]
    assert len({message.partition() for message in found}) == 1, "each key has its own place"
    assert len({message.partition() for message in kafka.read(wider)}) > 6


def test_an_input_can_be_moved_to_another_topic(deployment):
    old = deployment.names["event-batches"]
    new = deployment.kafka.create_topic("event-batches-6", 6)
    deployment.start()
    deployment.send(batch(email="ada@example.com", customer_id="c-7"))
    ada = deployment.mpid("ada@example.com")
    deployment.stop()
    deployment.shell.export(KAFKA__TOPICS__BATCHES=f"""'["{old}", "{new}"]'""")
    deployment.start()
    deployment.names["event-batches"] = new
    deployment.send(batch(email="bob@example.com"))
    assert deployment.mpid("bob@example.com") != ada
    deployment.stop()
    deployment.shell.export(KAFKA__TOPICS__BATCHES=f"""'["{new}"]'""")
    deployment.start()
    deployment.send(batch(email="cleo@example.com"), batch(email="ada@example.com"))
    assert deployment.mpid("cleo@example.com") != ada
    assert deployment.mpid("ada@example.com") == ada
    deployment.stop()


def test_a_version_can_run_beside_another_and_touches_nothing_of_it(deployment):
    shell = deployment.shell
    deployment.start()
    deployment.send(batch(email="ada@example.com"))
    ada = deployment.mpid("ada@example.com")
    page = text("docs/upgrade.md").replace("$ idstream run -c idstream.toml &\n", "")
    shell.export(OBSERVABILITY__PORT="0")
    names = {"trial": deployment.kafka.unique("trial")}
    play(shell, re.sub(r"\btrial\b", names["trial"], page))
    shell.run("idstream run &")
    assert deployment.mpid("ada@example.com") == ada, (
        "decided by the same rules from the same bytes"
    )
    deployment.send(batch(email="ada@example.com", customer_id="c-7"))
    shell.run(until("idstream profile shop customerid=c-7"))
    shell.run("kill %2 && wait %2")
    deployment.stop()
    own = deployment.kafka.read(deployment.names["profiles"])
    assert len(own) == 2, "each has its own"
    assert len(deployment.kafka.read(f"{names['trial']}-profiles")) == 2


def test_the_way_back_over_a_changed_format_is_open(deployment):
    shell, kafka, names = deployment.shell, deployment.kafka, deployment.names
    written(shell.folder, text("docs/partitions.md"))
    deployment.start()
    deployment.send(batch(email="ada@example.com"))
    ada = deployment.mpid("ada@example.com")
    deployment.stop()
    copy = kafka.create_topic(
        "profiles-before",
        cleanup_policy="compact",
        min_compaction_lag_ms="600000",
        message_timestamp_type="LogAppendTime",
        max_message_bytes="540672",
    )
    shell.run(f"python copy_topic.py {kafka.bootstrap} {names['profiles']} {copy}")
    noted = kafka.committed(deployment.group, names["event-batches"])[0].offset
    deployment.start()
    deployment.send(batch(email="bob@example.com"))
    deployment.mpid("bob@example.com")
    deployment.stop()

    back = kafka.unique("back")
    offsets = [TopicPartition(names["event-batches"], 0, noted)]
    asked = kafka.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(back, offsets)])
    asked[back].result(ANSWER_S)
    shell.export(KAFKA__TOPICS__PROFILES=copy, KAFKA__GROUP_ID=back, REDIS__PREFIX=back)
    shell.run("idstream restore 2>&1")
    assert deployment.mpid("ada@example.com") == ada
    deployment.start()
    deployment.mpid("bob@example.com")
    deployment.stop()
    emails = [
        json.loads(m.value())["user_identities"] for m in kafka.read(names["enriched-batches"])
    ]
    assert len(emails) == 3, "what came after the copy is decided and seen again"

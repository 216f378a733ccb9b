"""The processor comes in by SASL over TLS or by a certificate, with the documented rights alone."""

import json
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from processor.kafka.appending import Appender, NotAppended
from processor.kafka.clock import Clock
from processor.kafka.forward import Forward
from processor.kafka.recent import Budget, NotSeen, Recents
from processor.records import RowKey
from processor.settings import load_text
from tests.kafka.asking import answer, opened
from tests.security.broker import PASSWORD, USER, documented
from tests.security.certificates import KEY_PASSWORD
from tests.security.program import Idstream, Stream

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]

OUTPUTS = ("enriched", "responses", "changes", "profiles", "dead_letters")

LONG = Budget(seconds=30.0)


class Line:
    """The topics and the group of one test, as a configuration and as rights."""

    def __init__(self, kafka, redis_url: str, prefix: str) -> None:
        self.kafka = kafka
        self.group = prefix
        self.topics = {role: f"{prefix}-{role}" for role in ("batches", "requests", *OUTPUTS)}
        self._redis = f'[redis]\nurl = "{redis_url}"\nprefix = "{prefix}"\n'

    def config(self, servers: str, client: dict[str, str], files: dict[str, Path]) -> str:
        listed = "".join(f'{role} = "{name}"\n' for role, name in self.topics.items())
        options = "".join(f'"{name}" = {json.dumps(value)}\n' for name, value in client.items())
        secrets = "".join(f'"{name}" = "{path}"\n' for name, path in files.items())
        return (
            f'[kafka]\nbootstrap_servers = "{servers}"\ngroup_id = "{self.group}"\n'
            f"[kafka.topics]\n{listed}[kafka.client]\n{options}[kafka.client_files]\n{secrets}"
            f'{self._redis}[workspaces.retail]\npreset = "default"\n[observability]\nport = 0\n'
        )

    def rights(self, command: str):
        """Return what the page of operations gives to *command*, for the names of this line."""
        topics = self.topics
        inputs, outputs = [topics["batches"], topics["requests"]], [topics[r] for r in OUTPUTS]
        named = {
            "input topics": [(ResourceType.TOPIC, name) for name in inputs],
            "output topics": [(ResourceType.TOPIC, name) for name in outputs],
            "group": [(ResourceType.GROUP, self.group)],
            "`profiles`": [(ResourceType.TOPIC, topics["profiles"])],
            "`dead-letters`": [(ResourceType.TOPIC, topics["dead_letters"])],
            "`identity-changes`": [(ResourceType.TOPIC, topics["changes"])],
            "`enriched-batches`": [(ResourceType.TOPIC, topics["enriched"])],
            "`identity-responses`": [(ResourceType.TOPIC, topics["responses"])],
            "`privacy-cases`": [(ResourceType.TOPIC, f"{self.group}-cases")],
            "`privacy-receipts`": [(ResourceType.TOPIC, f"{self.group}-receipts")],
            "the topic of requests": [(ResourceType.TOPIC, f"{self.group}-privacy")],
            "the topic of the clock": [(ResourceType.TOPIC, f"{self.group}-clock")],
            "group `<group_id>-serve`": [(ResourceType.GROUP, f"{self.group}-serve")],
            "group `<group_id>-restore`": [(ResourceType.GROUP, f"{self.group}-restore")],
            "group `<group_id>-replay`": [(ResourceType.GROUP, f"{self.group}-replay")],
            "transactional id, prefix `<group_id>`": [(ResourceType.TRANSACTIONAL_ID, self.group)],
            "cluster": [(ResourceType.BROKER, "kafka-cluster")],
            "all topics": [(ResourceType.TOPIC, name) for name in topics.values()],
        }
        for resources, operations in documented(command):
            parts = [resources] if resources in named else resources.split(", ")
            for part in parts:
                for kind, name in named[part]:
                    for word in operations:
                        yield kind, name, _operation(word)

    def allow(self, *commands: str) -> None:
        for command in commands:
            self.kafka.allow(USER, list(self.rights(command)))


def _operation(word: str) -> AclOperation:
    snake = "".join(f"_{c}" if c.isupper() else c.upper() for c in word).strip("_")
    return AclOperation[snake.upper()]


@pytest.fixture
def bare_line(secure_kafka, redis_url, redis_prefix) -> Line:
    """Names of topics that nobody has made."""
    return Line(secure_kafka, redis_url, redis_prefix)


@pytest.fixture
def line(bare_line, idstream) -> Line:
    """Topics made by somebody who may do everything."""
    config = bare_line.config(bare_line.kafka.bootstrap, {}, {})
    done = idstream(config).command("check", "--create")
    assert done.returncode == 0, done.stderr
    return bare_line


@pytest.fixture
def password(tmp_path) -> Path:
    path = tmp_path / "kafka-password"
    path.write_text(PASSWORD + "\n")
    return path


def sasl(line: Line, certificates, password: Path, **more: str) -> str:
    client = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": USER,
        "ssl.ca.location": str(certificates.ca),
        **{name.replace("_", "."): value for name, value in more.items()},
    }
    return line.config(line.kafka.sasl, client, {"sasl.password": password})


def mutual(line: Line, certificates, key: Path, **files: Path) -> str:
    client = {
        "security.protocol": "SSL",
        "ssl.ca.location": str(certificates.ca),
        "ssl.certificate.location": str(certificates.client),
        "ssl.key.location": str(key),
    }
    named = {name.replace("_", "."): path for name, path in files.items()}
    return line.config(line.kafka.mutual, client, named)


def checked(program: Idstream, *arguments: str) -> None:
    done = program.command("check", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def passed_on(line: Line, program: Idstream) -> bytes:
    program.start()
    came = Stream(line.kafka, line.topics["batches"], line.topics["enriched"]).passes(program)
    program.stop()
    return came


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_with_a_password_from_a_file_and_the_documented_rights_a_batch_is_forwarded(
    line, certificates, password, idstream, mechanism
):
    line.allow("run")
    program = idstream(sasl(line, certificates, password, sasl_mechanisms=mechanism))
    batch = json.loads(passed_on(line, program))
    assert batch["user_identities"][0]["identity"] == "ed@example.com"
    assert not program.says(PASSWORD)


def test_a_certificate_is_a_name_that_rights_are_given_to(line, certificates, idstream):
    line.allow("run")
    assert passed_on(line, idstream(mutual(line, certificates, certificates.client_key)))


def test_a_key_may_be_encrypted_and_its_password_come_from_a_file(
    line, certificates, tmp_path, idstream
):
    line.allow("check")
    secret = tmp_path / "key-password"
    secret.write_text(KEY_PASSWORD)
    key = certificates.client_key_encrypted
    checked(idstream(mutual(line, certificates, key, ssl_key_password=secret)))


def test_topics_are_made_with_the_rights_that_are_documented_for_that(
    bare_line, certificates, password, idstream
):
    bare_line.allow("check --create")
    checked(idstream(sasl(bare_line, certificates, password)), "--create")


def test_restore_and_replay_do_their_work_with_the_rights_that_are_documented_for_them(
    line, certificates, password, idstream
):
    line.allow("run", "restore", "replay")
    program = idstream(sasl(line, certificates, password))
    line.kafka.produce(line.topics["batches"], [b"no JSON"])
    passed_on(line, program)
    for command in (["restore", "--wait"], ["replay"]):
        done = program.command(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    letter, _, again = [m.value() for m in line.kafka.read(line.topics["batches"])]
    assert (letter, again) == (b"no JSON", b"no JSON")


def test_serve_reads_and_writes_with_the_rights_that_are_documented_for_it(
    line, certificates, password
):
    kafka, now = load_text(sasl(line, certificates, password), {}).kafka, Clock().now
    cases, receipts, asked = (f"{line.group}-{one}" for one in ("cases", "receipts", "privacy"))
    for topic in (cases, receipts, asked):
        line.kafka.restore_topic(topic, 1)
    changes, enriched, answers, letters = (
        line.topics[role] for role in ("changes", "enriched", "responses", "dead_letters")
    )
    recents = Recents(kafka, now)
    with pytest.raises(NotSeen):
        recents.of_all(changes, LONG)
    line.allow("serve")
    for topic in (changes, enriched, answers, letters, receipts):
        line.kafka.produce(topic, [b"{}"])
        assert [one.value for one in recents.of_all(topic, LONG)] == [b"{}"]
    standing = recents.standing([line.topics["batches"], line.topics["requests"]])
    assert {row.topic for row in standing} == {line.topics["batches"], line.topics["requests"]}
    for topic in (cases, changes, enriched):
        reader = Forward(kafka, topic, now)
        found = [one.value for records in reader.everything(30.0) for one in records]
        assert (found, reader.reached.is_whole) == ([] if topic == cases else [b"{}"], True)
    assert Appender(kafka).append(asked, b"id", b"{}", [], 30.0).topic == asked
    with pytest.raises(NotAppended):
        Appender(kafka).append(cases, b"id", b"{}", [])


def test_how_far_the_clock_may_go_is_told_with_the_rights_of_whoever_only_describes(
    line, certificates, password
):
    kafka = load_text(sasl(line, certificates, password), {}).kafka
    line.allow("recompute")
    place = RowKey(line.topics["batches"], 0)
    with opened(kafka, place.topic) as inputs:
        assert answer(inputs.ends(None)).ends[place] == 0
        assert answer(inputs.committed([place]))[place] < 0


def test_what_the_rights_do_not_allow_is_said_in_one_line(line, certificates, password, idstream):
    done = idstream(sasl(line, certificates, password)).command("check")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "topic" in done.stdout.lower()


@pytest.mark.parametrize("what", ["password", "authority", "name", "certificate", "protocol"])
def test_who_is_not_let_in_is_told_where_and_mostly_why(
    line, certificates, password, idstream, what
):
    config = sasl(line, certificates, password)
    says = "certificate verify failed"
    if what == "password":
        password.write_text("wrong")
        says = "Authentication failed"
    elif what == "authority":
        config = sasl(line, certificates, password, ssl_ca_location=str(certificates.stranger))
    elif what == "name":
        config = config.replace("localhost", "127.0.0.2")
    elif what == "certificate":
        client = {"security.protocol": "SSL", "ssl.ca.location": str(certificates.ca)}
        config, says = line.config(line.kafka.mutual, client, {}), "SSL"
    else:
        config, says = line.config(line.kafka.sasl, {}, {}), line.kafka.sasl
    done = idstream(config).command("check")
    assert done.returncode == 1
    assert says in done.stdout
    assert done.stderr.count("\n") == 1

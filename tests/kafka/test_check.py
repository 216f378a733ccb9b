"""``check`` against a real cluster and a real server: what is missing, created, and then right."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from processor.commands.check.check import How, check
from processor.commands.restore.republish import republish
from processor.commands.status.status import status
from processor.commands.terminal.failure import Failure
from processor.identity.model import Space
from processor.kafka.topics import Width
from processor.redis.keys import control_key
from tests.servers.kafka import ANSWER_S, Kafka
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis]

ROOT = Path(__file__).parents[2]
ROLES = ("enriched", "responses", "changes", "profiles", "dead_letters", "outcomes")
CREATE = How(create=True)
NARROW = How(create=True, width=Width(partitions=1, replicas=1))
BATCH = {
    "user_identities": {"customer_id": "c1"},
    "events": [{"event_type": "session_start", "data": {}}],
}


@pytest.fixture
def config(kafka, redis_url: str, redis_prefix: str, tmp_path: Path) -> Path:
    topics = {role: f"{redis_prefix}-{role}" for role in (*ROLES, "batches", "requests")}
    path = tmp_path / "idstream.toml"
    path.write_text(
        f'[kafka]\nbootstrap_servers = "{kafka.bootstrap}"\ngroup_id = "{redis_prefix}"\n'
        "[kafka.topics]\n"
        + "".join(f"{role} = {json.dumps(name)}\n" for role, name in topics.items())
        + f'[redis]\nurl = "{redis_url}"\nprefix = "{redis_prefix}"\n'
        + "[observability]\nport = 0\n"
        + '[workspaces.retail]\npreset = "default"\n'
    )
    return path


@pytest.fixture
def told(capsys) -> Callable[..., tuple[int, dict[str, list[tuple[str, str]]]]]:
    """Return what a check says by what it says it of, and how much of it is wrong."""

    def checked(config: Path, **environ: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
        capsys.readouterr()
        variables = {f"IDSTREAM_{name}": value for name, value in environ.items()}
        with suppress(Failure):
            check(config, variables, How(as_json=True))
        found = json.loads(capsys.readouterr().out)
        by_what: dict[str, list[tuple[str, str]]] = {}
        for one in found["findings"]:
            by_what.setdefault(one["what"], []).append((one["verdict"], one["says"]))
        return found["wrong"], by_what

    return checked


def works(config: Path, kafka: Kafka, prefix: str) -> None:
    """Let a processor decide one record, and end."""
    kafka.produce(f"{prefix}-batches", [json.dumps(BATCH).encode()])
    with running(config):
        eventually(lambda: kafka.read(f"{prefix}-profiles"))


@contextmanager
def running(config: Path) -> Iterator[None]:
    """Run a processor of *config* meanwhile."""
    process = subprocess.Popen(
        [sys.executable, "-m", "processor", "run", "-c", config],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(60) == 0


def forget(url: str, prefix: str) -> None:
    client = redis.Redis.from_url(url, protocol=2)
    client.delete(*client.scan_iter(f"{prefix}:*"))
    client.close()


def empty(kafka: Kafka, topic: str) -> None:
    """Delete the records of a compacted topic."""
    kafka.alter_topic(topic, cleanup_policy="delete")
    kafka.empty(topic, [0])
    kafka.alter_topic(topic, cleanup_policy="compact")


def test_missing_topics_are_named_created_and_then_right(config, redis_prefix, told, capsys):
    wrong, found = told(config)
    assert wrong == 8
    assert found[f"topic {redis_prefix}-profiles"][0][1].startswith("does not exist")

    check(config, {}, How(create=True, width=Width(partitions=3, replicas=1)))
    shown = capsys.readouterr().out
    for role in (*ROLES, "batches", "requests"):
        assert f"created topic {redis_prefix}-{role} (3 partitions, 1 replica)\n" in shown
    assert shown.splitlines()[-1].startswith("nothing wrong, ")

    check(config, {}, CREATE)
    shown = capsys.readouterr().out
    assert "created topic" not in shown
    assert "retail/production, retail/development" in shown


def test_each_fault_is_told_once_and_the_last_line_counts_them(config, redis_prefix, capsys):
    with pytest.raises(Failure, match=r"^8 wrong, \d warnings$"):
        check(config, {})
    assert capsys.readouterr().out.count(f"topic {redis_prefix}-profiles ") == 1


def test_a_topic_of_the_wrong_kind_is_named(config, kafka, told):
    name = kafka.create_topic("profiles")
    _, found = told(config, KAFKA__TOPICS__PROFILES=name)
    assert ("wrong", "cleanup.policy is delete: profiles would vanish; set compact") in found[
        f"topic {name}"
    ]


def test_narrow_topics_and_single_copies_are_warned_of(config, redis_prefix, told, capsys):
    check(config, {}, NARROW)
    wrong, found = told(config)
    assert not wrong
    said = [says for _, says in found[f"topic {redis_prefix}-batches"]]
    for start in ("has 1 partition:", "has 1 replica:", "message.timestamp.type is CreateTime"):
        assert [one for one in said if one.startswith(start)]


def test_what_is_accepted_is_warned_of_no_more(config, redis_prefix, told, capsys):
    check(config, {}, NARROW)
    names = ["topics.replicas", "topics.partitions", "redis.key_file", "topics.replica"]
    _, found = told(config, CHECK__ACCEPT=json.dumps(names))
    verdicts = dict(map(reversed, found[f"topic {redis_prefix}-batches"]))
    assert {v for says, v in verdicts.items() if says.startswith("has 1 ")} == {"accepted"}
    assert found["redis.key_file"][0][0] == "accepted"
    [(verdict, says)] = found["check.accept"]
    assert verdict == "warning"
    assert says.startswith("topics.replica is no warning of this check")


def test_an_index_that_a_start_would_refuse_is_wrong(config, kafka, redis_url, redis_prefix, told):
    check(config, {}, NARROW)
    assert told(config)[1]["index retail/production"] == [("ok", "new")]
    works(config, kafka, redis_prefix)
    wrong, found = told(config)
    assert not wrong
    assert found["index retail/production"][0][1].startswith("agrees")

    text = config.read_text()
    audience = 'ada = { publish = false, all = [{ identity = "email" }] }'
    config.write_text(f"{text}[workspaces.retail.audiences]\n{audience}\n")
    wrong, found = told(config)
    assert not wrong
    assert "new: audiences.ada; " in found["index retail/production"][1][1]
    config.write_text(text)

    wrong, found = told(config, KAFKA__GROUP_ID=f"{redis_prefix}-other")
    assert wrong == 2
    assert "belongs to another consumer group" in found["index retail/production"][0][1]

    config.write_text(
        text.replace('preset = "default"', 'strategy = "best_match"\npriority = ["email"]')
    )
    wrong, found = told(config)
    assert wrong == 2
    assert "was built under other identity settings" in found["index retail/production"][0][1]
    config.write_text(text)

    (config.parent / "key").write_bytes(b"k" * 32)
    wrong, found = told(config, REDIS__KEY_FILE=str(config.parent / "key"))
    assert wrong == 2
    assert "was made with another redis.key_file" in found["index retail/production"][0][1]

    empty(kafka, f"{redis_prefix}-profiles")
    wrong, found = told(config)
    assert wrong == 1
    assert "nothing could be rebuilt from it" in found["index retail/production"][0][1]

    forget(redis_url, redis_prefix)
    wrong, found = told(config)
    assert wrong == 2
    assert "lost acknowledged writes" in found["index retail/production"][0][1]


def test_an_index_that_keeps_request_ids_as_a_release_before_did_is_told(
    config, kafka, redis_url, redis_prefix, told
):
    check(config, {}, NARROW)
    works(config, kafka, redis_prefix)
    space = Space("retail", "production")
    assert len(told(config)[1][f"index {space.name}"]) == 1
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        client.hdel(control_key(redis_prefix, space), "uses")

    wrong, found = told(config)
    assert not wrong
    (verdict, says) = found[f"index {space.name}"][1]
    assert verdict == "ok"
    assert 'redis.request_ids = "short"' in says
    assert len(told(config, REDIS__REQUEST_IDS="long")[1][f"index {space.name}"]) == 1


@pytest.fixture
def standing(capsys) -> Callable[..., dict]:
    """Return what ``status --json`` prints."""

    def shown(config: Path, **environ: str) -> dict:
        capsys.readouterr()
        variables = {f"IDSTREAM_{name}": value for name, value in environ.items()}
        with suppress(Failure):
            status(config, variables, as_json=True)
        return json.loads(capsys.readouterr().out)

    return shown


def test_a_running_deployment_is_shown(config, kafka, redis_prefix, standing, capsys):
    check(config, {}, NARROW)
    before_ms = time.time_ns() // 1_000_000
    works(config, kafka, redis_prefix)
    kafka.produce(f"{redis_prefix}-batches", [json.dumps(BATCH).encode()])
    stopped = standing(config)
    assert stopped["members"] == []
    assert stopped["problems"][0].startswith(f"group {redis_prefix} has no members")
    assert stopped["lag"] == 1
    assert standing(config, CHECK__ACCEPT='["topics.replicas", "topics.partitions"]')["warnings"]

    with running(config):
        eventually(lambda: not standing(config)["problems"] and not standing(config)["lag"])
        found = standing(config)
        status(config, {})
    text = capsys.readouterr().out
    [member] = found["members"]
    assert f"group {redis_prefix}: 1 member, lag 0, last profile at " in text
    assert {one["owner"] for one in found["partitions"]} == {member}
    assert {one["topic"]: one["position"] for one in found["partitions"]} == {
        f"{redis_prefix}-batches": 2,
        f"{redis_prefix}-requests": 0,
    }
    space = found["spaces"][0]
    assert (space["name"], space["profiles"], space["identifiers"]) == ("retail/production", 1, 1)
    assert space["memory_bytes"] > 100
    assert before_ms <= space["changed_ms"] <= time.time_ns() // 1_000_000
    assert found["published_ms"] > 0
    for warning in ("has 1 partition:", "has 1 replica:", "message.timestamp.type is CreateTime"):
        assert [one for one in found["warnings"] if warning in one]
        assert f"topic {redis_prefix}-batches: {warning}" in text


def test_a_running_deployment_whose_index_is_gone_is_told(
    config, kafka, redis_url, redis_prefix, standing
):
    check(config, {}, NARROW)
    works(config, kafka, redis_prefix)
    forget(redis_url, redis_prefix)
    found = standing(config)
    assert [one["agrees"] for one in found["spaces"]] == [False, False]
    assert "lost acknowledged writes" in found["problems"][-1]


def test_a_running_deployment_that_another_start_would_be_refused_beside_is_told(
    config, kafka, redis_url, redis_prefix, standing
):
    check(config, {}, NARROW)
    works(config, kafka, redis_prefix)
    (config.parent / "key").write_bytes(b"k" * 32)
    settings = config.with_name("other.toml")
    settings.write_text(
        config.read_text().replace(
            'preset = "default"', 'strategy = "best_match"\npriority = ["email"]'
        )
    )
    key = {"REDIS__KEY_FILE": str(config.parent / "key")}

    def told_of(path: Path, **environ: str) -> str:
        found = standing(path, **environ)
        assert not found["spaces"][0]["agrees"]
        return found["spaces"][0]["problems"][0]

    with running(config):
        eventually(lambda: not standing(config)["problems"])
        assert "belongs to another consumer group" in told_of(
            config, KAFKA__GROUP_ID=f"{redis_prefix}-other"
        )
        assert "was built under other identity settings" in told_of(settings)
        assert "was made with another redis.key_file" in told_of(config, **key)
        empty(kafka, f"{redis_prefix}-profiles")
        assert "nothing could be rebuilt from it" in told_of(config)


def test_another_key_is_refused_until_the_index_is_built_anew_with_it(
    config, kafka, redis_prefix, told
):
    check(config, {}, NARROW)
    works(config, kafka, redis_prefix)
    (config.parent / "key").write_bytes(b"k" * 32)
    config.write_text(
        config.read_text().replace("[redis]", f'[redis]\nkey_file = "{config.parent / "key"}"')
    )
    run = [sys.executable, "-m", "processor", "run", "-c", config]
    ended = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "was made with another redis.key_file" in ended.stderr

    restored = [sys.executable, "-m", "processor", "restore", "--wait", "-c", config]
    subprocess.run(restored, cwd=ROOT, check=True, timeout=60, stdout=subprocess.DEVNULL)
    assert told(config)[0] == 0
    with running(config):
        kafka.produce(f"{redis_prefix}-batches", [json.dumps(BATCH).encode()])
        eventually(lambda: len(kafka.read(f"{redis_prefix}-enriched")) == 2)
    assert len(kafka.read(f"{redis_prefix}-profiles")) == 1, "the same person"


def test_a_new_topic_under_an_old_index_is_refused_until_it_has_every_profile(
    config, kafka, redis_prefix, told
):
    profiles = f"{redis_prefix}-profiles"
    check(config, {}, NARROW)
    works(config, kafka, redis_prefix)
    before = [m.value() for m in kafka.read(profiles)]
    kafka.admin.delete_topics([profiles])[profiles].result(ANSWER_S)
    eventually(lambda: profiles not in kafka.admin.list_topics(timeout=10).topics)
    with pytest.raises(Failure, match=r"^2 wrong"):
        check(config, {}, NARROW)
    _, found = told(config)
    for environment in ("production", "development"):
        assert "is another one than that which has" in found[f"index retail/{environment}"][0][1]
    run = [sys.executable, "-m", "processor", "run", "-c", config]
    ended = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "`idstream restore --republish`" in ended.stderr

    republish(config, {}, wait=True)

    assert [m.value() for m in kafka.read(profiles)] == before
    assert told(config)[0] == 0
    with running(config):
        kafka.produce(f"{redis_prefix}-batches", [json.dumps(BATCH).encode()])
        eventually(lambda: len(kafka.read(f"{redis_prefix}-enriched")) == 2)


def test_an_index_that_lost_writes_is_not_published_again(config, kafka, redis_url, redis_prefix):
    check(config, {}, NARROW)
    works(config, kafka, redis_prefix)
    forget(redis_url, redis_prefix)
    with pytest.raises(Failure, match="nothing was published: the index lost acknowledged writes"):
        republish(config, {}, wait=True)


def test_what_does_not_answer_is_named_and_the_rest_is_checked(config, told):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{probe.getsockname()[1]}"
    wrong, found = told(config, REDIS__URL=f"redis://{nowhere}", KAFKA__BOOTSTRAP_SERVERS=nowhere)
    assert wrong == 2
    assert found["redis"][0][1].startswith("Redis cannot be asked")
    assert found["kafka"][0][1].startswith(f"no answer from Kafka at {nowhere}")


def test_more_spaces_than_fit_an_offset_are_wrong(config, told):
    names = [f"{'w' * 40}{n}" for n in range(30)]
    more = "".join(
        f'[workspaces.{name}]\npreset = "default"\n[inputs.{name}]\nworkspace = "{name}"\n'
        for name in names
    )
    config.write_text(config.read_text() + more)
    _, found = told(config)
    assert found["spaces"][0][0] == "wrong"
    assert found["spaces"][0][1].startswith("62 spaces need up to")

"""``check`` against a real cluster and a real server: what is missing, created, and then right."""

import json
import socket
from pathlib import Path

import pytest

from processor.commands.check import check, check_and_create
from processor.commands.terminal.failure import Failure

pytestmark = [pytest.mark.kafka, pytest.mark.redis]

ROLES = ("enriched", "responses", "changes", "profiles", "dead_letters", "outcomes")


@pytest.fixture
def config(kafka, redis_url: str, redis_prefix: str, tmp_path: Path) -> Path:
    topics = {role: f"{redis_prefix}-{role}" for role in (*ROLES, "batches", "requests")}
    path = tmp_path / "idstream.toml"
    path.write_text(
        f'[kafka]\nbootstrap_servers = "{kafka.bootstrap}"\n[kafka.topics]\n'
        + "".join(f"{role} = {json.dumps(name)}\n" for role, name in topics.items())
        + f'[redis]\nurl = "{redis_url}"\nprefix = "{redis_prefix}"\n'
        + '[workspaces.retail]\npreset = "default"\n'
    )
    return path


def test_missing_topics_are_named_created_and_then_right(config, redis_prefix, capsys):
    with pytest.raises(Failure, match=f"topic {redis_prefix}-profiles: does not exist"):
        check(config, {})
    check_and_create(config, {})
    shown = capsys.readouterr().out
    for role in (*ROLES, "batches", "requests"):
        assert f"created topic {redis_prefix}-{role}\n" in shown
    check_and_create(config, {})
    shown = capsys.readouterr().out
    assert "created topic" not in shown
    assert "retail/production, retail/development" in shown


def test_a_topic_of_the_wrong_kind_is_named(config, kafka, redis_prefix):
    name = kafka.create_topic("profiles")
    with pytest.raises(Failure, match=f"topic {name}: cleanup.policy is delete"):
        check(config, {"IDSTREAM_KAFKA__TOPICS__PROFILES": name})


def test_what_does_not_answer_is_named_and_the_rest_is_checked(config):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(Failure) as caught:
        check(
            config,
            {
                "IDSTREAM_REDIS__URL": f"redis://{nowhere}",
                "IDSTREAM_KAFKA__BOOTSTRAP_SERVERS": nowhere,
            },
        )
    assert "2 wrong: redis: Redis cannot be asked" in str(caught.value)
    assert f"kafka: no answer from Kafka at {nowhere}" in str(caught.value)


def test_more_spaces_than_fit_an_offset_are_wrong(config):
    names = [f"{'w' * 40}{n}" for n in range(30)]
    more = "".join(
        f'[workspaces.{name}]\npreset = "default"\n[inputs.{name}]\nworkspace = "{name}"\n'
        for name in names
    )
    config.write_text(config.read_text() + more)
    with pytest.raises(Failure, match="spaces: 62 spaces need up to"):
        check(config, {})

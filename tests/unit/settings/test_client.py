"""librdkafka's own settings pass an allow-list, wherever the configuration is read."""

import json
from pathlib import Path

import pytest

from processor.settings import Settings, SettingsError, load, load_offline, load_text

WORKSPACE = """
[workspaces.retail]
preset = "default"
"""


def client(**entries: object) -> str:
    lines = (f"{json.dumps(key)} = {json.dumps(value)}" for key, value in entries.items())
    return "\n".join([WORKSPACE, "[kafka.client]", *lines])


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("plugin.library.paths", "x.so", "code"),
        ("ssl.engine.location", "x.so", "code"),
        ("ssl.providers", "x", "code"),
        ("sasl.kerberos.kinit.cmd", "rm", "code"),
        ("enable.ssl.certificate.verification", "false", "weakens TLS"),
        ("enable.ssl.certificate.verification", 0, "weakens TLS"),
        ("ssl.endpoint.identification.algorithm", "none", "weakens TLS"),
        ("enable.sasl.oauthbearer.unsecure.jwt", "true", "weakens TLS"),
        ("isolation.level", "read_uncommitted", "guarantees"),
        ("enable.auto.commit", "true", "guarantees"),
        ("auto.offset.reset", "latest", "guarantees"),
        ("partition.assignment.strategy", "range", "guarantees"),
        ("transactional.id", "mine", "guarantees"),
        ("enable.idempotence", "false", "guarantees"),
        ("acks", "1", "guarantees"),
        ("partitioner", "random", "guarantees"),
        ("group.id", "mine", "kafka.group_id"),
        ("group.instance.id", "mine", "kafka.instance_id"),
        ("bootstrap.servers", "elsewhere", "kafka.bootstrap_servers"),
        ("transaction.timeout.ms", 900_000, "at most 60000"),
        ("transaction.timeout.ms", "long", "at most 60000"),
        ("test.mock.num.brokers", 1, "no setting"),
        ("sesion.timeout.ms", 1, "no setting"),
    ],
)
def test_what_would_break_or_weaken_us_is_refused_by_name(key, value, why):
    with pytest.raises(SettingsError, match=why) as refused:
        load_text(client(**{key: value}), {})
    assert str(refused.value).startswith(f"kafka.client.{key}: ")


@pytest.mark.parametrize("read", [load, load_offline])
def test_a_refused_entry_is_told_with_its_file(read, tmp_path):
    path = tmp_path / "idstream.toml"
    path.write_text(client(**{"enable.auto.commit": True}))
    with pytest.raises(SettingsError) as refused:
        read(path, {})
    assert str(refused.value).startswith(f"{path}: kafka.client.enable.auto.commit: refused")


def files(path: Path, key: str) -> Settings:
    table = f"[kafka.client_files]\n{json.dumps(key)} = {json.dumps(str(path))}\n"
    return load_text(WORKSPACE + table, {})


def test_an_entry_whose_value_is_in_a_file_is_no_less_refused(tmp_path):
    path = tmp_path / "value"
    path.write_text("900000\n")
    with pytest.raises(SettingsError, match=r"^kafka\.client_files\.acks: refused"):
        files(tmp_path / "nowhere", "acks")
    with pytest.raises(SettingsError, match=r"client_files\.transaction\.timeout\.ms: at most"):
        files(path, "transaction.timeout.ms")


def test_tls_settings_that_do_not_weaken_it_are_taken():
    taken = {
        "enable.ssl.certificate.verification": "True",
        "ssl.endpoint.identification.algorithm": "https",
        "ssl.ca.location": "ca.pem",
        "security.protocol": "SASL_SSL",
    }
    assert load_text(client(**taken), {}).kafka.client == taken

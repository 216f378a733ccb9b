"""What ``check`` says of a server."""

import pytest

from processor.index.errors import IndexUnavailable
from processor.redis.index import RedisIndex
from processor.redis.report import describe

SOUND = {"redis_version": "8.2.2", "aof_enabled": 1, "maxmemory_policy": "noeviction"}


def said(fsync: str | None = "always", *, cluster: bool = False, **info: object) -> tuple[str, ...]:
    found = describe("node", SOUND | info, fsync, is_cluster_expected=cluster)
    return (*found.problems, *(one.text for one in found.warnings))


def test_of_a_sound_server_nothing_is_said():
    assert said() == ()


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"redis_version": "6.2.20"}, "too old"),
        ({"maxmemory_policy": "allkeys-lru"}, "noeviction"),
        ({"cluster_enabled": 1}, "cluster = true"),
        ({"aof_enabled": 0}, "appendonly is off"),
        ({"redis_version": "7.0.15"}, "CVE-2025-49844"),
        ({"redis_version": "7.4.5"}, "CVE-2025-49844"),
        ({"redis_version": "8.2.1"}, "CVE-2025-49844"),
        ({"server_name": "valkey", "valkey_version": "8.1.3"}, "CVE-2025-49844"),
    ],
)
def test_what_is_wrong_is_said(info, words):
    assert any(words in line for line in said(**info))


@pytest.mark.parametrize(
    "info",
    [
        {"redis_version": "7.4.6"},
        {"redis_version": "8.4.0"},
        {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"},
        {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.4"},
        {"redis_version": "8.6.0-rc1"},
    ],
)
def test_sound_versions_are_left_alone(info):
    assert said(**info) == ()


def test_what_is_lost_at_a_power_cut_is_said():
    assert "appendfsync is everysec" in said("everysec")[0]
    assert "appendfsync is not shown" in said(None)[0]


def test_a_single_server_where_a_cluster_is_configured_is_a_problem():
    assert said(cluster=True) == ("the server is no cluster: set [redis] cluster = false",)
    assert said(cluster=True, cluster_enabled=1) == ()


@pytest.mark.redis
def test_a_real_server_is_described(start_redis):
    node = start_redis("--appendonly", "yes")
    index = RedisIndex.connect(node.url, "x")

    [found] = index.server_report()

    assert found.problems == ()
    assert found.appendonly
    assert found.appendfsync == "everysec"
    assert found.version.count(".") == 2
    index.close()


@pytest.mark.redis
def test_a_server_that_hides_its_settings_is_described_without(start_redis):
    node = start_redis()
    node.client.execute_command("ACL SETUSER shy on >secret +info")
    index = RedisIndex.connect(node.url.replace("//", "//shy:secret@"), "x")

    [found] = index.server_report()

    assert found.appendfsync is None
    index.close()


@pytest.mark.redis
def test_a_server_that_is_gone_is_not_described(start_redis):
    node = start_redis()
    index = RedisIndex.connect(node.url, "x")
    index.server_report()
    node.kill()

    for _ in range(2):
        with pytest.raises(IndexUnavailable):
            index.server_report()
    index.close()

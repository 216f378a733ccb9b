"""Reports on a Redis server: whether it can be trusted with the index (``idstream check``)."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from processor.redis.connection import Connection
from processor.settings.advice import Advice

_OLDEST = (7, 0, 0)
_SOUND_LUA: Mapping[str, Mapping[tuple[int, int], int]] = {
    "redis": {(7, 2): 11, (7, 4): 6, (8, 0): 4, (8, 2): 2},
    "valkey": {(7, 2): 11, (8, 0): 6, (8, 1): 4},
}
"""By release line, the patch that mended CVE-2025-49844 (scripts could run code on the server)."""


class ServerReport(Struct, frozen=True):
    """One primary: its settings, the problems that forbid its use, and warnings."""

    node: str
    server: str
    version: str
    is_cluster: bool
    appendonly: bool
    appendfsync: str | None
    """None where the server does not show it."""
    maxmemory_policy: str
    problems: tuple[str, ...] = ()
    warnings: tuple[Advice, ...] = ()


def report(connection: Connection) -> tuple[ServerReport, ...]:
    """Return one report per primary. May raise IndexUnavailable."""
    fsync = connection.setting("appendfsync")
    return tuple(
        describe(node, info, fsync, is_cluster_expected=connection.is_cluster)
        for node, info in sorted(connection.info().items())
    )


def describe(
    node: str, info: Mapping[str, Any], fsync: str | None, *, is_cluster_expected: bool
) -> ServerReport:
    """Return what INFO and the fsync policy mean for the index (pure)."""
    is_valkey = info.get("server_name") == "valkey"
    version = str(info.get("valkey_version" if is_valkey else "redis_version", "0"))
    found = ServerReport(
        node=node,
        server="valkey" if is_valkey else "redis",
        version=version,
        is_cluster=bool(info.get("cluster_enabled")),
        appendonly=bool(info.get("aof_enabled")),
        appendfsync=fsync,
        maxmemory_policy=str(info.get("maxmemory_policy", "noeviction")),
    )
    return replace(
        found,
        problems=tuple(_problems(found, is_cluster_expected=is_cluster_expected)),
        warnings=tuple(_warnings(found)),
    )


def _problems(found: ServerReport, *, is_cluster_expected: bool) -> Iterator[str]:
    if _numbers(found.version) < _OLDEST:
        yield f"version {found.version} is too old: at least 7.0 is needed"
    if found.maxmemory_policy != "noeviction":
        yield f"maxmemory-policy {found.maxmemory_policy} would drop profiles: set noeviction"
    if found.is_cluster and not is_cluster_expected:
        yield "the server is part of a cluster: set [redis] cluster = true"
    if is_cluster_expected and not found.is_cluster:
        yield "the server is no cluster: set [redis] cluster = false"


def _warnings(found: ServerReport) -> Iterator[Advice]:
    if not found.appendonly:
        text = "appendonly is off: a restart loses writes, and then `idstream restore` is needed"
        yield Advice("redis.appendonly", text)
    elif found.appendfsync != "always":
        said = found.appendfsync or "not shown"
        text = f"appendfsync is {said}: a power loss loses writes (always keeps them, for 10-40 %)"
        yield Advice("redis.appendfsync", text)
    if not _is_lua_sound(found.server, found.version):
        text = f"version {found.version} has a known flaw in Lua (CVE-2025-49844): update it"
        yield Advice("redis.version", text)


def _is_lua_sound(server: str, version: str) -> bool:
    major, minor, patch = _numbers(version)
    sound = _SOUND_LUA[server]
    line = sound.get((major, minor))
    return (major, minor) > max(sound) if line is None else patch >= line


def _numbers(version: str) -> tuple[int, int, int]:
    parts = [int(part) if part.isdigit() else 0 for part in version.split(".")[:3]]
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    return major, minor, patch

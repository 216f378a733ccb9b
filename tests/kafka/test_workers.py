"""Several workers under one command: what they share, and what becomes of one that dies."""

import json
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from urllib.request import urlopen

import pytest

from tests.servers.logs import events_of
from tests.servers.waiting import eventually
from tests.views.conftest import Deployment

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

COUNT = 2
PARTITIONS = 4


@pytest.fixture
def deployment(kafka, redis_url, redis_prefix, tmp_path) -> Iterator[Deployment]:
    """Two workers, ready."""
    found = Deployment(tmp_path, kafka, redis_url, redis_prefix)
    text = found.config.read_text()
    found.config.write_text(text.replace("[kafka]\n", f"[kafka]\nworkers = {COUNT}\n", 1))
    found.done("check", "--create", "--partitions", str(PARTITIONS))
    found.start()
    eventually(found.is_ready, within=60)
    yield found
    found.close()
    for pid in pids(found).values():  # where the test failed before they ended
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def events(deployment: Deployment) -> list[dict]:
    return events_of(deployment.log.read_text())


def pids(deployment: Deployment) -> dict[int, int]:
    """The newest process of each worker."""
    found = events(deployment)
    return {one["worker"]: one["pid"] for one in found if one["event"] == "worker_started"}


def processed(deployment: Deployment) -> dict[str, float]:
    """The partitions that each worker reads."""
    with urlopen(f"http://127.0.0.1:{deployment.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    sample = r'idstream_partitions\{worker="(\d)",state="processed"\} (\S+)'
    return {worker: float(value) for worker, value in re.findall(sample, text)}


def send(deployment: Deployment, first: int, count: int) -> None:
    for partition in range(PARTITIONS):
        values = [
            json.dumps(
                {
                    "source_request_id": f"request-{n}",
                    "user_identities": {"email": f"user.{n}@example.com"},
                    "events": [{"event_type": "session_start"}],
                }
            ).encode()
            for n in range(first, first + count)
            if n % PARTITIONS == partition
        ]
        deployment.kafka.produce(deployment.topics["batches"], values, partition)


def came_out(deployment: Deployment) -> Counter[str]:
    found = deployment.kafka.read(deployment.topics["enriched"])
    return Counter(json.loads(one.value())["source_request_id"] for one in found)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_share_the_work_and_one_that_is_killed_is_started_again(deployment):
    eventually(lambda: all(processed(deployment).get(n, 0) > 0 for n in "12"), within=30)
    send(deployment, 0, 50)
    eventually(lambda: len(came_out(deployment)) == 50, within=30)
    before = pids(deployment)
    os.kill(before[1], signal.SIGKILL)
    eventually(lambda: pids(deployment)[1] != before[1], within=30)
    send(deployment, 50, 50)
    eventually(lambda: len(came_out(deployment)) == 100, within=60)
    eventually(deployment.is_ready, within=60)
    assert pids(deployment)[2] == before[2]
    assert set(came_out(deployment).values()) == {1}
    told = [one for one in events(deployment) if one["event"] == "worker_ended"]
    assert [(one["worker"], one["status"]) for one in told] == [(1, -signal.SIGKILL)]
    deployment.stop()
    assert not any(is_running(pid) for pid in pids(deployment).values())


def test_workers_stop_where_what_supervises_them_has_died(deployment):
    deployment.close()  # by SIGKILL
    eventually(lambda: not any(map(is_running, pids(deployment).values())), within=40)
    stopped = [one["worker"] for one in events(deployment) if one["event"] == "stopped"]
    assert sorted(stopped) == [1, 2]

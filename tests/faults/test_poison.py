"""A record that kills every process that decodes it ends as a dead letter; nothing else does."""

import json
from collections import Counter

import pytest

from tests.faults.deployment import Deployment
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(240)]

MOST_DEATHS = 8


def test_a_record_that_kills_is_set_aside_after_its_third_death_alone(deployment: Deployment):
    deployment.produce(300)
    inputs = deployment.kafka.read(deployment.topics["batches"])
    partition = inputs[0].partition()
    mine = [m for m in inputs if m.partition() == partition]
    deadly = mine[len(mine) // 2]
    place = f"{deadly.topic()}/{partition}/{deadly.offset()}"

    deaths = 0
    while True:
        deployment.processor.start(IDSTREAM_CRASH_ON=place)
        eventually(lambda: not deployment.processor.is_running or _is_done(deployment), within=60)
        if deployment.processor.is_running:
            break
        assert deployment.processor.status == -9, deployment.processor.log()[-1000:]
        deaths += 1
        assert deaths <= MOST_DEATHS
    deployment.processor.terminate()
    assert deployment.processor.wait() == 0

    seen = Counter()
    for message in deployment.kafka.read(deployment.topics["outcomes"]):
        seen[_place(dict(message.headers()))] += 1
        is_deadly = _place(dict(message.headers())) == place
        assert (json.loads(message.value())["reason"] == "poison") == is_deadly
    assert len(seen) == deployment.sent
    assert set(seen.values()) == {1}
    letters = deployment.kafka.read(deployment.topics["dead_letters"])
    (letter,) = [m for m in letters if dict(m.headers())["reason"] == b"poison"]
    assert (letter.key(), letter.value()) == (deadly.key(), deadly.value())
    assert deaths >= 4
    deployment.check_entries(("customerid", "email", "ios_idfv"), ("customerid", "email"))

    done = deployment.command("replay", "--reason", "poison")
    assert done.returncode == 0, done.stderr
    deployment.sent += 1
    deployment.run_to_the_end()


def _is_done(deployment: Deployment) -> bool:
    return len(deployment.kafka.read(deployment.topics["outcomes"])) >= deployment.sent


def _place(headers: dict[str, bytes]) -> str:
    return "/".join(headers[f"source-{part}"].decode() for part in ("topic", "partition", "offset"))

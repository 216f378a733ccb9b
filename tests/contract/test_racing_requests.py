"""A request that races with its person's first batch on another processor: nobody is left."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from msgspec.structs import replace

from processor.identity.model import Identifier
from processor.index.port import Ask, Assignment, Index
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.work import Settled
from processor.records import Record
from tests.contract.people import SPACE
from tests.contract.test_erasure import DAY_MS, START_MS, settings_in

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]
PEOPLE = 150


class Processor:
    """A processor that owns one partition, of *topic*."""

    def __init__(self, index: Index, folder: Path, topic: str) -> None:
        settings = settings_in(folder)
        roles = {"batches": "batches", "privacy": "privacy"}
        self._pipeline = Pipeline(
            Parts(
                rules=replace(settings.rules(), roles=roles),
                spaces=settings.space_rules(),
                index=index,
                owner="both",
                key=b"key",
            )
        )
        self._topic = topic
        self._pipeline.assign([Assignment(topic, 0, topic, None, "")], [])

    def take(self, offset: int, time_ms: int, value: dict[str, Any]) -> Settled:
        body = json.dumps(value).encode()
        (settled,) = self._pipeline.settle([Record(self._topic, 0, offset, time_ms, None, body)])
        self._pipeline.committed()
        return settled


def batch(name: str) -> dict[str, Any]:
    return {
        "user_identities": {"customer_id": name, "email": f"{name}@example.com"},
        "events": [{"event_type": "session_start", "data": {}}],
    }


def request(name: str) -> dict[str, Any]:
    return {
        "subject_request_id": name,
        "subject_request_type": "erasure",
        "regulation": "gdpr",
        "submitted_time": "2026-01-01T00:00:00Z",
        "subject_identities": {"customerid": name},
    }


def test_whichever_comes_first_the_person_is_gone_and_the_case_says_which_it_was(
    open_redis, tmp_path
):
    folders = [tmp_path / name for name in ("batches", "privacy")]
    for folder in folders:
        folder.mkdir()
    sender, office = (Processor(open_redis(), folder, topic=folder.name) for folder in folders)
    at_once = Barrier(2)
    names = [f"person-{number}" for number in range(PEOPLE)]

    def send() -> list[tuple[str, str | None]]:
        outcomes: list[tuple[str, str | None]] = []
        for number, name in enumerate(names):
            at_once.wait(60)
            its = sender.take(number, START_MS, batch(name)).outcome
            outcomes.append((its.name, its.reason))
        return outcomes

    def erase() -> list[tuple[int, int]]:
        found = []
        for number, name in enumerate(names):
            at_once.wait(60)
            settled = office.take(number, START_MS + DAY_MS, request(name))
            assert settled.output is not None
            told = json.loads(settled.output.value or b"")
            found.append((told["found"], told["marked"]))
        return found

    with ThreadPoolExecutor(2) as pool:
        sent, erased = pool.submit(send), pool.submit(erase)
        both = list(zip(sent.result(), erased.result(), strict=True))

    assert set(both) <= {(("forwarded", None), (1, 2)), (("dropped", "erased"), (0, 1))}
    named = [Identifier("customerid", name) for name in names]
    left = open_redis().visit(SPACE, {}, [Ask((one,)) for one in named]).found
    assert (set(left.holders), set(left.markers)) == (set(named), set(named))
    assert set(left.holders.values()) == {()}
    assert set(left.profiles.values()) <= {None}

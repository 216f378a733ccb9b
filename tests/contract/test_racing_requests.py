"""A request that races with its person's first batch on another processor: nobody is left."""

import json
from typing import Any

import pytest

from processor.identity.model import Identifier
from processor.index.port import Ask
from processor.records import RowKey
from tests.contract.people import SPACE
from tests.contract.racing import Processor, at_once
from tests.contract.test_erasure import CONFIGURATION, DAY_MS, START_MS

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]
PEOPLE = 150
BATCHES, REQUESTS = RowKey("batches", 0), RowKey("privacy", 0)


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


def test_whichever_comes_first_the_person_is_gone_and_the_receipt_says_which_it_was(
    open_redis, tmp_path
):
    sender = Processor(open_redis(), tmp_path / "sender", CONFIGURATION, BATCHES)
    office = Processor(open_redis(), tmp_path / "office", CONFIGURATION, REQUESTS)

    def send(number: int) -> tuple[str, str | None]:
        outcome = sender.take(BATCHES, START_MS, batch(f"person-{number}")).outcome
        return outcome.name, outcome.reason

    def erase(number: int) -> tuple[int, int]:
        settled = office.take(REQUESTS, START_MS + DAY_MS, request(f"person-{number}"))
        assert settled.output is not None
        told = json.loads(settled.output.value or b"")
        return told["found"], told["marked"]

    both = at_once(PEOPLE, send, erase)

    assert set(both) <= {(("forwarded", None), (1, 2)), (("dropped", "erased"), (0, 1))}
    named = [Identifier("customerid", f"person-{number}") for number in range(PEOPLE)]
    left = open_redis().visit(SPACE, {}, [Ask((one,)) for one in named]).found
    assert (set(left.holders), set(left.markers)) == (set(named), set(named))
    assert set(left.holders.values()) == {()}
    assert set(left.profiles.values()) <= {None}

"""Two processors over one person who ages: one ends or keeps the person, and the other sees it."""

import json
from collections import Counter
from typing import Any

import pytest

from processor.clock.place import shard_of
from processor.codecs.sweep import shard_sweep
from processor.identity.model import Identifier
from processor.index.port import Ask
from processor.pipeline.work import Settled
from processor.records import RowKey
from tests.contract.people import SPACE
from tests.contract.racing import Processor, at_once
from tests.contract.test_erasure import DAY_MS, START_MS

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]
PEOPLE = 100
MINE, YOURS = RowKey("batches", 0), RowKey("batches", 1)
CLOCK, OTHER_CLOCK = RowKey("clock", 0), RowKey("clock", 1)
LIFE_DAYS = 30
CONFIGURATION = f"""
[workspaces.retail]
strategy = "profile_conversion"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid", "email"]
[workspaces.retail.retention]
known_days = {LIFE_DAYS}
[workspaces.retail.events.any]
type = "session_start"
[workspaces.retail.audiences]
came = {{ all = [{{ event = "any" }}] }}
"""


def batch(number: int) -> dict[str, Any]:
    return {
        "user_identities": {"customer_id": f"person-{number}"},
        "events": [{"event_type": "session_start", "data": {}}],
    }


def born_ms(number: int) -> int:
    return START_MS + number * DAY_MS


def over_ms(number: int) -> int:
    """When the lifetime of a person is over, and those before are all looked after."""
    return born_ms(number) + LIFE_DAYS * DAY_MS + 1


def ended(*told: Settled) -> list[tuple[int, int]]:
    """Return who has aged out, with the version, as changes tell it."""
    changes = [json.loads(one.value or b"") for each in told for one in each.changes]
    erased = [one for one in changes if one["change"] == "profile_erased"]
    assert {one["reason"] for one in erased} <= {"aged_out"}
    return [(int(one["mpid"]), one["version"]) for one in erased]


def tombstones(*told: Settled) -> int:
    return sum(one.value is None for each in told for one in each.profiles)


def test_a_sweep_ends_a_person_or_finds_them_alive_and_their_batch_agrees(open_redis, tmp_path):
    sender = Processor(open_redis(), tmp_path / "sender", CONFIGURATION, MINE)
    sweeper = Processor(open_redis(), tmp_path / "sweeper", CONFIGURATION, YOURS, CLOCK)
    index = open_redis()
    mpids: list[int] = []

    def come(number: int) -> None:
        mpid = sweeper.take(YOURS, born_ms(number), batch(number)).outcome.mpid
        assert mpid is not None
        mpids.append(mpid)

    for number in range(PEOPLE):
        come(number)
        as_of_ms = over_ms(number)
        order = shard_sweep(SPACE, as_of_ms, shard_of(mpids[number]))
        ((batched, swept),) = at_once(
            1,
            lambda _, n=number, at=as_of_ms: sender.take(MINE, at, batch(n)),
            lambda _, at=as_of_ms, value=order: sweeper.take(CLOCK, at, value),
        )
        old, now = mpids[number], batched.outcome.mpid
        is_over = [one for one in ended(swept) if one[0] == old]
        assert ended(batched) == []
        assert (now == old) == (not is_over)
        assert tombstones(swept) == len(ended(swept))
        told = [json.loads(one.value or b"") for one in swept.audience_changes]
        left = [one["reason"] for one in told if one["mpid"] == str(old)]
        assert left == ["aged_out"] * len(is_over)
        named = Identifier("customerid", f"person-{number}")
        found = index.visit(SPACE, {}, [Ask((named,), (old,))]).found
        assert found.holders == {named: (now,)}
        assert (found.lying(old) in found.graves.values()) == bool(is_over)


def test_of_two_sweeps_at_one_time_one_ends_the_person_and_the_other_nobody(open_redis, tmp_path):
    one = Processor(open_redis(), tmp_path / "one", CONFIGURATION, MINE, CLOCK)
    other = Processor(open_redis(), tmp_path / "other", CONFIGURATION, OTHER_CLOCK)
    index = open_redis()
    ends: Counter[int] = Counter()
    for number in range(PEOPLE):
        mpid = one.take(MINE, born_ms(number), batch(number)).outcome.mpid
        assert mpid is not None
        at = over_ms(number)
        order = shard_sweep(SPACE, at, shard_of(mpid))
        ((mine, yours),) = at_once(
            1,
            lambda _, at=at, value=order: one.take(CLOCK, at, value),
            lambda _, at=at, value=order: other.take(OTHER_CLOCK, at, value),
        )
        assert ended(mine, yours) == [(mpid, 2)]
        assert tombstones(mine, yours) == 1
        assert {each.outcome.name for each in (mine, yours)} == {"swept"}
        ends["mine" if ended(mine) else "yours"] += 1
        found = index.visit(SPACE, {}, [Ask((), (mpid,))]).found
        assert found.graves[mpid].why == "aged_out"
    assert ends.total() == PEOPLE

"""Whose a record is hangs on everybody whom it names, also where its lot is decided once more."""

import json
from collections.abc import Iterator

import pytest

from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.work import Settled
from processor.records import Record
from processor.settings import load_text
from tests.unit.pipeline.test_erased import ERASED, POLICY, START

CONFIG = f"""
[kafka.topics]
batches = ["batches"]
requests = ["requests"]
privacy = ["privacy"]
[privacy]
waiting_days = 0
[workspaces.shop]{POLICY}
[inputs.default]
workspace = "shop"
topics = ["batches", "requests", "privacy"]
[inputs.seen]
workspace = "shop"
protection = "read_only"
"""
BESIDE = f"""
[workspaces.beside]{POLICY}
[inputs.beside]
workspace = "beside"
"""


class World:
    """Two processors over one index: the other one does something while the first commits."""

    def __init__(self, config: str) -> None:
        self._settings = load_text(config, {})
        self._index = MemoryIndex(b"key")
        self._meanwhile: Iterator[tuple[dict, int, str]] = iter(())
        self._offsets = [0, 0]
        self._other = self._processor(1, lambda _point: None)
        self._first = self._processor(0, self._race)

    def _processor(self, partition, reach) -> Pipeline:
        made = Pipeline(
            Parts(
                rules=self._settings.rules(),
                spaces=self._settings.space_rules(),
                index=self._index,
                owner="t",
                key=b"key",
                reach=reach,
            )
        )
        topics = ("batches", "requests", "privacy", "idstream-clock")
        made.assign([Assignment(t, partition, t, None, "") for t in topics], [])
        return made

    def _race(self, point: str) -> None:
        if point == "before_index_commit":
            for value, time_ms, topic in self._meanwhile:
                self._settle(1, [self._record(1, value, time_ms, topic)])

    def _record(self, partition: int, value: dict, time_ms: int, topic: str) -> Record:
        value = dict(value)
        headers = (("input", value.pop("input", "default").encode()),)
        offset = self._offsets[partition]
        self._offsets[partition] += 1
        return Record(topic, partition, offset, time_ms, None, json.dumps(value).encode(), headers)

    def _settle(self, partition: int, lot: list[Record]) -> list[Settled]:
        pipeline = self._other if partition else self._first
        settled = pipeline.settle(lot)
        pipeline.committed()
        return settled

    def send(
        self, *values: dict, at: int, meanwhile: tuple[dict, int, str] | None = None
    ) -> list[Settled]:
        """Send one lot of batches to the first; the other does *meanwhile* before it commits."""
        self._meanwhile = iter([] if meanwhile is None else [meanwhile])
        settled = self._settle(0, [self._record(0, one, at, "batches") for one in values])
        assert next(self._meanwhile, None) is None, "nobody raced"
        return settled


def batch(**value: object) -> dict:
    return {"events": [{"event_type": "session_start"}], **value}


def named(name: str, **value: object) -> dict:
    return batch(user_identities={"customer_id": name}, **value)


def erasure(**who: str) -> dict:
    return {
        "subject_request_id": "one",
        "subject_request_type": "erasure",
        "regulation": "gdpr",
        "submitted_time": "2026-01-01T00:00:00Z",
        "subject_identities": {k: {"value": v, "encoding": "raw"} for k, v in who.items()},
        "extensions": {"idstream": {"skip_waiting_period": True}},
    }


def erased(ada: dict, config: str = CONFIG) -> tuple[World, str]:
    """A world in which bob lives, and somebody who was called ada and had an MPID was erased."""
    world = World(config)
    world.send(named("bob"), at=START)
    (known,) = world.send(ada, at=START)
    mpid = str(known.outcome.mpid)
    world.send(named("carl"), at=START, meanwhile=(erasure(mpid=mpid), ERASED, "privacy"))
    return world, mpid


def lose_a_race(world: World, value: dict) -> str | None:
    """Send *value* beside a batch that loses a race; return why it was dropped."""
    before, theirs, ours = (named("bob", user_attributes={"n": n}) for n in range(3))
    world.send(before, at=START)
    found = world.send(value, ours, at=START, meanwhile=(theirs, START, "batches"))
    return found[0].outcome.reason


@pytest.mark.parametrize(
    "value",
    [
        named("ada"),
        named("ada", input="seen"),
        batch(input="seen", device_info={"ios_idfv": "d"}),
        batch(user_identities={"customer_id": "bob", "email": "ada@example.com"}),
    ],
    ids=["known", "read only", "device", "in part"],
)
def test_who_is_erased_stays_dropped_where_another_record_of_the_lot_lost_a_race(value):
    ada = {"customer_id": "ada", "email": "ada@example.com"}
    world, _ = erased(batch(user_identities=ada, device_info={"ios_idfv": "d"}))
    assert lose_a_race(world, value) == "erased"


def test_an_erased_mpid_stays_dropped_where_another_record_of_the_lot_lost_a_race():
    world, mpid = erased(named("ada"))
    assert lose_a_race(world, batch(mpid=mpid, input="seen")) == "erased"
    assert lose_a_race(world, named("bob", mpid=mpid)) == "erased"


def test_a_batch_that_names_an_mpid_sees_an_erasure_that_another_workspace_outlives():
    world = World(CONFIG + BESIDE)
    of_both = {"user_attributes": {"n": 1}, "input": "beside"}
    (ada,) = world.send(named("ada", **of_both), at=START)
    mpid = str(ada.outcome.mpid)
    late = batch(mpid=mpid, user_attributes={"n": 2})
    (settled,) = world.send(late, at=START, meanwhile=(erasure(mpid=mpid), ERASED, "privacy"))
    assert settled.outcome.reason == "erased"

"""A batch that loses its race is decided again, replayed records in it included."""

import json

from processor.index.memory import MemoryIndex
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import Record
from tests.model.people import rulebook
from tests.unit.pipeline.stream import Stream


def login(partition: int, offset: int, customer: str) -> Record:
    body = {
        "request_type": "login",
        "environment": "production",
        "known_identities": {"customerid": customer, "ios_idfv": f"of {customer}"},
    }
    return Record(
        "identity-requests", partition, offset, 1_000_000, b"k", json.dumps(body).encode()
    )


def pipeline_over(index: MemoryIndex, reach=lambda _point: None) -> Pipeline:
    book = rulebook("profile_isolation")
    return Pipeline(
        Parts(rules=book.rules, spaces=book.spaces, index=index, owner="test", reach=reach)
    )


def test_a_replayed_record_beside_one_that_lost_its_race_keeps_its_decision():
    index = MemoryIndex()
    mine = Stream({("identity-requests", 0): [login(0, 0, "A"), login(0, 1, "B")]})
    other = pipeline_over(index)
    Stream({("identity-requests", 1): []}).start(other)
    first = pipeline_over(index)
    mine.start(first)
    decided = first.settle(mine.records["identity-requests", 0][:1])

    races = iter(["before_index_commit"])

    def overtake(point: str) -> None:
        if point == "before_index_commit" and next(races, None):
            other.process([login(1, 0, "B")])

    second = pipeline_over(index, overtake)
    mine.start(second)
    settled = second.settle(mine.records["identity-requests", 0])

    assert next(races, None) is None
    assert settled[0].outcome.mpid == decided[0].outcome.mpid
    assert settled[0].resolution == decided[0].resolution

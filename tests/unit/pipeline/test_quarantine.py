"""Records that kill are found by taking them alone; only their own deaths count against them."""

import json
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.index.errors import IndexUnavailable
from processor.index.memory import MemoryIndex
from processor.index.port import Mark, RowState
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.quarantine import Quarantine
from processor.records import Record, RowKey
from processor.settings import load_text
from tests.unit.pipeline.stream import Crash, Stream

CONFIGURATION = """
[workspaces.retail]
strategy = "profile_isolation"
priority = ["customerid", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
"""
TOPIC = "event-batches"
ROW = RowKey(TOPIC, 0)


def batch(partition: int, offset: int) -> Record:
    value = {
        "environment": "production",
        "user_identities": {"customer_id": f"c{partition}-{offset}"},
        "events": [{"event_type": "session_start", "data": {}}],
    }
    return Record(TOPIC, partition, offset, 1000 + offset, None, json.dumps(value).encode())


class World:
    """A stream, an index, and processes that die of one record at one of two moments."""

    def __init__(self, deadly: tuple[int, int] | None, when: str, length: int = 12) -> None:
        partitions = {(TOPIC, p): [batch(p, o) for o in range(length)] for p in range(2)}
        self.stream = Stream(partitions)
        self.index = MemoryIndex()
        self.deadly = deadly
        self.when = when
        self.in_hand: set[tuple[int, int]] = set()
        self.deaths = 0
        self.settings = load_text(CONFIGURATION, {})

    def look(self, records) -> None:
        self.in_hand = {(r.partition, r.offset) for r in records}
        if self.when == "decoded":
            self.die()

    def reach(self, point: str) -> None:
        if point == self.when:
            self.die()

    def die(self) -> None:
        if self.deadly in self.in_hand:
            raise Crash("of a record")

    def pipeline(self) -> Pipeline:
        settings = self.settings
        return Pipeline(
            Parts(
                rules=settings.rules(),
                spaces=settings.space_rules(),
                index=self.index,
                owner="test",
                with_outcomes=True,
                reach=self.reach,
                look=self.look,
            )
        )

    def live(self, size: int, every: int, until: Callable[[int], bool] = lambda _n: False) -> bool:
        """Live one process's life as the loop does; return whether it came to the end."""
        pipeline, stream = self.pipeline(), self.stream
        stream.start(pipeline)
        position = {key: stream.offsets[key][0] for key in stream.records}
        waiting: list = []
        turn = 0
        while records := stream._poll(position, size):
            lots = pipeline.lots(records)
            if lots:
                waiting = stream._commit(pipeline, self.of(pipeline), waiting, lambda _p: None)
            for lot in lots or (records,):
                if until(turn):
                    raise Crash("from outside")
                self.in_hand = set()
                waiting += pipeline.process(lot)
                self.reach("published")
                turn += 1
                if lots or turn % every == 0:
                    waiting = stream._commit(pipeline, self.of(pipeline), waiting, lambda _p: None)
            for record in records:
                position[record.topic, record.partition] = record.offset + 1
        stream._commit(pipeline, self.of(pipeline), waiting, lambda _p: None)
        for _ in range(3):
            stream._commit(pipeline, self.of(pipeline), pipeline.idle(), lambda _p: None)
        return True

    def of(self, pipeline: Pipeline) -> dict[tuple[str, int], int]:
        return {(k.topic, k.partition): at for k, at in pipeline._positions.items()}

    def outcomes(self) -> dict[tuple[int, int], str]:
        found = {}
        for output in self.stream.published:
            if output.role == "outcomes":
                headers = dict(output.headers)
                place = int(headers["source-partition"]), int(headers["source-offset"])
                assert place not in found, "one outcome each"
                body = json.loads(output.value)
                found[place] = body["reason"] or body["outcome"]
        return found


@given(
    st.integers(0, 11),
    st.integers(1, 9),
    st.integers(1, 4),
    st.sampled_from(["decoded", "before_index_commit", "published"]),
)
def test_a_record_that_kills_is_set_aside_and_all_others_have_their_outcome(
    offset, size, every, when
):
    world = World((1, offset), when)
    deaths = 0
    while True:
        try:
            world.live(size, every)
            break
        except Crash:
            deaths += 1
            assert deaths <= 30
    outcomes = world.outcomes()
    assert len(outcomes) == 24
    assert Counter(outcomes.values()) == {"forwarded": 23, "poison": 1}
    assert outcomes[1, offset] == "poison"
    # The changelog has what the index has, of the poison too if it came that far.
    published = {o.key for o in world.stream.published if o.role == "profiles"}
    assert len(published) == len(list(world.index.profiles()))
    told = [json.loads(o.value) for o in world.stream.published if o.role == "changes"]
    created = [c["mpid"] for c in told if c["change"] == "profile_created"]
    assert sorted(created) == sorted(str(p.mpid) for p in world.index.profiles())


@given(st.lists(st.integers(1, 6), max_size=12), st.integers(1, 6))
def test_deaths_that_come_at_various_moments_set_nothing_aside(moments, size):
    world = World(None, "never")
    last = None
    for at in moments:
        if at == last:  # the same moment again and again is the record's doing, as far as we know
            continue
        last = at
        try:
            world.live(size, 3, until=lambda turn, at=at: turn == at)
        except Crash:
            continue
    world.live(size, 3)
    assert Counter(world.outcomes().values()) == {"forwarded": 24}


@pytest.mark.parametrize("size", [1, 4])
def test_ends_that_a_process_knows_the_reason_of_are_no_records_doing(size):
    world = World(None, "never")
    for _ in range(10):
        pipeline = world.pipeline()
        world.stream.start(pipeline)
        records = [batch(0, n) for n in range(size)]
        assert pipeline.lots(records) == [records], "nobody is suspected"
        pipeline.process(records)
        pipeline.excuse()
    world.live(size, 3)
    assert Counter(world.outcomes().values()) == {"forwarded": 24}


def test_an_excuse_takes_back_one_try_and_leaves_those_of_others():
    quarantine = Quarantine(3)
    quarantine.claimed(state(taken=7, alone=5, tries=1), 5)
    quarantine.marks([batch(0, 5)])
    assert quarantine.excuses() == [Mark(ROW, taken=7, alone=5, tries=1)]
    heir = Quarantine(3)
    heir.claimed(state(), 5)
    heir.marks([batch(0, 5), batch(0, 6)])
    assert heir.excuses() == [Mark(ROW, taken=0)]


def test_after_the_first_batch_nothing_is_marked_and_nothing_taken_apart():
    quarantine = Quarantine(3)
    quarantine.claimed(state(), 5)
    first, second = [batch(0, n) for n in (5, 6)], [batch(0, n) for n in (7, 8)]
    assert quarantine.lots(first) == [first]
    assert [(m.taken, m.alone) for m in quarantine.marks(first)] == [(7, -1)]
    quarantine.committed({ROW: 7})
    assert quarantine.lots(second) == ()
    assert quarantine.marks(second) == []


def test_the_first_batch_of_a_row_is_taken_in_lots_each_marked_by_itself():
    quarantine = Quarantine(3)
    quarantine.claimed(state(), 5)
    mine = [batch(0, n) for n in range(5, 105)]
    others = [batch(1, n) for n in range(50)]

    lots = quarantine.lots([*others, *mine])

    assert [[r for r in lot if r.partition == 0] for lot in lots] == [
        mine[:32],
        mine[32:96],
        mine[96:],
    ]
    assert [r for r in lots[0] if r.partition == 1] == others
    for lot, end in zip(lots, (37, 101, 105), strict=True):
        assert [(m.taken, m.alone) for m in quarantine.marks(lot)] == [(end, -1)]
        quarantine.committed({ROW: end})
    assert quarantine.lots([batch(0, 105)]) == ()


def state(epoch: int = 1, **mark: int) -> RowState:
    return RowState(ROW, epoch, None, "", (), mark=Mark(ROW, **mark) if mark else None)


def test_only_partitions_whose_owner_died_are_taken_apart():
    quarantine = Quarantine(3)
    quarantine.claimed(state(taken=7), 5)
    suspects = [batch(0, n) for n in (5, 6, 7, 8)]
    others = [batch(1, n) for n in (0, 1)]
    lots = quarantine.lots([suspects[0], others[0], *suspects[1:], others[1]])
    assert [[(r.partition, r.offset) for r in lot] for lot in lots] == [
        [(1, 0), (1, 1)],
        [(0, 5)],
        [(0, 6)],
        [(0, 7), (0, 8)],
    ]


def test_a_rewind_is_no_death_and_does_not_end_the_suspicion():
    quarantine = Quarantine(3)
    quarantine.claimed(state(taken=7, alone=5, tries=2), 5)
    (mark,) = quarantine.marks([batch(0, 5)])
    assert (mark.alone, mark.tries) == (5, 3)
    for n in range(2, 7):
        quarantine.claimed(state(n, taken=7, alone=5, tries=3), 5)
        assert not quarantine.is_poison([batch(0, 5)])
        (mark,) = quarantine.marks([batch(0, 5)])
        assert (mark.alone, mark.tries) == (5, 3)
    heir = Quarantine(3)
    heir.claimed(state(taken=7, alone=5, tries=3), 5)
    assert heir.is_poison([batch(0, 5)])
    assert not heir.is_poison([batch(0, 6)])


def test_the_marks_of_ones_own_first_batch_are_no_death_after_a_rewind():
    quarantine = Quarantine(3)
    quarantine.claimed(state(), 0)
    quarantine.marks([batch(0, 0), batch(0, 1)])
    quarantine.claimed(state(2, taken=2), 0)
    records = [batch(0, 0), batch(0, 1)]
    assert quarantine.lots(records) == [records]


def test_a_row_that_somebody_else_had_meanwhile_may_hold_the_mark_of_a_death():
    quarantine = Quarantine(3)
    quarantine.claimed(state(), 0)
    records = [batch(0, 0), batch(0, 1)]
    quarantine.marks(records)
    quarantine.claimed(state(3, taken=2), 0)
    assert quarantine.lots(records) == [(records[0],), (records[1],)]
    quarantine.marks([records[0]])
    quarantine.claimed(state(4, taken=2, alone=0, tries=1), 0)
    assert [m.tries for m in quarantine.marks([records[0]])] == [1]
    quarantine.claimed(state(6, taken=2, alone=0, tries=1), 0)
    assert [m.tries for m in quarantine.marks([records[0]])] == [2]


def test_an_index_that_is_away_while_a_record_is_alone_is_no_death(monkeypatch):
    world = World(None, "never")
    pipeline = world.pipeline()
    world.stream.start(pipeline)
    pipeline.process([batch(0, 0)])
    heir = world.pipeline()
    for _ in range(5):
        heir.forget()
        heir.assign(world.stream.assigned(), [])
        assert heir.lots([batch(0, 0)]) == [(batch(0, 0),)]
        with monkeypatch.context() as away:
            away.setattr(world.index, "commit", _away)
            with pytest.raises(IndexUnavailable):
                heir.process([batch(0, 1)])
        heir.process([batch(0, 0)])
    assert not heir._quarantine.is_poison([batch(0, 0)])


def _away(*_arguments) -> None:
    raise IndexUnavailable("away")

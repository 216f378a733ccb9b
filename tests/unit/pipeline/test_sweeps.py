"""Sweeps: what time changes is told once, at its instant, whatever dies meanwhile."""

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.clock.bucket import MINUTE_MS
from processor.clock.place import Place, shard_of
from processor.clock.wheel import MOST
from processor.codecs.sweep import named_sweep, read_sweep, shard_sweep
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.memory import MemoryIndex
from processor.pipeline import sweeping
from processor.pipeline.computing import Computing
from processor.pipeline.pacing import SweepPace
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.places import place_of
from processor.pipeline.sweeps import shards_of
from processor.records import Output, Record
from processor.settings import Settings, load_text
from tests.unit.pipeline.stream import Crash, Crasher, Stream

START = 1_767_225_600_000
HOUR = 3_600_000
DAY = 24 * HOUR
SPACE = Space("shop", "production")
CLOCK = "idstream-clock"
CONFIG = """
[kafka.topics]
batches = ["batches"]
requests = []
[limits]
max_deaths = 2
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
[workspaces.shop.events]
order = { type = "custom_event", name = "Order" }
[workspaces.shop.audiences]
buyers = { all = [{ event = "order", within = "7d" }] }
fresh = { all = [{ event = "order", within = "30m" }] }
idle = { all = [{ event = "order" }, { not = { event = "order", within = "3d" } }] }
[inputs.default]
workspace = "shop"
"""


OTHER = """
[workspaces.other]
strategy = "profile_conversion"
priority = ["customerid"]
[workspaces.other.audiences]
new = { all = [{ profile = "first_seen", op = "within", value = "1d" }] }
[inputs.other]
workspace = "other"
"""


def settings_of(more: str = "") -> Settings:
    return load_text(CONFIG + more, {})


def order(offset: int, time_ms: int, who: str = "ada") -> Record:
    value = {
        "environment": "production",
        "user_identities": {"customer_id": who},
        "events": [
            {"event_type": "custom_event", "data": {"event_name": "Order"}},
        ],
        "timestamp_unixtime_ms": time_ms,
    }
    return Record("batches", 0, offset, time_ms, None, json.dumps(value).encode())


@dataclass
class Life:
    """An input, the topic of sweeps in two partitions, an index; processes that may die."""

    settings: Settings = field(default_factory=settings_of)
    index: MemoryIndex = field(default_factory=MemoryIndex)
    crasher: Crasher = field(default_factory=Crasher)
    aside: Counter[tuple[str, int]] = field(default_factory=Counter)
    """What committed transactions counted of profiles that were set aside."""
    swept_per_s: int = 1_000_000
    is_deadly: bool = False
    """Whether processes die when they are about to look at a sweep."""

    def __post_init__(self) -> None:
        self.stream = Stream({("batches", 0): [], (CLOCK, 0): [], (CLOCK, 1): []})
        self.pipeline = self.start()

    def start(self) -> Pipeline:
        parts = Parts(
            rules=self.settings.rules(),
            spaces=self.settings.space_rules(),
            index=self.index,
            owner="test",
            computed=self.settings.computed,
            reach=self.crasher.reach,
            pace=SweepPace(self.swept_per_s),
            look=self.look,
            counted=lambda tally: self.aside.update(tally.set_aside),
        )
        pipeline = Pipeline(parts)
        self.stream.start(pipeline)
        return pipeline

    def look(self, records: Sequence[Record]) -> None:
        if self.is_deadly and any(record.topic == CLOCK for record in records):
            raise Crash("of a sweep")

    def restart(self) -> None:
        self.crasher.at = None
        self.pipeline = self.start()

    def play(self, steps: list[tuple[int, list[Record]]]) -> None:
        """At each instant records come and are processed, then everything due is swept."""
        for wall_ms, records in steps:
            before = len(self.stream.records["batches", 0])
            self.stream.records["batches", 0] += records[max(0, before - records[0].offset) :]
            self.surviving(wall_ms)

    def surviving(self, wall_ms: int) -> None:
        while True:
            try:
                self.settle(wall_ms)
            except Crash:
                self.restart()
            else:
                return

    def settle(self, wall_ms: int) -> None:
        """Process what is there, sweep what is due, until nothing happens any more."""
        while True:
            self.commit(self.pipeline, self.taken())
            if self.taken():
                continue  # what it has appended itself
            due = self.pipeline.sweeps.look(shards_of({0, 1}, 2), wall_ms)
            if not due.is_open:
                return
            self.append(self.pipeline.sweeps.issue(wall_ms), wall_ms)

    def taken(self) -> list[Record]:
        return [
            record
            for key, records in self.stream.records.items()
            for record in records[self.stream.offsets[key][0] :]
        ]

    def commit(self, pipeline: Pipeline, records: list[Record]) -> None:
        lots = pipeline.lots(records) or [records]
        for lot in lots:
            outputs = pipeline.process(lot)
            position = {key: self.stream.offsets[key][0] for key in self.stream.records}
            for record in lot:
                position[record.topic, record.partition] = record.offset + 1
            self.stream._commit(pipeline, position, outputs, self.crasher.reach)
            sweeps = [one for one in outputs if one.role == "clock"]
            self.append(sweeps, max((r.timestamp_ms for r in records), default=0))

    def append(self, sweeps: list[Output], time_ms: int) -> None:
        for one in sweeps:
            log = self.stream.records[CLOCK, one.partition]
            log.append(Record(CLOCK, one.partition, len(log), time_ms, None, one.value))

    def told(self) -> list[tuple[str, str, str, int]]:
        values = [
            json.loads(o.value) for o in self.stream.published if o.role == "audience_changes"
        ]
        return [(v["audience"], v["change"], v["reason"], v["timestamp_ms"]) for v in values]

    def profile(self) -> Any:
        (profile,) = self.index.profiles()
        return profile


def test_what_time_ends_is_told_at_its_instant_and_not_before():
    life = Life()
    life.play([(START, [order(0, START)])])
    life.settle(START + 7 * DAY - 1)
    before = life.told()
    life.settle(START + 7 * DAY + MINUTE_MS)

    assert [one for one in before if one[0] == "buyers"] == [("buyers", "entered", "record", START)]
    assert life.told()[len(before) :] == [("buyers", "left", "time", START + 7 * DAY)]
    assert life.profile().more.due_ms is None
    assert place_of(life.profile()) == Place()


def test_after_a_long_pause_everything_is_told_at_its_own_instant_in_order():
    life = Life()
    life.play([(START, [order(0, START)])])
    life.settle(START + 90 * DAY)

    assert life.told()[2:] == [
        ("fresh", "left", "time", START + HOUR // 2),
        ("idle", "entered", "time", START + 3 * DAY),
        ("buyers", "left", "time", START + 7 * DAY),
    ]
    assert life.profile().version == 2, "all of it is one step"


def test_a_record_that_comes_before_the_sweep_makes_the_flip_itself():
    life = Life()
    other = order(1, START + 8 * DAY, "bob")
    late = order(2, START + 8 * DAY)
    life.play([(START, [order(0, START)])])
    before = life.told()
    life.stream.records["batches", 0] += [other, late]
    life.settle(START + 8 * DAY)

    mine = [one for one in life.told()[len(before) :] if one[3] != START + 8 * DAY]
    assert mine == [], "whoever leaves and comes back within one record is not told"


def test_a_sweep_counts_for_no_later_instant_than_its_record():
    life = Life()
    life.play([(START, [order(0, START)])])
    mpid = life.profile().mpid
    shard = shard_of(mpid)
    value = shard_sweep(SPACE, START + 90 * DAY, shard)
    life.append([Output("clock", None, value, (), partition=shard % 2)], START + MINUTE_MS)
    life.settle(START + MINUTE_MS)
    assert len(life.told()) == 2


def test_what_is_postponed_moves_no_entry_and_is_told_when_it_comes():
    life = Life()
    records = [order(n, START + n * 10 * MINUTE_MS) for n in range(12)]
    life.play([(one.timestamp_ms, [one]) for one in records])
    last = records[-1].timestamp_ms
    life.settle(last + 30 * MINUTE_MS + MINUTE_MS)
    assert [one for one in life.told() if one[0] == "fresh"] == [
        ("fresh", "entered", "record", START),
        ("fresh", "left", "time", last + 30 * MINUTE_MS),
    ]


def test_where_more_is_due_than_one_sweep_takes_the_next_follows_at_once():
    life = Life()
    people = [order(n, START, who=f"p{16 * n}") for n in range(500)]
    life.play([(START, people)])
    sweeps = len(life.stream.records[CLOCK, 0]) + len(life.stream.records[CLOCK, 1])
    life.settle(START + HOUR)

    left = [one for one in life.told() if one[:3] == ("fresh", "left", "time")]
    assert len(left) == 500
    assert sweeps == 0


def shards_swept(life: Life) -> list[list[int]]:
    """Return the shard of each sweep that was issued, as they came, by partition."""
    logs = (life.stream.records[CLOCK, partition] for partition in (0, 1))
    return [[json.loads(one.value)["shard"] for one in log] for log in logs]


def test_a_few_sweeps_are_under_way_at_once_and_each_shard_has_its_turn():
    life = Life(swept_per_s=8 * MOST)
    life.play([(START, [order(n, START, who=f"p{n}") for n in range(100)])])
    sweeps, shards = life.pipeline.sweeps, shards_of({0, 1}, 2)
    assert sweeps.look(shards, START + HOUR).is_open
    issued = sweeps.issue(START + HOUR)
    assert len(issued) == 2
    assert sweeps.look(shards, START + HOUR).is_open
    assert not sweeps.issue(START + HOUR), "not before one of them has come"

    life.append(issued, START + HOUR)
    life.settle(START + HOUR)
    assert sorted(itertools.chain(*shards_swept(life))) == sorted(shards)
    assert sum(one[:3] == ("fresh", "left", "time") for one in life.told()) == 100


def test_sweeps_that_went_to_a_partition_of_another_owner_by_now_keep_no_room():
    life = Life(swept_per_s=8 * MOST)
    life.play([(START, [order(n, START, who=f"p{n}") for n in range(100)])])
    sweeps = life.pipeline.sweeps
    sweeps.look(shards_of({0}, 2), START + HOUR)
    assert len(sweeps.issue(START + HOUR)) == 2
    sweeps.look(shards_of({1}, 2), START + HOUR)
    assert [one.partition for one in sweeps.issue(START + HOUR)] == [1, 1]


def test_a_shard_whose_sweep_may_stand_in_the_log_still_gets_none_and_its_lateness_is_told():
    life = Life(swept_per_s=40 * MOST)
    life.play([(START, [order(n, START, who=f"p{n}") for n in range(100)])])
    sweeps, shards = life.pipeline.sweeps, shards_of({0, 1}, 2)
    due = sweeps.look(shards, START + HOUR, {0})
    assert due.is_open
    assert {one.partition for one in sweeps.issue(START + HOUR)} == {1}
    sweeps.forget()
    due = sweeps.look(shards, START + HOUR, {0, 1})
    assert not due.is_open
    assert due.lag_s > 0
    assert not sweeps.issue(START + HOUR)


def test_a_partition_that_is_started_keeps_what_is_under_way_to_others():
    life = Life(swept_per_s=40 * MOST)
    life.play([(START, [order(n, START, who=f"p{n}") for n in range(100)])])
    sweeps, shards = life.pipeline.sweeps, shards_of({0, 1}, 2)
    sweeps.look(shards, START + HOUR)
    first = sweeps.issue(START + HOUR)
    assert {one.partition for one in first} == {0, 1}
    sweeps.handed_over({1})
    sweeps.look(shards, START + HOUR)
    again = sweeps.issue(START + HOUR)
    assert len(again) == sum(one.partition == 1 for one in first)
    assert {one.partition for one in again} == {1}


def test_nothing_more_is_issued_into_a_partition_that_was_given_up():
    life = Life(swept_per_s=8 * MOST)
    life.play([(START, [order(n, START, who=f"p{n}") for n in range(100)])])
    sweeps, shards = life.pipeline.sweeps, shards_of({0, 1}, 2)
    sweeps.look(shards, START + HOUR)
    life.append(sweeps.issue(START + HOUR), START + HOUR)
    before = list(life.stream.records[CLOCK, 1])
    sweeps.look(shards, START + HOUR)
    life.pipeline.revoke([(CLOCK, 1)])
    while taken := [one for one in life.taken() if one.partition == 0]:
        life.commit(life.pipeline, taken)
        life.append(sweeps.issue(START + HOUR), START + HOUR)
    assert life.stream.records[CLOCK, 1] == before
    assert len(set(shards_swept(life)[0])) == 8


def test_a_partition_that_is_started_keeps_what_follows_in_one_nobody_has_looked_at_yet():
    life = Life(swept_per_s=40 * MOST)
    people = 16 * MOST * 5 // 4
    life.play([(START, [order(n, START, who=f"p{n}") for n in range(people)])])
    sweeps, value = life.pipeline.sweeps, shard_sweep(SPACE, START + HOUR, 1)
    sweeps.look(shards_of({0}, 2), START)
    life.append([Output("clock", None, value, (), partition=1)], START + HOUR)
    life.commit(life.pipeline, life.taken())
    assert shards_swept(life) == [[], [1, 1]], "it was followed"
    sweeps.handed_over({0})
    sweeps.look(shards_of({0, 1}, 2), START + HOUR)
    life.append(sweeps.issue(START + HOUR), START + HOUR)
    assert shards_swept(life)[0]
    assert shards_swept(life)[1].count(1) == 2


def test_where_much_is_due_in_all_shards_they_take_turns():
    life = Life(swept_per_s=40 * MOST)
    people = 16 * MOST * 5 // 4
    life.play([(START, [order(n, START, who=f"p{n}") for n in range(people)])])
    life.settle(START + HOUR)

    for shards in shards_swept(life):
        assert len(shards) > 8, "some had more than one sweep takes"
        assert len(set(shards[:8])) == 8
    assert sum(one[:3] == ("fresh", "left", "time") for one in life.told()) == people


def history(life: Life) -> None:
    life.play(
        [
            (START, [order(0, START), order(1, START, "bob")]),
            (START + 2 * HOUR, [order(2, START + 2 * HOUR)]),
            (START + 4 * DAY, [order(3, START + 4 * DAY, "bob")]),
        ]
    )
    life.surviving(START + 5 * DAY)
    life.surviving(START + 20 * DAY)


def by_person(life: Life) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for output in life.stream.published:
        if output.role == "audience_changes":
            value = json.loads(output.value)
            del value["cause"]
            found.setdefault(value["mpid"], []).append(value)
    return found


def test_whoever_dies_at_any_point_every_flip_is_told_once():
    whole = Life()
    history(whole)
    expected = by_person(whole)
    assert sum(map(len, expected.values())) == 12
    for at in range(3, whole.crasher.passed + 1):  # the first two are the claim of the start
        life = Life(crasher=Crasher(at=at))
        history(life)
        assert by_person(life) == expected, f"died at {whole.crasher.names[at - 1]}"


@given(st.data())
def test_two_processors_that_own_the_same_shards_tell_nothing_twice(data):
    """An old owner that does not know it yet sweeps too, until the index refuses it."""
    whole, life = Life(), Life()
    history(whole)
    life.play([(START, [order(0, START), order(1, START, "bob")])])
    for hours in data.draw(st.lists(st.integers(1, 200), max_size=8)):
        value = shard_sweep(SPACE, START + hours * HOUR, data.draw(st.integers(0, 15)))
        life.append([Output("clock", None, value, (), partition=0)], START + hours * HOUR)
    life.settle(START)
    history(life)
    instants = Counter(
        (v["mpid"], v["audience"], v["change"], v["timestamp_ms"])
        for values in by_person(life).values()
        for v in values
    )
    assert max(instants.values()) == 1


def test_whom_sweeps_die_of_is_set_aside_unseen_and_the_others_go_on():
    life = Life()
    life.play([(START, [order(0, START)])])
    life.is_deadly = True
    life.surviving(START + HOUR)
    life.is_deadly = False

    shard = shard_of(life.profile().mpid)
    (opening,) = life.index.openings(SPACE, [shard])
    assert (opening.opens_ms, opening.set_aside) == (None, 1)
    assert life.aside == {("shop/production", shard): 1}
    assert [one.role for one in life.stream.published].count("dead_letters") == 1
    life.settle(START + 90 * DAY)
    assert len(life.told()) == 2, "no sweep comes to it"
    life.play([(START + 91 * DAY, [order(1, START + 91 * DAY)])])
    life.settle(START + 120 * DAY)
    assert ("buyers", "left", "time", START + 98 * DAY) in life.told(), "its next record does"


def test_named_profiles_are_brought_up_to_the_definitions():
    life = Life(settings=settings_of())
    life.play([(START, [order(0, START)])])
    life.settings = settings_of(
        '[workspaces.shop.audiences.all]\nall = [{ identity = "customerid" }]\n'
    )
    life.restart()
    value = named_sweep(SPACE, START + MINUTE_MS, [life.profile().mpid, 7])
    life.append([Output("clock", None, value, (), partition=0)], START + MINUTE_MS)
    life.settle(START + MINUTE_MS)
    assert life.told()[2:] == [("all", "entered", "definition", START + MINUTE_MS)]
    life.settle(START + 90 * DAY)
    assert ("buyers", "left", "time", START + 7 * DAY) in life.told()


GOLD = '[workspaces.shop.audiences.gold]\nall = [{ identity = "customerid" }]\n'


@pytest.fixture
def dropped():
    """Give a life under definitions of which one that somebody fitted is not there any more."""
    life = Life(settings=settings_of(GOLD))
    life.play([(START, [order(0, START)])])
    life.settings = settings_of()
    life.restart()
    return life


def stored_audiences(life: Life, stamp: bytes | None) -> list[str]:
    """Let everybody be named with *stamp*; return of which audiences somebody is a member."""
    value = named_sweep(SPACE, START + MINUTE_MS, [life.profile().mpid], stamp)
    life.append([Output("clock", None, value, (), partition=0)], START + MINUTE_MS)
    life.settle(START + MINUTE_MS)
    assert [one.role for one in life.stream.published].count("dead_letters") == 0
    computed = life.profile().workspaces["shop"].more.computed
    return [] if computed is None else list(computed.audiences)


def test_what_is_not_defined_any_more_is_struck_off_by_a_sweep_of_the_same_definitions(dropped):
    told = len(dropped.told())
    assert stored_audiences(dropped, None) == ["buyers", "fresh", "gold"]
    assert stored_audiences(dropped, b"else") == ["buyers", "fresh", "gold"]
    assert stored_audiences(dropped, dropped.settings.computed["shop"].stamp) == ["buyers", "fresh"]
    assert len(dropped.told()) == told, "whoever drops a definition retires it first"
    version = dropped.profile().version
    assert stored_audiences(dropped, dropped.settings.computed["shop"].stamp) == ["buyers", "fresh"]
    assert dropped.profile().version == version
    dropped.settle(START + 90 * DAY)
    assert ("buyers", "left", "time", START + 7 * DAY) in dropped.told()


def test_where_nothing_is_defined_any_more_everything_computed_is_struck_off():
    life = Life(settings=settings_of(OTHER))
    life.play([(START, [order(0, START)])])
    bare = CONFIG[: CONFIG.index("[workspaces.shop.events]")]
    life.settings = load_text(bare + '[inputs.default]\nworkspace = "shop"\n' + OTHER, {})
    life.restart()
    assert stored_audiences(life, life.settings.computed["other"].stamp) == ["buyers", "fresh"]
    assert stored_audiences(life, b"") == []
    assert (life.profile().more.stamp, life.profile().more.due_ms) == (b"", None)


PEOPLE = [order(n, START, f"p{n}") for n in range(5)]
EVERYBODY = '[workspaces.shop.audiences.all]\nall = [{ identity = "customerid" }]\n'


def named(life: Life) -> None:
    """Let everybody who is known be named by one sweep, under definitions that are new."""
    life.settings = settings_of(EVERYBODY)
    life.restart()
    mpids = sorted(one.mpid for one in life.index.profiles())
    value = named_sweep(SPACE, START + MINUTE_MS, mpids)
    life.append([Output("clock", None, value, (), partition=0)], START + MINUTE_MS)
    life.surviving(START + MINUTE_MS)


def entered(life: Life) -> Counter[str]:
    values = [json.loads(o.value) for o in life.stream.published if o.role == "audience_changes"]
    return Counter(v["mpid"] for v in values if (v["audience"], v["change"]) == ("all", "entered"))


def test_a_sweep_that_names_more_than_a_journal_holds_is_gone_on_with_whoever_dies(monkeypatch):
    monkeypatch.setattr(sweeping, "MOST_BYTES", 1)
    whole = Life()
    whole.play([(START, PEOPLE)])
    begun = whole.crasher.passed
    named(whole)
    assert len(whole.stream.records[CLOCK, 0]) == len(PEOPLE), "one person each"
    assert entered(whole) == {str(one.mpid): 1 for one in whole.index.profiles()}
    for at in range(begun + 1, whole.crasher.passed + 1):
        life = Life(crasher=Crasher(at=at))
        life.play([(START, PEOPLE)])
        named(life)
        assert entered(life) == entered(whole), f"died at {whole.crasher.names[at - 1]}"


def test_whom_a_sweep_names_that_ends_processes_is_found_among_the_others(monkeypatch):
    life = Life()
    life.play([(START, PEOPLE)])
    mpids = sorted(one.mpid for one in life.index.profiles())
    renewed = Computing.renewed

    def dies_of_one(self: Computing, profile: Profile, as_of_ms: int) -> Any:
        if profile.mpid == mpids[2]:
            raise Crash("of a profile")
        return renewed(self, profile, as_of_ms)

    monkeypatch.setattr(Computing, "renewed", dies_of_one)
    named(life)
    assert entered(life) == {str(mpid): 1 for mpid in mpids if mpid != mpids[2]}
    (letter,) = [one for one in life.stream.published if one.role == "dead_letters"]
    assert json.loads(letter.value or b"")["mpids"] == [str(mpids[2])]
    assert dict(letter.headers)["reason"] == b"poison"
    life.surviving(START + HOUR)
    assert len([one for one in life.told() if one[1:3] == ("left", "time")]) == len(PEOPLE)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b'{"scope":"shop","environment":"production","as_of_ms":1}',
        b'{"scope":"shop","environment":"production","as_of_ms":1,"shard":16}',
        b'{"scope":"shop","environment":"production","as_of_ms":1,"mpids":["x"]}',
        b'{"scope":"shop","environment":"production","as_of_ms":1,"shard":1,"mpids":["1"]}',
        b'{"scope":"other","environment":"production","as_of_ms":1,"shard":1}',
        b'{"scope":"shop","environment":"production","as_of_ms":1,"mpids":["1"],"stamp":"x"}',
    ],
)
def test_what_is_no_sweep_of_ours_is_a_dead_letter(value):
    life = Life()
    life.stream.records[CLOCK, 0].append(Record(CLOCK, 0, 0, START, None, value))
    life.settle(START)
    (letter,) = life.stream.published
    assert letter.role == "dead_letters"


def test_a_sweep_says_what_it_is_about():
    named = read_sweep(named_sweep(SPACE, 5, [-1, 2]))
    assert (named.space, named.as_of_ms, named.mpids) == (SPACE, 5, ["-1", "2"])
    shard = read_sweep(shard_sweep(SPACE, 5, 3))
    assert (shard.space, shard.as_of_ms, shard.shard) == (SPACE, 5, 3)


def test_whoever_owns_partitions_owns_their_shards():
    assert shards_of({0, 1}, 2) == {s: s % 2 for s in range(16)}
    assert shards_of({3}, 16) == {3: 3}
    assert shards_of({20}, 32) == {}
    assert shards_of({0}, 0) == {}

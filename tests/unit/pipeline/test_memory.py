"""What is remembered of known users changes nothing but the time it takes."""

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import given

from processor.codecs.misfit import KNOWN
from processor.identity.resolve import resolve
from processor.index.cache import CachedIndex
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment, Index
from processor.pipeline import naming
from processor.pipeline.memory import NAMES, WORDS
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.tally import Tally
from processor.profiles.sections import PART
from processor.records import Output, Record
from processor.settings import Settings
from processor.settings.load import load_text

ROOM = 10_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_700_000_000_000

POLICY = """
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
"""
CONFIG = f"""
[kafka.topics]
batches = ["batches"]
requests = ["requests"]

[workspaces.isolated]
strategy = "profile_isolation"
identity_scope = "isolated"
{POLICY}
[workspaces.linked]
strategy = "profile_link"
identity_scope = "linked"
{POLICY}
[workspaces.best]
strategy = "best_match"
identity_scope = "best"
priority = ["customerid", "email", "ios_idfv"]

[workspaces.converted]
strategy = "profile_conversion"
identity_scope = "converted"
{POLICY}
[workspaces.flat]
strategy = "flat_matching"
identity_scope = "flat"
[workspaces.flat.identifiers.user_id]
priority = 1
[workspaces.flat.identifiers.email]
priority = 2
[workspaces.flat.identifiers.anonymous_id]
priority = 3

[workspaces.counted]
strategy = "profile_conversion"
identity_scope = "counted"
{POLICY}
[workspaces.counted.events]
purchase = {{ type = "custom_event", name = "Purchase" }}
start = {{ type = "session_start" }}
[workspaces.counted.calculated]
bought = {{ type = "count", event = "purchase", within = "2h" }}
colors = {{ type = "unique_list", event = "purchase", attribute = "color" }}
[workspaces.counted.audiences]
buyers.all = [{{ event = "purchase", within = "1h" }}]
red.all = [{{ attribute = "color", op = "equals", value = "red" }}]
quiet.all = [{{ not = {{ event = "purchase", within = "30m" }} }}]
quiet.identities = ["email"]

[workspaces.beside]
strategy = "profile_conversion"
identity_scope = "counted"
{POLICY}
[inputs.default]
workspace = "isolated"
source = "sdk"
[inputs.feed]
workspace = "isolated"
source = "partner_feed"
protection = "update_only"
[inputs.announced]
workspace = "linked"
source = "sdk"
[inputs.best]
workspace = "best"
source = "sdk"
[inputs.converted]
workspace = "converted"
source = "custom_feed"
[inputs.counted]
workspace = "counted"
source = "sdk"
[inputs.beside]
workspace = "beside"
source = "sdk"
[inputs.flat]
workspace = "flat"
source = "sdk"
[inputs.seen]
workspace = "isolated"
source = "sdk"
protection = "read_only"
"""
SETTINGS = load_text(CONFIG, {})


def pipeline(
    index: Index,
    settings: Settings = SETTINGS,
    counted: Callable[[Tally], None] = lambda _tally: None,
    *,
    remembers: bool,
    room: int = ROOM,
) -> Pipeline:
    cached = CachedIndex(index, room) if remembers else None
    return Pipeline(
        Parts(
            rules=settings.rules(),
            spaces=settings.space_rules(),
            index=cached or index,
            owner="t",
            memory_bytes=room,
            with_outcomes=False,
            computed=settings.computed,
            counted=counted,
        )
    )


def assign(made: Pipeline, partition: int, offset: int | None = None, witnesses: str = "") -> None:
    batches = Assignment("batches", partition, "batches", offset, witnesses)
    made.assign([batches, Assignment("requests", partition, "requests", None, "")], [])


def identities(user: int, flat: bool) -> dict[str, str]:
    kinds = ("user_id", "email", "anonymous_id") if flat else ("customerid", "email", "other")
    return {
        kind: f"{kind}-{user}"
        for bit, kind in enumerate(kinds)
        if (user >> bit) & 1 or bit == user % 3
    }


def batches(inputs: tuple[str, ...]) -> st.SearchStrategy[dict]:
    """Batches that often say again what was said before."""
    seldom = st.sampled_from([None] * 12 + [True, False])
    return st.fixed_dictionaries(
        {
            "input": st.sampled_from(inputs),
            "user": st.sampled_from([1, 1, 1, 3]),
            "device": st.sampled_from(["a"] * 6 + [None, "b"]),
            "attributes": st.sampled_from([{"color": "red"}] * 5 + [None, {"color": "blue"}]),
            "counts": st.sampled_from([False, False, True]),
            "deleted": seldom.map(lambda gone: ["color"] if gone else None),
            "consent": seldom,
            "consented_ms": st.sampled_from([None, START, START + 400 * 24 * HOUR]),
            "events": st.sampled_from([1, 1, 0, 2]),
            "bought": seldom,
            "request_id": seldom.map(lambda one: None if one is None else f"id-{one}"),
            "pause": st.sampled_from([0] * 12 + [1, MINUTE, MINUTE, 59 * MINUTE, HOUR]),
            "late": st.sampled_from([0] * 8 + [MINUTE, 2 * HOUR]),
        }
    )


def requests(inputs: tuple[str, ...]) -> st.SearchStrategy[dict]:
    return st.fixed_dictionaries(
        {
            "request": st.sampled_from(["identify", "login", "logout", "search"]),
            "input": st.sampled_from(inputs),
            "user": st.integers(0, 3),
            "pause": st.sampled_from([0, 1, MINUTE]),
        }
    )


def lots(inputs: tuple[str, ...]) -> st.SearchStrategy[list[list[dict]]]:
    batch = batches(inputs)
    ask = batch if "flat" in inputs else requests(inputs)
    one = st.one_of(*[batch] * 9, ask)
    return st.lists(st.lists(one, min_size=1, max_size=5), min_size=6, max_size=16)


SCENES = [
    ("default",),
    ("default", "feed"),
    ("announced",),
    ("best",),
    ("converted",),
    ("flat",),
    ("counted",),
    ("counted", "beside", "beside"),
]
histories = st.sampled_from([*SCENES, ("default", "seen")]).flatmap(lots)


def records(history: list[list[dict]]) -> Iterator[list[Record]]:
    now, offset = START, 0
    for lot in history:
        made = []
        for one in lot:
            now += one["pause"]
            value = batch_of(one, now) if "events" in one else request_of(one)
            if one.get("counts"):
                value["user_attributes"] = {**(one["attributes"] or {}), "count": offset}
            topic = "batches" if "events" in one else "requests"
            headers = (("input", one["input"].encode()),)
            key = b"%d" % one["user"]
            made.append(Record(topic, 0, offset, now, key, json.dumps(value).encode(), headers))
            offset += 1
        yield made


def batch_of(one: dict, now: int) -> dict:
    time = {"timestamp_unixtime_ms": now - one["late"]}
    value = {
        "events": [{"event_type": "session_start", "data": time}] * one["events"],
        "user_identities": identities(one["user"], one["input"] == "flat"),
        "timestamp_unixtime_ms": now,
        "odd": one["pause"],
    }
    if one["bought"] is not None:
        bought = {"event_name": "Purchase", "custom_attributes": {"color": one["bought"]}}
        value["events"].append({"event_type": "custom_event", "data": {**time, **bought}})
    if one["device"]:
        value["device_info"] = {"ios_idfv": one["device"], "os": "x"}
    if one["attributes"] is not None:
        value["user_attributes"] = one["attributes"]
    if one["deleted"]:
        value["deleted_user_attributes"] = one["deleted"]
    if one["consent"] is not None:
        answer = {"consented": one["consent"], "timestamp_unixtime_ms": one["consented_ms"]}
        value["consent_state"] = {"gdpr": {"ads": answer}}
    if one["request_id"]:
        value["source_request_id"] = one["request_id"]
    return value


def request_of(one: dict) -> dict:
    return {
        "request_type": one["request"],
        "environment": "production",
        "known_identities": identities(one["user"], flat=False),
    }


def moved(lot: list[Record], partition: int) -> list[Record]:
    return [record._replace(partition=partition) for record in lot]


def played(history: list[list[dict]], *, remembers: bool, processors: int) -> list[list[Output]]:
    """Let processors take lots by turns, each of its own partition; return what they publish."""
    index = MemoryIndex(b"key")
    made = [pipeline(index, remembers=remembers) for _ in range(processors)]
    for number, one in enumerate(made):
        assign(one, number)
    outputs = []
    for turn, lot in enumerate(records(history)):
        number = turn % processors
        outputs.append(made[number].process(moved(lot, number)))
        if turn % 3 == 2:
            made[number].committed()
    return outputs


@given(histories)
def test_outputs_are_the_same_with_and_without_memory(history):
    plain = played(history, remembers=False, processors=1)
    assert played(history, remembers=True, processors=1) == plain


@given(histories)
def test_outputs_are_the_same_where_others_change_what_is_remembered(history):
    plain = played(history, remembers=False, processors=2)
    assert played(history, remembers=True, processors=2) == plain


def taking(value: dict, **changes) -> dict:
    """A batch that *changes* some fields of another; what is None is left out."""
    return {name: one for name, one in {**value, **changes}.items() if one is not None}


BATCH = {
    "environment": "production",
    "events": [{"event_type": "session_start", "data": {"timestamp_unixtime_ms": START}}],
    "user_identities": {"customerid": "7", "email": "ed@example.com"},
    "device_info": {"ios_idfv": "a", "os": "x"},
    "user_attributes": {"color": "red"},
}


class Line:
    """One input partition of one processor with a memory."""

    def __init__(
        self,
        config: str = CONFIG,
        index: Index | None = None,
        room: int = ROOM,
        at: tuple[int | None, str] = (None, ""),
    ) -> None:
        self.tallies: list[Tally] = []
        own, settings = index or MemoryIndex(b"key"), load_text(config, {})
        self.made = pipeline(own, settings, self.tallies.append, remembers=True, room=room)
        self.committed = at
        """The offset of its next record that Kafka has, with the witnesses."""
        self.start(*at)

    def start(self, offset: int | None, witnesses: str) -> None:
        """Take its partition up where it was committed."""
        self.made.forget()
        assign(self.made, 0, offset, witnesses)
        self._offset = offset or 0

    def send(
        self,
        *values: dict,
        at: int = START,
        input_name: str = "default",
        topic: str = "batches",
        commits: bool = True,
    ) -> list[Output]:
        lot = []
        for value in values:
            headers = (("input", input_name.encode()),)
            data = json.dumps(value).encode()
            lot.append(Record(topic, 0, self._offset, at, b"key", data, headers))
            self._offset += 1
        outputs = self.made.process(lot)
        if commits:
            self.committed = self._offset, self.made.metadata(topic, 0)
            self.made.committed()
        return outputs

    def remembers(self, value: dict, at: int = START, input_name: str = "default") -> bool:
        """Whether a batch would be decided from memory now."""
        headers = (("input", input_name.encode()),)
        record = Record("batches", 0, 1 << 40, at, b"key", json.dumps(value).encode(), headers)
        return type(self.made._intake.take(record).content).__name__ == "Known"


@pytest.fixture
def line() -> Line:
    made = Line()
    made.send(BATCH)
    made.send(BATCH)
    return made


def test_a_batch_that_changed_nothing_is_remembered(line):
    assert line.remembers(BATCH)


@pytest.mark.parametrize("name", [name for name in WORDS if name in BATCH or name == "mpid"])
def test_other_words_in_a_field_that_decides_are_decided_anew(line, name):
    other = {
        "environment": "development",
        "mpid": 5,
        "user_identities": {"customerid": "8"},
        "device_info": {"ios_idfv": "a", "os": "y"},
        "user_attributes": {"color": "blue"},
    }[name]
    assert not line.remembers(taking(BATCH, **{name: other}))


@pytest.mark.parametrize(
    "more",
    [
        {"mp_deviceid": "d"},
        {"deleted_user_attributes": ["x"]},
        {"consent_state": {"gdpr": {"ads": {"consented": True}}}},
    ],
)
def test_a_field_more_that_decides_is_decided_anew(line, more):
    assert not line.remembers({**BATCH, **more})


def test_other_events_and_unknown_fields_are_no_matter(line):
    event = {"event_type": "custom_event", "data": {"event_name": "x"}}
    assert line.remembers({**BATCH, "events": [event], "batch_id": 7, "source_request_id": "q"})


ODD = [None, 7, "text", [], {}, {"a": [1, {"b": None}]}, [{"email": "x@example.com"}]]
BESIDE = sorted(KNOWN - set(WORDS) - {"events"})


@pytest.mark.parametrize("input_name", ["default", "announced", "counted", "beside", "flat"])
def test_nothing_is_decided_by_a_field_beside_the_words(input_name):
    """Whoever reads one more for a decision or an enrichment adds it to ``WORDS``."""
    known = {**BATCH, "user_identities": {"user_id": "7"}} if input_name == "flat" else BATCH
    line, plain = Line(), pipeline(MemoryIndex(b"key"), remembers=False)
    assign(plain, 0)
    headers = (("input", input_name.encode()),)
    others = [{}, {}, *[{name: odd} for name in BESIDE for odd in ODD]]
    for n, other in enumerate(others):
        value = {**known, **other}
        record = Record("batches", 0, n, START, b"key", json.dumps(value).encode(), headers)
        assert line.send(value, input_name=input_name) == plain.process([record]), other
    assert sum(tally.recalled for tally in line.tallies) > len(others) / 2


def test_wrong_events_are_told_as_ever(line):
    (letter,) = line.send({**BATCH, "events": [{"event_type": "no such"}]})
    assert letter.role == "dead_letters"


def test_another_input_is_decided_anew(line):
    assert not line.remembers(BATCH, input_name="feed")


def test_a_profile_that_another_changed_is_decided_anew():
    index = MemoryIndex(b"key")
    line, other = Line(index=index), pipeline(index, remembers=False)
    line.send(BATCH)
    line.send(BATCH)
    other.assign([Assignment(t, 1, t, None, "") for t in ("batches", "requests")], [])
    value = json.dumps(taking(BATCH, user_attributes={"color": "blue"})).encode()
    other.process([Record("batches", 1, 0, START, None, value, (("input", b"default"),))])

    again = line.send(BATCH)

    assert json.loads(again[0].value)["user_attributes"] == {"color": "red"}
    assert [output.role for output in again] == ["enriched", "profiles"]


OTHER = taking(BATCH, user_identities={"customerid": "9"}, device_info=None)
"""It writes, so the index is ahead of Kafka from there on, and what came before is replayed."""


def test_a_replayed_record_uses_no_memo():
    line = Line()
    line.send(OTHER, input_name="converted")
    anonymous = taking(BATCH, user_identities=None, user_attributes=None)
    users = [{**anonymous, "user_identities": {"customerid": one}} for one in "78"]
    lot = [anonymous, *users, anonymous, anonymous, {**OTHER, "user_attributes": {"size": 1}}]

    def mpids() -> list[int]:
        outputs = [line.send(one, input_name="converted", commits=False)[0] for one in lot]
        return [json.loads(output.value)["mpid"] for output in outputs]

    sent = mpids()
    assert line.remembers(anonymous, input_name="converted")
    assert sent[0] != sent[3], "the device is somebody else's now, and so the memo says"
    line.tallies.clear()
    line.start(*line.committed)
    assert mpids() == sent
    line.made.committed()
    assert [tally.recalled for tally in line.tallies] == [0]


def test_a_replayed_record_leaves_no_memo():
    index = MemoryIndex(b"key")
    dead = Line(index=index)
    dead.send(BATCH)
    sent = [dead.send(one, commits=False) for one in (BATCH, BATCH, OTHER)]
    assert dead.remembers(BATCH)
    line = Line(index=index, at=dead.committed)
    assert [line.send(one) for one in (BATCH, BATCH, OTHER)] == sent
    assert not line.remembers(BATCH)
    line.send(BATCH)
    assert line.remembers(BATCH)


def comings(line: Line, users: int) -> Iterator[Tally]:
    """Let users come and change, one after the other; yield what is tallied of each."""
    for n in range(users):
        batch = taking(BATCH, user_identities={"customerid": f"c{n}"}, device_info=None)
        line.send(batch)
        line.send({**batch, "user_attributes": {"color": "blue"}})
        line.send({**batch, "user_attributes": {"color": "blue"}})
        yield line.tallies[-1]


def test_what_caches_take_is_tallied_and_stays_within_the_room_of_each():
    line = Line(room=100_000)
    evicted = {"index": 0, "decisions": 0, "profiles": 0}
    for tally in comings(line, 200):
        assert tally.cache_bytes == {
            "index": line.made._cache.bytes,
            "decisions": line.made._memory.bytes,
            "profiles": line.made._sections.bytes,
        }
        rooms = {"index": 100_000, "decisions": 100_000, "profiles": 100_000 // PART}
        assert all(0 < tally.cache_bytes[name] <= room for name, room in rooms.items())
        assert all(evicted[name] <= n for name, n in tally.evicted.items())
        evicted = tally.evicted
    assert all(n > 20 for n in evicted.values())


def test_nothing_is_evicted_where_there_is_room():
    (*_, tally) = comings(Line(), 50)
    assert tally.evicted == {"index": 0, "decisions": 0, "profiles": 0}


def test_without_room_nothing_is_said_to_be_too_small():
    (*_, tally) = comings(Line(room=0), 5)
    assert (tally.cache_bytes, tally.evicted) == ({}, {})


def test_what_an_earlier_record_of_the_lot_changes_is_seen(line):
    blue = taking(BATCH, user_attributes={"color": "blue"})
    outputs = line.send(BATCH, blue, BATCH, taking(BATCH, user_attributes=None))
    colors = [
        json.loads(o.value)["user_attributes"]["color"] for o in outputs if o.role == "enriched"
    ]
    assert colors == ["red", "blue", "red", "red"]


def users(number: int, **changes) -> list[dict]:
    ids = [{"customerid": f"{user}", "email": f"{user}@example.com"} for user in range(number)]
    return [taking(BATCH, user_identities=one, device_info=None, **changes) for one in ids]


def test_what_is_remembered_of_one_user_does_not_hang_on_the_one_before():
    line, (first, second) = Line(), users(2)
    line.send(first, second)
    line.send(first, second)
    line.send(taking(first, user_attributes={"color": "blue"}))
    assert not line.remembers(first)
    assert line.remembers(second)


def test_a_lot_is_decided_anew_once_however_many_remembered_users_it_changes():
    line = Line()
    line.send(*users(9))
    line.send(*users(9))
    line.send(*users(9, user_attributes={"color": "blue"}), *users(9))
    assert line.tallies[-1].redecisions == 1


STRICT = CONFIG.replace(
    'strategy = "profile_isolation"', 'strategy = "profile_isolation"\nvalidation = "strict"'
)


def test_a_known_batch_is_validated_strictly_each_time():
    line = Line(STRICT)
    value = taking(BATCH, device_info={"ios_idfv": "7d1f4c3e-1111-4222-8333-444444444444"})
    for _ in range(3):
        line.send(value)
    assert line.remembers(value)
    (letter,) = line.send({**value, "unknown": 1})
    assert letter.role == "dead_letters"


def test_a_request_id_that_was_used_makes_a_duplicate_of_a_known_batch(line):
    once = {**BATCH, "source_request_id": "q"}
    assert [o.role for o in line.send(once)] == ["enriched"]
    assert line.send(once) == []


def test_flat_matching_is_remembered_too():
    line, value = Line(), {**BATCH, "user_identities": {"user_id": "7", "email": "e@x.example"}}
    line.send(value, input_name="flat")
    line.send(value, input_name="flat")
    assert line.remembers(value, input_name="flat")


def test_a_known_user_under_flat_matching_writes_nothing():
    line, value = Line(), {**BATCH, "user_identities": {"user_id": "7", "email": "e@x.example"}}
    line.send(value, input_name="flat")
    later = taking(value, events=None, timestamp_unixtime_ms=START + MINUTE)
    outputs = line.send(later, at=START + MINUTE, input_name="flat")
    assert [output.role for output in outputs] == []


def test_no_more_is_remembered_than_there_is_room_for():
    line = Line()
    memory = line.made._memory
    memory._max_bytes = 20_000
    for user in range(40):
        value = taking(BATCH, user_identities={"customerid": str(user)})
        line.send(value)
        line.send(value)
    assert 0 < memory.bytes <= 25_000


def test_whoever_brings_something_new_makes_no_decision_forgotten_that_is_repeated():
    line = Line()
    memory = line.made._memory
    often = [taking(BATCH, user_identities={"customerid": f"often-{n}"}) for n in range(5)]
    for _ in range(3):
        line.send(*often)
    kept = dict(memory._memos)
    memory._max_bytes = memory.bytes + 20_000
    for user in range(60):
        for turn in range(2):
            its = {"customerid": str(user)}
            line.send(taking(BATCH, user_identities=its, user_attributes={"turn": turn}))
        line.send(*often)
    assert len(kept) == len(often)
    assert memory._memos == kept
    assert 0 < len(memory._namings) < 60


@pytest.mark.parametrize(("input_name", "is_new"), [("default", 0), ("default", 1), ("counted", 0)])
def test_what_is_remembered_takes_about_as_much_memory_as_is_counted(input_name, is_new):
    """What is freed where it goes, whether all of a batch is remembered or whom it names."""
    line = Line()
    facts = {f"fact{n}": f"some fact {n}" for n in range(12)}
    said = {f"attribute_{n}": f"value {n}" for n in range(12)}
    memory = line.made._memory

    def send(turn: int) -> None:
        values = users(101, user_attributes={**said, "n": turn * is_new})
        for user, value in enumerate(values):
            value["device_info"] = {"ios_idfv": f"d{user}", **facts}
        line.send(*values[1:], input_name=input_name)  # nobody is called 0

    send(0)
    gc.collect()
    tracemalloc.start()
    try:
        for turn in range(1, 3):
            send(turn)
        held = memory._namings if is_new else memory._memos
        counted = sum(one.cost for one in held.values())
        assert len(held) == 100
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for name in list(held):
            memory._used.discard(name)
            memory._forget(held, name)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.75 <= (before - after) / counted <= 1.25


OTHER_FIELDS = {
    "user_attributes": [{"color": "blue"}, {"color": None, "n": 1.5}, {}, 5, {"x" * 300: 1}],
    "deleted_user_attributes": [["color"], [], "color", [7]],
    "consent_state": [
        {"gdpr": {"ads": {"consented": True}}},
        {"gdpr": {"ads": {"consented": "yes"}}},
        {"gdpr": {"ads": {"timestamp_unixtime_ms": "then"}}},
        {"ccpa": {"other": {"consented": True}}},
        None,
    ],
    "partner_identities": [{"acme": "7"}],
    "events": [
        [{"event_type": "screen_view"}],
        [{"event_type": "no such"}],
        [{"event_type": "custom_event", "data": {"custom_event_type": "odd"}}],
        [
            {
                "event_type": "custom_event",
                "data": {
                    "custom_event_type": "attribution",
                    "custom_attributes": {"publisher": "p"},
                    "timestamp_unixtime_ms": START - HOUR,
                },
            }
        ],
        None,
    ],
    "timestamp_unixtime_ms": [START - 1, "yesterday", None],
    "source_request_id": ["q", 7],
    "system_notifications": [[]],
    "application_info": [{"name": "Shop"}],
    "user_identites": [{"email": "near@example.com"}],
}
"""What a batch may say beside who its user is, sound and odd."""


@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional={n: st.sampled_from(v) for n, v in OTHER_FIELDS.items()}
        ),
        max_size=4,
    )
)
def test_what_a_batch_names_is_remembered_whatever_else_it_says(others):
    line = Line()
    plain = pipeline(MemoryIndex(b"key"), remembers=False)
    assign(plain, 0)
    line.send({**BATCH, "user_attributes": {"n": 1}})
    line.send({**BATCH, "user_attributes": {"n": 2}})
    line.send({**BATCH, "user_attributes": {"n": 3}})
    outputs = [line.send({**BATCH, **other}) for other in others]
    for n in (1, 2, 3):
        plain.process([record_of({**BATCH, "user_attributes": {"n": n}}, n - 1)])
    expected = [plain.process([record_of({**BATCH, **o}, n)]) for n, o in enumerate(others, 3)]
    assert outputs == expected


def record_of(value: dict, offset: int) -> Record:
    data = json.dumps(value).encode()
    return Record("batches", 0, offset, START, b"key", data, (("input", b"default"),))


def resolved(line: Line, *values: dict, at: int = START, input_name: str = "default") -> int:
    """How many of *values* are resolved, and not answered from memory."""
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(naming, "resolve", lambda *a: calls.append(a) or resolve(*a))
        line.send(*values, at=at, input_name=input_name)
    return len(calls)


def counting(n: int, **more) -> dict:
    """A batch that says something new of the same user."""
    return {**taking(BATCH, **more), "user_attributes": {"n": n}}


@pytest.fixture
def named() -> Line:
    """A line that knows whom a batch names, and how that was resolved."""
    made = Line()
    for n in range(2):
        made.send(counting(n))
    return made


def test_of_a_batch_no_more_is_remembered_than_whom_it_names():
    line = Line()
    for n in range(3):
        line.send(counting(n, consent_state={"gdpr": {"ads": {"consented": True}}}))
    (naming,) = line.made._memory._namings.values()
    batch = naming.batch
    assert (batch.fields, batch.user_attributes, batch.consent_state) == ({}, {}, None)


def test_who_brings_something_new_is_not_resolved_again(named):
    assert resolved(named, counting(4)) == 0
    assert resolved(named, counting(5), counting(6), BATCH) == 0


@pytest.mark.parametrize("field", WORDS[:NAMES])
def test_other_words_in_a_field_that_names_the_user_are_resolved(named, field):
    other = {
        "user_identities": {"customerid": "7", "email": "ed@example.com", "other": "x"},
        "device_info": {"ios_idfv": "b", "os": "x"},
        "environment": "development",
        "mpid": 5,
        "mp_deviceid": "d",
    }[field]
    assert resolved(named, counting(4, **{field: other})) == 1


def test_identities_that_are_due_are_renewed(named):
    due = START + HOUR + 1
    value = counting(4, events=None, timestamp_unixtime_ms=due)
    assert resolved(named, counting(5, events=None), at=START + MINUTE) == 0
    assert resolved(named, value, at=due) == 1
    profile = json.loads(named.send(counting(6, events=None), at=due)[-1].value)
    assert {one["updated_ms"] for one in profile["identities"]} == {due}


def test_who_was_given_another_identity_is_resolved_again(named):
    more = counting(4, user_identities={**BATCH["user_identities"], "other": "x"})
    assert resolved(named, more, counting(5)) == 2
    assert [resolved(named, counting(n)) for n in (6, 7)] == [1, 0]


def test_whose_identifier_another_took_is_resolved_again(named):
    taken = {"user_identities": {"customerid": "8", "email": "ed@example.com"}}
    strong = {"user_identities": {"customerid": "8"}}
    named.send(counting(4, **strong), counting(5, **taken))
    modify = {
        "request_type": "modify",
        "environment": "production",
        "mpid": json.loads(named.send(counting(6, **strong))[0].value)["mpid"],
        "identity_changes": [
            {"identity_type": "email", "old_value": None, "new_value": "ed@example.com"}
        ],
    }
    named.send(modify, topic="requests")
    assert resolved(named, counting(7)) == 1


def test_what_is_remembered_of_one_user_is_no_matter_of_the_one_before(line):
    other = taking(BATCH, user_identities={"customerid": "9"}, device_info=None)
    line.send(other)
    line.send(other, taking(BATCH, user_attributes=None))
    line.send(taking(other, user_attributes={"color": "blue"}))
    assert line.remembers(taking(BATCH, user_attributes=None))


@pytest.mark.parametrize(("was", "said"), [(1, True), (1, 1.0), (False, 0), ([1], [True])])
@pytest.mark.parametrize("input_name", ["default", "flat"])
def test_a_value_of_another_type_is_another_one_within_a_millisecond_too(input_name, was, said):
    line, user = Line(), "user_id" if input_name == "flat" else "customerid"
    plain = taking(BATCH, user_identities={user: "7"}, events=None, device_info=None)
    line.send(taking(plain, user_attributes={"n": was}), input_name=input_name)
    value = taking(plain, user_attributes={"n": said}, events=BATCH["events"])
    (enriched, _) = line.send(value, input_name=input_name)
    assert repr(json.loads(enriched.value)["user_attributes"]["n"]) == repr(said)

"""Calculated attributes and audiences in the fold: what counts, what is written and told of it."""

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.identity.profile import Profile
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.journal import FORMAT, pack_entries, unpack_entries
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.work import Settled
from processor.profiles.document import from_json, to_json
from processor.records import Output, Record
from processor.settings import Settings, load_text
from tests.unit.pipeline.stream import Crash, Crasher, Stream

START = 1_767_225_600_000
HOUR = 3_600_000
DAY = 24 * HOUR
CONVERSION = """
strategy = "profile_conversion"
priority = ["customerid", "email", "ios_idfv"]
login_ids = ["customerid", "email"]
unique_ids = ["customerid", "email"]
"""
FLAT = """
strategy = "flat_matching"
[workspaces.shop.identifiers]
customerid = { priority = 1, limit = 9 }
email = { priority = 2, limit = 9 }
"""
CONFIG = """
[kafka.topics]
batches = ["batches"]
requests = ["requests"]
[limits]
activity_resolution_s = 1000000000
%(limits)s
[workspaces.shop]
%(strategy)s
[workspaces.shop.events]
order = { type = "custom_event", name = "Order" }
[workspaces.shop.calculated]
orders = { type = "count", event = "order" }
colors = { type = "unique_list", event = "order", attribute = "color" }
[workspaces.shop.audiences]
buyers = { all = [{ event = "order", within = "7d" }] }
mailable = { all = [{ identity = "email" }], identities = ["email"], attributes = ["orders"] }
[inputs.default]
workspace = "shop"
source = "custom_feed"
[inputs.past]
workspace = "shop"
source = "custom_feed"
compute = false
[inputs.seen]
workspace = "shop"
protection = "read_only"
[inputs.known]
workspace = "shop"
protection = "update_only"
"""


def settings_of(strategy: str = CONVERSION, limits: str = "") -> Settings:
    return load_text(CONFIG % {"strategy": strategy, "limits": limits}, {})


def pipeline_of(settings: Settings, index: MemoryIndex, **parts: Any) -> Pipeline:
    return Pipeline(
        Parts(
            rules=settings.rules(),
            spaces=settings.space_rules(),
            index=index,
            owner="t",
            computed=settings.computed,
            **parts,
        )
    )


def order(**attributes: Any) -> dict[str, Any]:
    data = {"event_name": "Order", "custom_attributes": attributes}
    return {"event_type": "custom_event", "data": data}


class Shop:
    """One processor over an index in memory, one record at a time."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.index = MemoryIndex()
        self.made = pipeline_of(settings or settings_of(), self.index)
        self.made.assign([Assignment(t, 0, t, None, "") for t in ("batches", "requests")], [])
        self._offset = 0

    def batch(self, *events: Any, at: int = 0, input: str = "default", **fields: Any) -> Settled:  # noqa: A002
        value = {"environment": "production", "events": list(events), **fields}
        return self._take("batches", value, at, input)

    def request(self, kind: str, at: int = 0, **identities: str) -> Settled:
        value = {"environment": "production", "known_identities": identities, "request_type": kind}
        return self._take("requests", value, at, "default")

    def _take(self, topic: str, value: dict[str, Any], at: int, name: str) -> Settled:
        headers = (("input", name.encode()),)
        data = json.dumps(value).encode()
        record = Record(topic, 0, self._offset, START + at, None, data, headers)
        self._offset += 1
        (settled,) = self.made.settle([record])
        self.made.committed()
        return settled

    def profile(self, settled: Settled) -> Profile:
        return next(p for p in self.index.profiles() if p.mpid == settled.outcome.mpid)


def values(shop: Shop, settled: Settled) -> dict[str, Any]:
    computed = shop.profile(settled).workspaces["shop"].more.computed
    return {} if computed is None else computed.calculated


def told(settled: Settled) -> list[str]:
    found = [json.loads(one.value or b"") for one in settled.audience_changes]
    return [f"{one['change']} {one['audience']} {one['reason']}" for one in found]


def body(settled: Settled) -> dict[str, Any]:
    assert settled.output is not None
    return json.loads(settled.output.value or b"")


def test_the_batch_that_changes_a_value_shows_it_and_the_memberships():
    shop = Shop()
    first = shop.batch(
        order(color="red"), order(color="blue"), user_identities={"customer_id": "A"}
    )
    assert body(first)["user_attributes"] == {"orders": 2, "colors": ["blue", "red"]}
    assert body(first)["audience_memberships"] == [
        {
            "audience_name": "buyers",
            "entered_timestamp_ms": START,
            "expiration_timestamp_ms": START + 7 * DAY,
        }
    ]


def test_a_flip_is_told_under_the_profile_key_with_its_place_and_version():
    shop = Shop()
    settled = shop.batch(order(), user_identities={"customer_id": "A"})
    (message,) = settled.audience_changes
    mpid = settled.outcome.mpid
    assert message.role == "audience_changes"
    assert message.key == f"shop/production/{mpid}".encode()
    assert dict(message.headers) == {
        "source-topic": b"batches",
        "source-partition": b"0",
        "source-offset": b"0",
        "mpid": str(mpid).encode(),
        "workspace": b"shop",
        "audience": b"buyers",
        "change": b"entered",
    }
    assert json.loads(message.value or b"") == {
        "change": "entered",
        "audience": "buyers",
        "mpid": str(mpid),
        "version": 1,
        "workspace": "shop",
        "environment": "production",
        "timestamp_ms": START,
        "reason": "record",
        "definition_version": 1,
        "expires_ms": START + 7 * DAY,
        "user_identities": [],
        "user_attributes": {},
        "cause": {"topic": "batches", "partition": 0, "offset": 0, "request_id": None},
    }


def test_a_batch_of_a_known_user_without_such_events_writes_nothing():
    shop = Shop()
    shop.batch(order(), user_identities={"customer_id": "A"})
    again = shop.batch(
        {"event_type": "session_start", "data": {}}, user_identities={"customer_id": "A"}
    )
    assert again.profiles == ()
    assert body(again)["user_attributes"] == {"orders": 1}


@pytest.mark.parametrize("name", ["past", "seen"])
def test_events_of_inputs_that_do_not_compute_count_for_nothing(name):
    shop = Shop()
    first = shop.batch(user_identities={"customer_id": "A"})
    shop.batch(order(), input=name, user_identities={"customer_id": "A"})
    assert values(shop, first) == {}


def test_a_duplicate_and_a_dropped_batch_count_for_nothing():
    shop = Shop()
    first = shop.batch(order(), user_identities={"customer_id": "A"}, source_request_id="r")
    again = shop.batch(order(), user_identities={"customer_id": "A"}, source_request_id="r")
    gone = shop.batch(order(), input="known", user_identities={"customer_id": "B"})
    assert (again.outcome.name, gone.outcome.name) == ("duplicate", "dropped")
    assert told(again) == told(gone) == []
    assert values(shop, first) == {"orders": 1}


def test_an_identity_request_evaluates_too():
    shop = Shop()
    assert told(shop.request("identify", customerid="A", email="a@x.example")) == [
        "entered mailable record"
    ]


def test_a_request_that_only_asks_changes_nothing_that_is_computed():
    shop = Shop()
    shop.batch(order(), user_identities={"customer_id": "A"})
    asked = shop.request("search", at=8 * DAY, customerid="A")
    assert told(asked) == []
    assert asked.profiles == ()


def test_whoever_loses_an_identity_to_another_is_evaluated_in_the_same_record():
    move = CONVERSION + 'unique_conflict = "move"'
    shop = Shop(settings_of(move))
    first = shop.batch(user_identities={"customer_id": "A", "email": "a@x.example"})
    assert told(first) == ["entered mailable record"]
    shop.batch(user_identities={"customer_id": "B"})
    other = shop.batch(user_identities={"customer_id": "B", "email": "a@x.example"})
    found = {
        json.loads(m.value or b"")["mpid"]: json.loads(m.value or b"")["change"]
        for m in other.audience_changes
    }
    assert found == {str(other.outcome.mpid): "entered", str(first.outcome.mpid): "left"}


def test_a_merge_joins_states_and_tells_who_was_absorbed():
    shop = Shop(settings_of(FLAT))
    first = shop.batch(order(color="red"), user_identities={"customerid": "A"})
    second = shop.batch(order(color="blue"), at=HOUR, user_identities={"email": "a@x.example"})
    merged = shop.batch(
        order(color="green"),
        at=2 * HOUR,
        user_identities={"customerid": "A", "email": "a@x.example"},
    )
    assert merged.outcome.mpid == first.outcome.mpid
    assert values(shop, merged) == {"orders": 3, "colors": ["blue", "green", "red"]}
    assert told(merged) == ["left buyers merge", "left mailable merge", "entered mailable merge"]
    left = [json.loads(one.value or b"") for one in merged.audience_changes[:2]]
    assert {one["mpid"] for one in left} == {str(second.outcome.mpid)}
    assert left[1]["user_identities"] == [{"identity_type": "email", "identity": "a@x.example"}]


def test_what_is_computed_yields_to_attributes_and_members_then_leave():
    shop = Shop(settings_of(limits="max_profile_bytes = 6000"))
    long = [f"{n:03}" + "x" * 80 for n in range(8)]
    shop.batch(*(order(color=one) for one in long), user_identities={"customer_id": "A"})
    full = shop.batch(
        user_identities={"customer_id": "A"}, user_attributes=dict.fromkeys("ab", "y" * 2650)
    )
    document = shop.profile(full)
    assert document.workspaces["shop"].attributes.keys() == {"a", "b"}
    assert len(to_json(document)) <= 6000
    assert told(full) == ["left buyers record"]


def test_who_leaves_because_there_is_no_room_is_told_within_the_bounds_of_messages():
    carrying = CONFIG.replace('attributes = ["orders"]', 'attributes = ["p", "q"]')
    limits = {"strategy": CONVERSION, "limits": "max_profile_bytes = 12000"}
    shop = Shop(load_text(carrying % limits, {}))
    who = {"customer_id": "A", "email": "a@x.example"}
    long = [f"{n:03}" + "x" * 80 for n in range(8)]
    notes = dict.fromkeys("pq", "n" * 2500)
    shop.batch(*(order(color=c) for c in long), user_identities=who, user_attributes=notes)
    full = shop.batch(user_identities=who, user_attributes=dict.fromkeys("ab", "y" * 2900))
    left = {m["audience"]: m for m in (json.loads(o.value or b"") for o in full.audience_changes)}
    assert [one["change"] for one in left.values()] == ["left", "left"]
    assert not left["mailable"]["user_identities"]
    assert not left["mailable"]["user_attributes"]


def test_what_was_computed_yields_to_attributes_where_nothing_is_defined_any_more():
    settings = settings_of(limits="max_profile_bytes = 6000")
    shop = Shop(settings)
    long = [f"{n:03}" + "x" * 80 for n in range(8)]
    shop.batch(*(order(color=one) for one in long), user_identities={"customer_id": "A"})
    other = Shop(replace(settings, computed={}))
    other.index.load(shop.index.profiles(), {"shop": {"customerid", "email"}.__contains__})
    full = other.batch(
        user_identities={"customer_id": "A"}, user_attributes=dict.fromkeys("ab", "y" * 2650)
    )
    document = other.profile(full)
    assert document.workspaces["shop"].attributes.keys() == {"a", "b"}
    assert len(to_json(document)) <= 6000


def test_hidden_writes_are_kept_underneath_and_counted():
    tallies = []
    settings, index = settings_of(), MemoryIndex()
    made = pipeline_of(settings, index, counted=tallies.append)
    made.assign([Assignment(t, 0, t, None, "") for t in ("batches", "requests")], [])
    value = {
        "events": [order()],
        "user_identities": {"customer_id": "A"},
        "user_attributes": {"orders": 99},
    }
    data = json.dumps({"environment": "production", **value}).encode()
    (settled,) = made.settle([Record("batches", 0, 0, START, None, data)])
    made.committed()
    assert body(settled)["user_attributes"] == {"orders": 1}
    (profile,) = index.profiles()
    assert profile.workspaces["shop"].attributes["orders"].value == 99
    assert tallies[-1].hidden == {("shop",): 1}
    assert tallies[-1].computed_writes == {("shop", "order"): 1}


@pytest.mark.parametrize(("one", "other"), [(1, True), (True, 1), ([1], [True])])
def test_a_one_that_becomes_true_is_another_value(one, other):
    audience = 'yes = { all = [{ attribute = "a", op = "equals", value = true }] }'
    config = CONFIG.replace("buyers = {", f"{audience}\nbuyers = {{")
    shop = Shop(load_text(config % {"strategy": CONVERSION, "limits": ""}, {}))
    found = []
    for at, value in enumerate((one, other)):
        who = {"customer_id": "c"}
        settled = shop.batch(order(), at=at, user_identities=who, user_attributes={"a": value})
        found.append([said for said in told(settled) if " yes " in said])
    was_true = one is True
    assert found == [
        ["entered yes record"] if was_true else [],
        ["left yes record"] if was_true else ["entered yes record"],
    ]


def test_a_journal_of_the_release_before_is_read():
    old = [7, "forwarded", None, 5, None, [], [], None, 0, 3]
    chunk = FORMAT + msgspec.msgpack.encode([old])
    (read,) = unpack_entries(9, chunk)
    assert (read.offset, read.messages) == (7, ())
    assert unpack_entries(9, pack_entries([read])) == (read,)


steps = st.fixed_dictionaries(
    {
        "who": st.sampled_from(
            [
                {"customerid": "A"},
                {"email": "a@x"},
                {"customerid": "A", "email": "a@x"},
                {"customerid": "B"},
            ]
        ),
        "events": st.lists(st.sampled_from(["red", "blue"]), max_size=2),
        "pause": st.sampled_from([0, HOUR, 3 * DAY, 8 * DAY]),
        "attributes": st.sampled_from([{}, {"orders": 5}, {"x": 1}]),
    }
)
histories = st.lists(steps, min_size=1, max_size=12)


def stream_of(history: list[dict[str, Any]]) -> Stream:
    now, made = START, []
    for number, one in enumerate(history):
        now += one["pause"]
        value = {
            "environment": "production",
            "user_identities": one["who"],
            "user_attributes": one["attributes"],
            "events": [order(color=color) for color in one["events"]],
        }
        made.append(Record("batches", 0, number, now, None, json.dumps(value).encode()))
    return Stream({("batches", 0): made})


def documents(index: MemoryIndex) -> list[bytes]:
    return [to_json(profile) for profile in index.profiles()]


def messages(stream: Stream) -> list[Output]:
    return [output for output in stream.published if output.role == "audience_changes"]


@given(
    histories,
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.sampled_from([FLAT, CONVERSION]),
)
def test_where_poll_batches_are_cut_changes_nothing_that_is_computed_or_told(
    history, cuts, strategy
):
    settings, one_by_one, cut = settings_of(strategy), MemoryIndex(), MemoryIndex()
    whole = stream_of(history)
    whole.run(pipeline_of(settings, one_by_one), [1], 1)
    other = stream_of(history)
    other.run(pipeline_of(settings, cut), cuts, 2)
    assert documents(cut) == documents(one_by_one)
    assert messages(other) == messages(whole)


@given(histories, st.integers(1, 30), st.sampled_from([FLAT, CONVERSION]))
def test_a_crash_anywhere_tells_every_flip_once_and_as_it_was(history, crash_at, strategy):
    settings, calm, index = settings_of(strategy), MemoryIndex(), MemoryIndex()
    whole = stream_of(history)
    whole.run(pipeline_of(settings, calm), [2], 2)
    stream, crasher = stream_of(history), Crasher(at=crash_at)
    try:
        stream.run(pipeline_of(settings, index, reach=crasher.reach), [2], 2, crasher.reach)
    except Crash:
        stream.run(pipeline_of(settings, index), [2], 2)
    assert documents(index) == documents(calm)
    assert Counter(messages(stream)) == Counter(messages(whole))


@given(histories)
def test_documents_come_back_from_their_topic_as_they_are_stored(history):
    index, stream = MemoryIndex(), stream_of(history)
    stream.run(pipeline_of(settings_of(), index), [3], 1)
    latest: dict[bytes, bytes] = {}
    for output in stream.published:
        if output.role == "profiles":
            latest[output.key or b""] = output.value or b""
    assert sorted(map(from_json, latest.values()), key=lambda p: p.mpid) == list(index.profiles())


def test_a_configuration_without_definitions_stores_nothing_of_it():
    settings = settings_of()
    shop = Shop(replace(settings, computed={}))
    settled = shop.batch(order(), user_identities={"customer_id": "A"})
    told = json.loads(settled.profiles[0].value or b"")
    assert told.keys().isdisjoint({"clock_ms", "due_ms", "stamp"})
    assert told["workspaces"] == {}
    assert "audience_memberships" not in body(settled)

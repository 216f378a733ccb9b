"""Alias requests as records: answered, told under both profiles, and decided once."""

import json

import msgspec
import pytest
from msgspec.structs import replace

from processor.codecs.batch import decode_batch
from processor.codecs.envelope import open_object
from processor.identity.alias import LATE_MS
from processor.identity.change import Change
from processor.identity.model import Identifier
from processor.identity.types import STANDARD_KEYS
from processor.index.memory import MemoryIndex
from processor.pipeline.journal import FORMAT, unpack_entries
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import Record
from processor.rules import Limits
from processor.settings import load_text
from tests.unit.pipeline.aliases import DAY, LINK, NOW, ON_LINK, PLAIN, Play, request
from tests.unit.pipeline.stream import Crash, Crasher, Stream


def test_an_alias_is_told_once_under_each_profile_with_the_token_of_its_device():
    play = Play()
    source, destination = play.person(ios_idfv="D"), play.person(customerid="A")
    body = play.alias(source, destination, scope="device", device_application_stamp="das-1")
    at = NOW + 2 * DAY
    assert body["status"] == 202
    assert body["alias"] == {
        "outcome": "applied",
        "reason": None,
        "source_mpid": source,
        "destination_mpid": destination,
        "start_unixtime_ms": at - 90 * DAY,
        "end_unixtime_ms": at,
        "scope": "device",
        "device_application_stamp": "das-1",
        "effective_ms": at + LATE_MS,
    }
    token = play.index.token(Identifier("device_application_stamp", "das-1")).hex()
    told = {change["role"]: change for change in play.changes()}
    assert [change["mpid"] for change in play.changes()] == [source, destination]
    for role, mpid in (("source", source), ("destination", destination)):
        change = told[role]
        assert (change["change"], change["mpid"], change["version"]) == ("profile_aliased", mpid, 2)
        assert (change["source"], change["destination"]) == (source, destination)
        assert (change["start_ms"], change["end_ms"]) == (at - 90 * DAY, at)
        assert (change["scope"], change["device"]) == ("device", token)
        assert (change["effective_ms"], change["timestamp_ms"]) == (at + LATE_MS, at)
        assert "das-1" not in json.dumps(change)
    keys = [output.key.decode() for output in play.settled.changes]
    assert keys == [f"retail/production/{mpid}" for mpid in (source, destination)]
    assert play.settled.outcome.name == "answered"
    assert play.tallies[-1].aliases == {("applied", ""): 1}
    assert play.tallies[-1].decisions == {("profile_link", "aliased"): 1}


def test_of_several_aliases_only_the_new_one_is_told():
    play = Play()
    source, user = play.person(ios_idfv="D"), play.person(customerid="A")
    for end in (NOW + 1, NOW + 2):
        play.alias(source, user, start_unixtime_ms=end - 1, end_unixtime_ms=end)
        assert [change["end_ms"] for change in play.changes()] == [end, end]


def test_an_alias_that_is_ignored_is_counted_by_its_reason():
    play = Play()
    source, destination = play.person(ios_idfv="D"), play.person(customerid="A")
    play.alias(source, destination, start_unixtime_ms=NOW, end_unixtime_ms=NOW)
    assert play.settled.outcome.reason is None
    assert play.changes() == []
    assert play.tallies[-1].aliases == {("ignored", "empty_window"): 1}


def test_a_list_that_is_full_is_a_violation_of_whose_it_is():
    play = Play("[limits]\nmax_aliases = 1\n" + PLAIN)
    first, second = play.person(ios_idfv="D"), play.person(ios_idfv="E")
    user = play.person(customerid="A")
    play.alias(first, user)
    assert play.alias(second, user)["alias"]["reason"] == "bound"
    (change,) = play.changes()
    assert (change["change"], change["reason"], change["mpid"]) == ("violation", "bound", user)
    assert change["version"] == 2


@pytest.mark.parametrize("envelope", ["documented", "both"])
def test_an_error_has_the_flat_form_that_sdks_read_only_where_both_are_asked_for(envelope):
    play = Play(LINK.format(more=f'error_envelope = "{envelope}"'))
    body = play.alias("1", "2")
    assert body["status"] == 400
    assert body["errors"][0]["code"] == "INVALID_DATA"
    assert play.settled.outcome.reason == "INVALID_DATA"
    assert ("code" in body) == ("message" in body) == (envelope == "both")
    broken = play.alias(None, "2")
    assert (broken.get("code") == "INVALID_DATA") == (envelope == "both")
    login = play.say(request("login", known_identities={}))
    assert "code" not in login


def test_a_strategy_without_aliasing_forbids_it_before_anything_else_is_looked_at():
    play = Play(PLAIN.replace("profile_link", "profile_isolation"))
    for data in ({}, {"source_mpid": 1, "destination_mpid": 2}):
        assert play.say(request("alias", data=data))["status"] == 403
    assert play.say({"request_type": "alias"})["errors"][0]["code"] == "FORBIDDEN"


def test_a_read_only_input_writes_nothing_and_an_update_only_one_does():
    play = Play()
    source, destination = play.person(ios_idfv="D"), play.person(customerid="A")
    assert play.alias(source, destination, through="trial")["alias"]["outcome"] == "applied"
    assert play.changes() == []
    assert not play.tallies[-1].aliases
    play.alias(source, destination, through="careful")
    assert len(play.changes()) == 2


def test_a_profile_of_the_other_environment_does_not_exist():
    play = Play()
    source, destination = play.person(ios_idfv="D"), play.person(customerid="A")
    data = {"source_mpid": source, "destination_mpid": destination}
    other = {**request("alias", data=data), "environment": "development"}
    assert play.say(other)["status"] == 400


BATCH = {
    "environment": "production",
    "user_identities": {"customer_id": "A"},
    "device_info": {"ios_idfv": "D"},
    "mp_deviceid": "das-1",
    "events": [],
}


def test_a_batch_that_links_aliases_too_after_the_link():
    play = Play(ON_LINK)
    source = play.person(ios_idfv="D")
    play.say(BATCH, topic="event-batches")
    kinds = [change["change"] for change in play.changes()]
    assert kinds[-3:] == ["profile_linked", "profile_aliased", "profile_aliased"]
    window = {(c["start_ms"], c["end_ms"], c["scope"]) for c in play.changes() if "role" in c}
    assert window == {(NOW, NOW + DAY, "device")}
    assert {c["source"] for c in play.changes() if "source" in c} == {source}
    assert play.tallies[-1].aliases == {("applied", ""): 1}


def test_without_the_setting_a_link_is_a_link_and_nothing_else():
    play = Play()
    play.person(ios_idfv="D")
    play.say(BATCH, topic="event-batches")
    kinds = [change["change"] for change in play.changes()]
    assert "profile_linked" in kinds
    assert "profile_aliased" not in kinds


def test_a_link_that_the_chain_rules_do_not_let_through_stands_without_its_alias():
    play = Play(ON_LINK)
    source, user = play.person(ios_idfv="D"), play.person(customerid="B")
    play.alias(user, source)  # the anonymous profile is a destination now
    play.say(BATCH, topic="event-batches")
    kinds = [change["change"] for change in play.changes()]
    assert "profile_linked" in kinds
    assert "profile_aliased" not in kinds


# ---- where an install came from --------------------------------------------------------------


def install(publisher, name="attribution", kind="attribution", **data):
    attributes = {"publisher": publisher, "campaign": "c"}
    return {
        "event_type": "custom_event",
        "data": {
            "event_name": name,
            "custom_event_type": kind,
            "custom_attributes": attributes,
            **data,
        },
    }


def attribution_of(*events):
    value = json.dumps({"environment": "production", "events": events}).encode()
    return decode_batch(value, STANDARD_KEYS, Limits(), open_object).attribution


def test_the_event_attribution_says_where_an_install_came_from():
    said = attribution_of(install("a"), install("b", timestamp_unixtime_ms=7))
    assert (said.publisher, said.campaign, said.service_provider, said.time_ms) == (
        "b",
        "c",
        None,
        7,
    )


@pytest.mark.parametrize("time", [-1, 10**30, 1e300, True, [], "soon", None])
def test_a_time_of_an_attribution_that_is_none_leaves_that_of_the_batch(time):
    play = Play()
    events = [
        install("a", timestamp_unixtime_ms=time),
        7,
        {"event_type": "custom_event", "data": 1},
    ]
    known = {"environment": "production", "user_identities": {"customer_id": "A"}}
    play.say({**known, "events": events[:1]}, topic="event-batches")
    if play.settled.outcome.name == "forwarded":
        (profile,) = play.index.profiles()
        assert 0 <= profile.workspaces["retail"].more.attribution.time_ms < 2**63
    play.say({**known, "events": events}, topic="event-batches")


def test_other_events_say_nothing_of_it():
    assert attribution_of(install("a", name="re-engagement")) is None
    assert attribution_of(install("a", kind="other")) is None
    assert attribution_of(install(None, custom_attributes={"publisher": 7})) is None
    assert attribution_of(install("a", custom_attributes=["attribution"])) is None


def test_a_name_that_is_spelled_with_escapes_is_that_name():
    escaped = json.dumps({"events": [install("a")]}).replace("attribution", "\\u0061ttribution")
    batch = decode_batch(escaped.encode(), STANDARD_KEYS, Limits(), open_object)
    assert batch.attribution is not None


def test_an_alias_hands_the_install_attribution_of_its_workspace_on():
    play = Play()
    events = [install("network", timestamp_unixtime_ms=NOW)]
    anonymous = {"environment": "production", "device_info": {"ios_idfv": "D"}, "events": events}
    source = str(play.say(anonymous, topic="event-batches")["mpid"])
    destination = play.person(customerid="A")
    play.alias(source, destination)
    profiles = {str(p.mpid): p for p in play.index.profiles()}
    told = profiles[destination].workspaces["retail"].more.attribution
    assert (told.publisher, told.time_ms) == ("network", NOW)


def test_a_known_user_whose_batches_are_remembered_is_attributed_all_the_same():
    play = Play(remembers=True)
    known = {"environment": "production", "user_identities": {"customer_id": "A"}, "events": []}
    known["timestamp_unixtime_ms"] = NOW  # or activity would be written
    for _ in range(3):
        play.say(known, topic="event-batches")
    for publisher in ("first", "second"):
        events = [install(publisher, timestamp_unixtime_ms=NOW)]
        play.say({**known, "events": events}, topic="event-batches")
        (profile,) = play.index.profiles()
        assert profile.workspaces["retail"].more.attribution.publisher == publisher


# ---- decided once --------------------------------------------------------------------------------


def batch(mpid, **known):
    return "event-batches", {"environment": "production", "mpid": mpid, **known}


def alias(source, destination):
    data = {"source_mpid": source, "destination_mpid": destination}
    return "identity-requests", request("alias", data=data)


LOGIN = request("login", known_identities={"customerid": "B", "ios_idfv": "E"})
SEARCH = ("identity-requests", request("search", known_identities={"customerid": "A"}))
HISTORY = [
    *[SEARCH] * 3,  # requests and batches are taken in turn
    batch(11, device_info={"ios_idfv": "D"}),
    batch(12, user_identities={"customer_id": "A"}),
    batch(13, device_info={"ios_idfv": "E"}),
    alias(11, 12),
    alias(12, 11),
    ("identity-requests", LOGIN),
    alias(11, 12),
]


def stream():
    """Return the history as a stream of two topics."""
    records = {("event-batches", 0): [], ("identity-requests", 0): []}
    for number, (topic, value) in enumerate(HISTORY):
        its, at = records[topic, 0], NOW + number
        its.append(Record(topic, 0, len(its), at, None, json.dumps(value).encode()))
    return Stream(records)


def test_wherever_the_process_dies_an_alias_is_applied_and_told_once():
    settings = load_text(ON_LINK, {})
    at, passed = 0, 1
    while at < passed:
        at += 1
        index, played, crasher = MemoryIndex(), stream(), Crasher(at)
        while True:
            parts = Parts(
                settings.rules(),
                settings.space_rules(),
                index,
                "test",
                reach=crasher.reach,
                with_outcomes=True,
            )
            try:
                played.run(Pipeline(parts), [6, 1], 2, crasher.reach)
            except Crash:
                passed, crasher.at = passed + 1, None
                continue
            break
        changes = [json.loads(o.value) for o in played.published if o.role == "changes"]
        told = [(c["mpid"], c["role"]) for c in changes if c["change"] == "profile_aliased"]
        assert len(told) == len(set(told)) == 4
        assert len([o for o in played.published if o.role == "outcomes"]) == len(HISTORY)
        assert sorted(len(p.more.aliases) for p in index.profiles()) == [1, 1, 1, 1]
    assert at > 5


def test_changes_of_a_journal_from_before_aliases_are_read():
    change = Change("profile_linked", 1, 2, source=3)
    old = list(msgspec.structs.astuple(change))[:-1]
    entry = [5, "answered", None, 1, None, [old], [[1, 2]], None, 0, 9]
    (read,) = unpack_entries(1, FORMAT + msgspec.msgpack.encode([entry]))
    assert read.changes == (replace(change, alias=None),)

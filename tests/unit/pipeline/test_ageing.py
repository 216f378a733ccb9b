"""Lifetimes, as profiles see them that producers name, modify and replay."""

import json
import random
from io import BytesIO

import pytest

from processor.clock.bucket import bucket_of
from processor.clock.wheel import Entry
from processor.commands.offline.resolve import resolve
from processor.identity.grave import Grave
from processor.identity.model import Identifier, IdentityPolicy, Space
from processor.identity.profile import Identity, More, Profile
from processor.identity.view import ReadSet, Unread
from processor.index.port import Reading
from processor.pipeline import sweeping
from processor.pipeline.ageing import ageing_of
from processor.pipeline.sweeping import Sweep, SweepWork, sweep
from processor.pipeline.timing import TimeRules
from processor.records import Record
from processor.rules import Lifetimes, Limits
from processor.settings.load import load_offline

START = 1_767_225_600_000
DAY = 86_400_000
SPACE = Space("retail", "production")
AGEING = """
[workspaces.retail]
strategy = "profile_conversion"
priority = ["customerid", "ios_idfv"]
login_ids = ["customerid"]
unique_ids = ["customerid"]
retention = { anonymous_days = 30 }
[inputs.default]
workspace = "retail"
[inputs.careful]
workspace = "retail"
protection = "update_only"
"""
MERGING = """
[workspaces.retail]
strategy = "flat_matching"
retention = { anonymous_days = 30 }
[workspaces.retail.identifiers]
email = { limit = 2 }
ios_idfv = { limit = 2 }
[inputs.default]
workspace = "retail"
"""
LEAVING = f"""{AGEING}
[workspaces.retail.events.e]
type = "custom_event"
[workspaces.retail.calculated.last]
type = "last_timestamp"
event = "e"
within = "20d"
[workspaces.retail.audiences.silent]
all = [{{ not = {{ event = "e", within = "10d" }} }}]
attributes = ["last"]
[workspaces.retail.audiences.late]
all = [{{ not = {{ event = "e", within = "35d" }} }}]
"""
EVENT = {"event_type": "custom_event", "data": {"event_name": "e", "custom_event_type": "other"}}


def batch(day, through="default", **fields):
    value = {"environment": "production", "events": [EVENT], **fields}
    at = int(START + day * DAY)
    return {"topic": "batches", "timestamp_ms": at, "input": through, "value": value}


def request(day, kind, **fields):
    value = {"environment": "production", "request_type": kind, **fields}
    return {"topic": "requests", "timestamp_ms": int(START + day * DAY), "value": value}


def clock(day):
    return {"topic": "clock", "timestamp_ms": int(START + day * DAY)}


def played(*lines, text=AGEING, tmp_path, before=None):
    """Play lines one after the other; a function makes a line of the answers so far."""
    answers = []
    dump = tmp_path / "dump.jsonl"

    def source():
        for one in lines:
            said = one(answers) if callable(one) else one
            yield json.dumps(said).encode()
            answers.append(json.loads(sink.getvalue()))
            sink.seek(0)
            sink.truncate()

    sink = BytesIO()
    config = tmp_path / "case.toml"
    config.write_text(text)
    resolve(load_offline(config, {}), source(), sink, profiles=before, dump=dump)
    return answers, [json.loads(line) for line in dump.read_text().splitlines()]


def test_a_named_mpid_lives_again_above_all_versions_of_before(tmp_path):
    device = {"ios_idfv": "D"}
    (first, aged, careful, again, _), (document,) = played(
        batch(0, device_info=device, user_attributes={"k": "v"}),
        clock(33),
        lambda told: batch(34, "careful", mpid=int(told[0]["mpid"])),
        lambda told: batch(34, mpid=int(told[0]["mpid"]), device_info=device),
        clock(60),
        tmp_path=tmp_path,
    )
    assert [one["change"] for one in aged["changes"]] == ["profile_erased"]
    assert aged["changes"][0]["reason"] == "aged_out"
    assert aged["changes"][0]["timestamp_ms"] == START + 30 * DAY
    assert aged["written"] == [{"mpid": first["mpid"], "version": 2}]
    assert (careful["outcome"], careful["reason"]) == ("dropped", "unknown_mpid")
    assert again["mpid"] == first["mpid"]
    assert again["value"]["user_attributes"] == {}
    assert again["changes"][0]["change"] == "profile_created"
    assert document["version"] == START + 34 * DAY


def test_who_loses_the_last_login_id_has_the_anonymous_lifetime(tmp_path):
    known = {"customerid": "A", "ios_idfv": "D"}
    change = {"identity_type": "customerid", "old_value": "A", "new_value": None}
    (first, _, early, late), left = played(
        request(0, "identify", known_identities=known),
        lambda told: request(5, "modify", mpid=told[0]["mpid"], identity_changes=[change]),
        clock(34),
        clock(35),
        tmp_path=tmp_path,
    )
    assert early["changes"] == []
    assert [one["mpid"] for one in late["changes"]] == [first["mpid"]]
    assert left == []


def test_who_was_emptied_ends_at_a_recompute_where_identities_are_kept_no_more(tmp_path):
    keeping = AGEING.replace("retention =", "keep_identity_record = true\nretention =")
    (_, empty), _ = played(
        request(0, "identify", known_identities={"ios_idfv": "D"}),
        clock(30),
        text=keeping,
        tmp_path=tmp_path,
    )
    before = (tmp_path / "dump.jsonl").rename(tmp_path / "before.jsonl")
    assert [one["change"] for one in empty["changes"]] == ["profile_emptied"]
    everybody = {"topic": "clock", "timestamp_ms": START + 40 * DAY, "value": {"all": True}}

    (still,), kept = played(everybody, text=keeping, tmp_path=tmp_path, before=before)
    assert (still["changes"], len(kept)) == ([], 1)
    (ended,), gone = played(everybody, tmp_path=tmp_path, before=before)
    assert [one["change"] for one in ended["changes"]] == ["profile_erased"]
    assert gone == []


def test_what_is_told_of_an_end_does_not_depend_on_how_many_sweeps_led_to_it(tmp_path):
    person = batch(0, device_info={"ios_idfv": "v"})
    found = []
    for name, sweeps in {"one": [40], "two": [15, 40], "each": range(41)}.items():
        (tmp_path / name).mkdir()
        lines, _ = played(person, *map(clock, sweeps), text=LEAVING, tmp_path=tmp_path / name)
        told = [one for line in lines for one in line["audience_changes"]]
        assert {one["audience"] for one in told} == {"silent"}, "the end came before the other"
        fields = ("change", "timestamp_ms", "reason", "user_attributes")
        found.append([tuple(one[field] for field in fields) for one in told])
    assert found[0] == found[1] == found[2]
    entered, left = found[0]
    assert entered[:3] == ("entered", START + 10 * DAY, "time")
    assert left == ("left", START + 30 * DAY, "aged_out", {})  # its window ran empty before the end


def test_an_alias_starts_the_lifetimes_of_both_sides_again(tmp_path):
    answers, left = played(
        request(0, "identify", known_identities={"ios_idfv": "D"}),
        request(0, "identify", known_identities={"ios_idfv": "E"}),
        lambda told: request(
            20,
            "alias",
            data={"source_mpid": told[0]["mpid"], "destination_mpid": told[1]["mpid"]},
        ),
        clock(49),
        clock(50),
        tmp_path=tmp_path,
    )
    assert answers[3]["changes"] == []
    assert len(answers[4]["changes"]) == 2
    assert left == []


def test_a_record_that_waited_and_merges_takes_nothing_from_the_lifetime_of_either(tmp_path):
    answers, _ = played(
        batch(0, device_info={"ios_idfv": "D"}),
        batch(10, user_identities={"email": "E"}),
        batch(5, device_info={"ios_idfv": "D"}, user_identities={"email": "E"}),
        clock(39.9),
        clock(40),
        text=MERGING,
        tmp_path=tmp_path,
    )
    assert answers[3]["changes"] == []
    assert len(answers[4]["changes"]) == 2  # the pointer goes too


def test_in_whatever_order_receipts_are_decided_and_people_merge_the_latest_counts(tmp_path):
    """Somebody is all whom records have named together; the model knows of receipts alone."""
    chance, records, groups = random.Random(5), [], 60
    for group in range(groups):
        names = [f"p{group}-{n}" for n in range(4)]
        records += [
            (chance.random() * 20, chance.sample(names, chance.choice([1, 1, 2])))
            for _ in range(chance.randrange(2, 9))
        ]
    chance.shuffle(records)
    latest: dict[frozenset[str], float] = {}
    for day, named in records:
        met = [one for one in latest if not one.isdisjoint(named)]
        whole = frozenset(named).union(*met)
        latest[whole] = max([day, *[latest.pop(one) for one in met]])
    answers, left = played(
        *(batch(day, user_identities={"email": named}) for day, named in records),
        clock(60),
        text=MERGING.replace("email = { limit = 2 }", "email = { limit = 9 }"),
        tmp_path=tmp_path,
    )
    ends = [one for one in answers[-1]["changes"] if one["change"] == "profile_erased"]
    survivors = {one["mpid"] for one in ends} - {
        mpid for told in answers for one in told["changes"] for mpid in one.get("absorbed", ())
    }
    ended = sorted((one["timestamp_ms"] - START) / DAY for one in ends if one["mpid"] in survivors)
    assert left == []
    assert len(ended) == len(latest) < len(ends)
    for at, day in zip(ended, sorted(latest.values()), strict=True):
        assert day + 30 - 1 / 24 <= at + 1e-6 <= day + 30 + 1e-5


def test_who_was_there_before_lifetimes_loses_nothing_to_a_record_that_waited(tmp_path):
    text = AGEING.replace("retention = { anonymous_days = 30 }", "")
    device = {"ios_idfv": "D"}
    played(batch(1, device_info=device), text=text, tmp_path=tmp_path)
    before = (tmp_path / "dump.jsonl").rename(tmp_path / "before.jsonl")
    answers, left = played(
        batch(0, device_info=device), clock(30), clock(31), tmp_path=tmp_path, before=before
    )
    assert [len(one["changes"]) for one in answers] == [0, 0, 1]
    assert left == []


def test_without_lifetimes_documents_have_nothing_of_them(tmp_path):
    text = AGEING.replace("retention = { anonymous_days = 30 }", "")
    answers, (document,) = played(
        batch(0, mpid=7, device_info={"ios_idfv": "D"}), clock(400), text=text, tmp_path=tmp_path
    )
    assert document["version"] == 1
    assert not {"stored_ms", "due_ms", "bucket", "emptied_ms"} & document.keys()
    assert answers[1]["changes"] == []


@pytest.mark.parametrize("days", [0.9, 1.1])
def test_a_receipt_is_noted_only_where_the_last_one_is_older_than_the_resolution(tmp_path, days):
    text = "[limits]\nactivity_resolution_s = 86400\n" + AGEING
    answers, _ = played(
        batch(0, device_info={"ios_idfv": "D"}),
        batch(days, device_info={"ios_idfv": "D"}),
        text=text,
        tmp_path=tmp_path,
    )
    assert bool(answers[1]["written"]) == (days > 1)


def test_over_a_year_whoever_must_be_gone_is_gone_and_everybody_else_lives(tmp_path):
    """A model of ten lines says who has aged by when; nobody who is gone is ever named again."""
    chance, resolution = random.Random(11), 1 / 24
    lifetimes = {"customerid": 60, "ios_idfv": 30}
    kinds = {f"p{n}": ("customerid", "ios_idfv")[n % 2] for n in range(120)}
    pace = {one: chance.choice([3, 15, 40, 90]) for one in kinds}
    said = [(chance.random() * 10, one) for one in kinds]
    for start, one in list(said):
        day = start
        while (day := day + chance.expovariate(1 / pace[one])) < 365:
            said.append((day, one))
    said += [(day + chance.random(), None) for day in range(2, 400, 3)]
    said.sort(key=lambda one: one[0])
    lines = [
        clock(day) if one is None else request(day, "identify", known_identities={kinds[one]: one})
        for day, one in said
    ]
    answers, left = played(
        *lines, text=AGEING.replace("30 }", "30, known_days = 60 }"), tmp_path=tmp_path
    )

    stored: dict[str, tuple[float, str]] = {}
    ended: set[str] = set()
    for (day, one), answer in zip(said, answers, strict=True):
        if one is None:
            due = {o for o, (at, _) in stored.items() if at + lifetimes[kinds[o]] <= day}
            gone = {change["mpid"] for change in answer["changes"]}
            assert gone == {stored.pop(o)[1] for o in due}
            ended |= gone
        elif one in stored:
            at, mpid = stored[one]
            assert answer["mpid"] == mpid
            stored[one] = (day if day - at > resolution else at), mpid
        else:
            assert answer["mpid"] not in ended
            stored[one] = day, answer["mpid"]
    assert len(ended) > 200
    assert {one["mpid"] for one in left} == {mpid for _, mpid in stored.values()}


@pytest.mark.parametrize(
    ("days", "is_needed", "dropped", "again_days"),
    [(7, False, (7,), None), (7, True, (), 8), (6, False, (), 7), (100, True, (), 101)],
)
def test_a_grave_goes_when_its_days_are_over_and_no_row_needs_it(
    days, is_needed, dropped, again_days
):
    as_of_ms, entry = START + days * DAY, Entry("d20456", 7)
    record = Record("idstream-clock", 0, 0, as_of_ms, None, b"")
    order = Sweep(record, SPACE, as_of_ms, shard=7)
    grave = Grave(7, 2, START, "aged_out", 5)
    found = ReadSet(holders={}, profiles={7: None}, graves={7: grave})
    reading = Reading(1, 9, found, (False,), entries=(entry, entry))
    if is_needed:
        reading.needed = frozenset({7})
    policy = IdentityPolicy(strategy="profile_isolation", priority=("ios_idfv",))

    swept = sweep(order, reading, TimeRules(policy, "retail"))

    assert swept.effects.dropped == dropped
    assert swept.effects.expected_versions == (dict.fromkeys(dropped, 2))
    assert swept.effects.moves.taken == [entry, entry]
    again = swept.effects.moves.entered
    assert [one.mpid for one in again] == ([] if again_days is None else [7])
    if again_days is not None:
        assert again[0].bucket == bucket_of(START + again_days * DAY, as_of_ms).name
    assert (swept.documents, swept.changes) == ((), ())


def aged(mpid: int, day: int) -> Profile:
    """Somebody of whom nothing was heard since a day, at their place in the wheel."""
    due_ms = START + (day + 30) * DAY
    more = More(stored_ms=START + day * DAY, due_ms=due_ms, bucket=bucket_of(due_ms, START).name)
    identities = (Identity("ios_idfv", f"v{mpid}", START, START, "default"),)
    return Profile("retail", "production", mpid, 1, START, START, identities=identities, more=more)


def test_what_must_be_read_of_those_who_end_is_seen_before_anything_is_worked_out(monkeypatch):
    policy = IdentityPolicy(strategy="profile_isolation", priority=("ios_idfv",))
    rules = TimeRules(policy, "retail", ageing=ageing_of(Lifetimes(30 * DAY), policy, Limits()))
    as_of_ms = START + 31 * DAY
    order = Sweep(Record("idstream-clock", 0, 0, as_of_ms, None, b""), SPACE, as_of_ms, shard=0)
    people = [aged(16, 0), aged(32, 1), aged(48, 20)]
    entries = tuple(Entry(one.more.bucket, one.mpid) for one in people)
    found = ReadSet(holders={}, profiles={one.mpid: one for one in people})
    reading = Reading(1, 9, found, (False,), entries=entries)
    worked = []

    class Seen(SweepWork):
        def done(self, taken):
            worked.append(taken)
            return super().done(taken)

    monkeypatch.setattr(sweeping, "SweepWork", Seen)
    with pytest.raises(Unread) as unread:
        sweep(order, reading, rules)
    assert unread.value.identifiers == (
        Identifier("ios_idfv", "v16"),
        Identifier("ios_idfv", "v32"),
    )
    assert not worked
    found.holders = {one: (int(one.value[1:]),) for one in unread.value.identifiers}
    swept = sweep(order, reading, rules)
    assert swept.results == ["aged_out", "aged_out", "moved"]
    monkeypatch.setattr(sweeping, "foresee", lambda *_: None)
    assert sweep(order, reading, rules) == swept

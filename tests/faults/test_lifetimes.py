"""The checks of lifetimes tell who aged too early, who lives too long, and records of the gone."""

import json

import pytest
from msgspec.structs import replace

from processor.clock.place import shard_of
from processor.codecs.sweep import shard_sweep
from processor.identity.model import Space
from processor.identity.profile import Identity, Profile
from processor.records import Record
from processor.settings import Settings
from tests.faults import lifetimes
from tests.faults.aged import second_verdict
from tests.faults.lifetimes import Lives, Receipt
from tests.faults.oracle import Ended, Published, Resolved, Seen, Source
from tests.faults.recorded import NOON_MS, decided, recorded, settings_in
from tests.faults.verdict import Left, resolve_again, verdict_on_a_small_run
from tests.model.people import rulebook

SPACE = Space("retail", "production")
KEY = "retail/production/7"
SWEEP: Source = ("idstream-clock", 0, 0)
BATCH: Source = ("event-batches", 0, 0)
LIFE_MS = 432_000
AS_OF_MS = 10_000_000
PERSON = Profile(
    "retail",
    "production",
    7,
    version=3,
    created_ms=0,
    last_seen_ms=0,
    identities=(Identity("ios_idfv", "D", 0, 0, "default"),),
)


def lives(heard: Receipt, ended_ms: int = AS_OF_MS - 5) -> Lives:
    """Return a run in which somebody was heard of once, and aged out at an instant."""
    order = shard_sweep(SPACE, AS_OF_MS, shard_of(7))
    sweep = Record(*SWEEP, AS_OF_MS + 1, None, order)
    erased = (
        b'{"change":"profile_erased","reason":"aged_out","mpid":"7","version":4,"timestamp_ms":%d}'
    )
    headers = {
        "source-topic": SWEEP[0].encode(),
        "source-partition": b"0",
        "source-offset": b"0",
    }
    roles = {
        "changes": [Seen("changes", KEY.encode(), erased % ended_ms, headers)],
        "outcomes": [Seen("outcomes", None, b'{"outcome":"swept","mpid":null}', headers)],
    }
    versions = {KEY: [(1, PERSON), (2, Ended(4, "aged_out"))]}
    resolved = Resolved({BATCH: 1, SWEEP: 2}, {}, {}, versions, {})
    settings = rulebook("profile_isolation computed ageing").settings
    return Lives(settings, Published({SWEEP: sweep}, roles), resolved, {KEY: [heard]})


@pytest.mark.parametrize(
    ("heard", "is_early"),
    [
        (Receipt(AS_OF_MS - 5 - LIFE_MS, 1, BATCH), False),
        (Receipt(AS_OF_MS - 5 - LIFE_MS + 60_001, 1, BATCH), True),  # beyond the resolution
        (Receipt(AS_OF_MS, 3, BATCH), True),  # it waited, when the clock went on
        (Receipt(AS_OF_MS + 1, 3, BATCH), False),  # it came later
        (Receipt(AS_OF_MS + 1, 1, BATCH), True),  # decided before, it revived the profile
    ],
)
def test_who_was_heard_of_within_the_lifetime_has_aged_early(heard, is_early):
    assert bool(lifetimes.nobody_aged_early(lives(heard))) == is_early


def heard_of(settings: Settings, value: bytes, **headers: bytes) -> Lives:
    """Return who was heard of by one record that was attributed to somebody."""
    record = Record(*BATCH, AS_OF_MS, None, value, tuple(headers.items()))
    source = {"source-topic": BATCH[0].encode(), "source-partition": b"0", "source-offset": b"0"}
    outcome = Seen("outcomes", None, b'{"outcome":"forwarded","mpid":"7"}', source)
    published = Published({BATCH: record}, {"outcomes": [outcome]})
    return lifetimes.lives(settings, published, Resolved({BATCH: 1}, {BATCH: SPACE}, {}, {}, {}))


def test_whoever_a_record_only_asks_about_is_not_heard_of(tmp_path):
    settings = settings_in(tmp_path)
    named = b'{"request_type":"identify","known_identities":{"customerid":"C"}%b}'
    heard = [Receipt(AS_OF_MS, 1, BATCH)]
    its = heard_of(settings, named % b"")
    assert (its.receipts, its.by_customer) == ({KEY: heard}, {(SPACE, "C"): heard})
    assert not heard_of(settings, named % b',"read_only":true').receipts
    assert not heard_of(settings, b'{"request_type":"search"}').receipts
    batch = b'{"user_identities":{"customer_id":"C"}}'
    assert heard_of(settings, batch).by_customer
    assert not heard_of(settings, batch, input=b"mirror").receipts


def test_a_record_that_names_an_mpid_is_of_nobody_else_whatever_customer_it_names(tmp_path):
    named = b'{"mpid":7,"user_identities":{"customer_id":"C"}}'
    its = heard_of(settings_in(tmp_path), named)
    assert its.receipts.keys() == {KEY}
    assert not its.by_customer


def test_a_customer_whose_record_waited_and_went_to_somebody_new_has_aged_early():
    customer = replace(PERSON, identities=(Identity("customerid", "C", 0, 0, "default"),))
    its = lives(Receipt(0, 0, BATCH))
    versions = {KEY: [(1, customer), (2, Ended(4, "aged_out"))]}
    its = its._replace(resolved=its.resolved._replace(versions=versions))
    assert not lifetimes.nobody_aged_early(its)
    waited = {(SPACE, "C"): [Receipt(AS_OF_MS, 3, BATCH)]}
    assert lifetimes.nobody_aged_early(its._replace(by_customer=waited))


def test_a_record_that_went_to_whoever_has_its_email_is_no_receipt_of_its_customer(tmp_path):
    """One of the customer's own that waited, and is older, then makes a profile of theirs."""
    settings = settings_in(tmp_path, is_ageing=True)

    def batch(partition: int, at_ms: int, **identities: str) -> Record:
        body = {"environment": "production", "events": [], "user_identities": identities}
        return Record("batches", partition, 0, NOON_MS + at_ms, None, json.dumps(body).encode())

    login = (
        b'{"request_type": "login", "request_id": "r", "environment": "production",'
        b' "known_identities": {"customerid": "customer-2", "email": "mail-1"}}'
    )
    records = [
        batch(0, 0, customer_id="customer-1", email="mail-1"),
        Record("requests", 0, 0, NOON_MS + 16_733, None, login),
        batch(1, 11_607, customer_id="customer-2"),
    ]
    published = decided(settings, records, NOON_MS + 120_000)
    assert lifetimes.ends(published) == 2
    its = lifetimes.lives(settings, published, resolve_again(settings, published))
    to_whom = [published.outcomes()[record[:3]]["mpid"] for record in records]
    assert to_whom[0] == to_whom[1] != to_whom[2]
    assert not lifetimes.nobody_aged_early(its)


def test_who_was_heard_of_before_they_were_merged_into_somebody_has_aged_early():
    its = lives(Receipt(0, 0, BATCH))
    merged = {"retail/production/8": [Receipt(AS_OF_MS - LIFE_MS + 60_000, 1, BATCH)]}
    its = its._replace(receipts=its.receipts | merged)
    assert not lifetimes.nobody_aged_early(its)
    versions = {KEY: [(1, replace(PERSON, absorbed=(8,))), (2, Ended(4, "aged_out"))]}
    resolved = its.resolved._replace(versions=versions)
    assert lifetimes.nobody_aged_early(its._replace(resolved=resolved))


def test_whoever_a_record_of_somebody_else_has_changed_is_heard_of(tmp_path):
    record = Record(*BATCH, AS_OF_MS, None, b"{}")
    source = {"source-topic": BATCH[0].encode(), "source-partition": b"0", "source-offset": b"0"}
    outcome = Seen("outcomes", None, b'{"outcome":"forwarded","mpid":"8"}', source)
    published = Published({BATCH: record}, {"outcomes": [outcome]})
    pointer = replace(PERSON, mpid=9, merged_into=7)
    versions = {KEY: [(-1, PERSON), (1, PERSON)], "retail/production/9": [(1, pointer)]}
    resolved = Resolved({BATCH: 1}, {BATCH: SPACE}, {}, versions, {})
    found = lifetimes.lives(settings_in(tmp_path), published, resolved).receipts
    heard = [Receipt(AS_OF_MS, 1, BATCH)]
    assert found == {KEY: heard, "retail/production/8": heard}


@pytest.mark.parametrize(("heard_ms", "is_over"), [(AS_OF_MS - LIFE_MS, False), (0, True)])
def test_who_is_there_after_the_lifetime_was_over_lives_too_long(heard_ms, is_over):
    its = lives(Receipt(heard_ms, 1, BATCH))
    assert bool(lifetimes.nobody_outlives(its, {KEY: PERSON})) == is_over
    assert not lifetimes.nobody_outlives(its, {})


@pytest.mark.parametrize(("place", "is_gone"), [(1, False), (3, True)])
def test_a_record_after_the_end_is_that_of_somebody_gone(place, is_gone):
    its = lives(Receipt(AS_OF_MS, place, BATCH))
    assert bool(lifetimes.nobody_gone_has_records(its)) == is_gone


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Published, Left, Resolved]:
    """A run in which people age, and processes die with sweeps in hand."""
    folder = tmp_path_factory.mktemp("ageing")
    settings, published, left = recorded(folder, has_deaths=True, is_ageing=True)
    return settings, published, left, resolve_again(settings, published)


def test_a_run_in_which_people_age_holds_and_many_of_them_have(run):
    settings, published, left, resolved = run
    assert lifetimes.ends(published) > 200
    found = verdict_on_a_small_run(settings, published, published, left, resolved)
    assert not {name: wrong for name, wrong in found.items() if wrong}


def test_whoever_comes_back_after_their_end_is_told_as_one_who_should_not_be_there(run):
    settings, published, left, resolved = run
    ended = {key: its for key, its in resolved.versions.items() if isinstance(its[-1][1], Ended)}
    key, versions = next((k, v) for k, v in ended.items() if len(v) > 1)
    back = next(one for _, one in reversed(versions) if isinstance(one, Profile))
    left = left._replace(live={**left.live, key: back})
    found = verdict_on_a_small_run(settings, published, published, left, resolved)
    assert found["final states"]
    assert found["changelog is the store"]
    assert found["outlives"]


def test_a_replay_that_loses_somebody_who_lives_for_ever_is_noticed(run):
    settings, _, left, _ = run
    nothing = Published({}, {})
    assert not any(second_verdict(settings, nothing, left.live, left).values())
    lives = lifetimes.lives(settings, nothing, Resolved({}, {}, {}, {}, {}))
    key = next(k for k, p in left.live.items() if p.merged_into is None and not lives.life_ms(p))
    without = left._replace(live={k: p for k, p in left.live.items() if k != key})
    found = second_verdict(settings, nothing, left.live, without)
    assert found["nobody is lost"] == [f"lost: {key}"]
    assert found["final states"]

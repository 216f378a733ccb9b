"""The checks of lifetimes tell who aged too early, who lives too long, and records of the gone."""

import pytest

from processor.clock.place import shard_of
from processor.codecs.sweep import shard_sweep
from processor.identity.model import Space
from processor.identity.profile import Identity, Profile
from processor.records import Record
from tests.faults import lifetimes
from tests.faults.lifetimes import Lives, Receipt
from tests.faults.oracle import Ended, Published, Resolved, Seen, Source
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


@pytest.mark.parametrize(("heard_ms", "is_over"), [(AS_OF_MS - LIFE_MS, False), (0, True)])
def test_who_is_there_after_the_lifetime_was_over_lives_too_long(heard_ms, is_over):
    its = lives(Receipt(heard_ms, 1, BATCH))
    assert bool(lifetimes.nobody_outlives(its, {KEY: PERSON})) == is_over
    assert not lifetimes.nobody_outlives(its, {})


@pytest.mark.parametrize(("place", "is_gone"), [(1, False), (3, True)])
def test_a_record_after_the_end_is_that_of_somebody_gone(place, is_gone):
    its = lives(Receipt(AS_OF_MS, place, BATCH))
    assert bool(lifetimes.nobody_gone_has_records(its)) == is_gone

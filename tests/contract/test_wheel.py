"""The wheel, as the port promises it: what is entered comes out where it opened, once."""

import pytest
import redis
from msgspec.structs import replace

from processor.clock.bucket import DAY_MS, HOUR_MS, MINUTE_MS, bucket_named
from processor.clock.place import counts
from processor.clock.wheel import Entry, Moves, Take
from processor.identity.model import IdentityPolicy
from processor.identity.profile import More, Profile
from processor.identity.view import Effects
from processor.index.derivation import Tombstone
from processor.index.memory import MemoryIndex
from processor.index.port import Ask, Commit, Conflict, Index, Opening
from processor.redis.generations import Generations, Life
from processor.redis.index import RedisIndex
from processor.redis.restoration import Restoration
from processor.redis.shelves import open_shelves
from processor.settings import load_text
from tests.contract.conftest import OpenIndex
from tests.contract.people import DEVICE, EMAIL, OWNER, SPACE, claim, pair, profile, store, view_of
from tests.contract.stored import Stored

MINUTE, HOUR, DAY = "m29454420", "h490908", "d20456"
OPEN = bucket_named(DAY).opens_ms
EVER = 2 * OPEN
SHOP = """
[workspaces.shop]
strategy = "profile_conversion"
priority = ["customerid"]
[inputs.default]
workspace = "shop"
"""


@pytest.fixture
def stored(redis_url, redis_prefix):
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        yield Stored(client, redis_prefix, SPACE)


def move(index: Index, moves: Moves) -> Commit | Conflict:
    return index.commit(SPACE, Effects({}, {}, {}, {}, moves), ())


def enter(index: Index, *entries: tuple[str, int]) -> None:
    assert isinstance(move(index, Moves(entered=[Entry(*one) for one in entries])), Commit)


def take(index: Index, shard: int = 0, as_of_ms: int = EVER, most: int = 200) -> tuple[Entry, ...]:
    return index.visit(SPACE, {}, [Ask(take=Take(shard, as_of_ms, most))]).entries


def test_a_space_that_nobody_is_due_in_holds_nothing(index: Index):
    assert index.openings(SPACE, range(16)) == 16 * (Opening(None, 0),)
    assert take(index) == ()


def test_entries_come_out_of_open_buckets_in_the_order_in_which_these_opened(index: Index):
    enter(index, (DAY, 48), (HOUR, 32), (MINUTE, 16), (MINUTE, 0), (MINUTE, 1))

    opened = [bucket_named(name).opens_ms for name in (HOUR, MINUTE, DAY)]
    assert opened == sorted(opened)
    expected = (Entry(HOUR, 32), Entry(MINUTE, 16), Entry(MINUTE, 0), Entry(DAY, 48))
    assert take(index) == expected
    assert take(index, most=2) == expected[:2]
    assert take(index, as_of_ms=opened[1]) == expected[:3]
    assert take(index, as_of_ms=opened[1] - 1) == expected[:1]
    assert take(index, shard=1) == (Entry(MINUTE, 1),)
    assert index.openings(SPACE, [0, 1, 2]) == (
        Opening(opened[0], 0),
        Opening(opened[1], 0),
        Opening(None, 0),
    )


def test_entries_bring_the_profiles_that_stand_in_them(index: Index):
    store(index, profile(32, EMAIL), profile(16, merged_into=48), profile(48, DEVICE))
    enter(index, (MINUTE, 32), (MINUTE, 16), (MINUTE, 64))

    reading = index.visit(SPACE, {}, [Ask(take=Take(0, EVER))])

    assert reading.covered == 1
    assert {m: p and p.mpid for m, p in reading.found.profiles.items()} == {
        32: 32,
        16: 16,
        48: 48,
        64: None,
    }


def test_taking_changes_nothing_until_it_is_committed(index: Index):
    enter(index, (MINUTE, 16), (MINUTE, 32))
    assert take(index) == take(index) == (Entry(MINUTE, 16), Entry(MINUTE, 32))

    move(index, Moves(taken=take(index, most=1), entered=[Entry(DAY, 16)]))

    assert take(index) == (Entry(MINUTE, 32), Entry(DAY, 16))


@pytest.mark.parametrize("mpid", [-(2**63), -16, 0, 2**53 + 16, 2**63 - 16])
def test_every_mpid_of_64_bits_comes_out_as_it_was_entered(index: Index, mpid: int):
    store(index, profile(mpid, EMAIL))
    enter(index, (MINUTE, mpid))

    reading = index.visit(SPACE, {}, [Ask(take=Take(0, EVER))])

    assert reading.entries == (Entry(MINUTE, mpid),)
    assert reading.found.profiles == {mpid: profile(mpid, EMAIL, version=1)}


def test_what_another_has_taken_meanwhile_is_a_conflict_and_nothing_is_written(index: Index):
    enter(index, (MINUTE, 16), (MINUTE, 32))
    both = take(index)
    move(index, Moves(taken=both[:1]))

    effects = view_of(index, [profile(16, EMAIL)]).effects()
    assert effects is not None
    result = index.commit(SPACE, replace(effects, moves=Moves(taken=both)), ())

    assert isinstance(result, Conflict)
    assert index.visit(SPACE, {}, [Ask(mpids=(16,))]).found.profiles == {16: None}
    assert take(index) == (Entry(MINUTE, 32),)


def test_what_was_appended_behind_what_is_taken_is_none(index: Index):
    enter(index, (MINUTE, 16))
    taken = take(index)
    enter(index, (MINUTE, 32))

    assert isinstance(move(index, Moves(taken=taken)), Commit)
    assert take(index) == (Entry(MINUTE, 32),)


def test_documents_and_places_change_in_one_instant(index: Index):
    effects = view_of(index, [profile(16, EMAIL)]).effects()
    assert effects is not None
    store(index, profile(16, EMAIL))

    result = index.commit(
        SPACE, replace(effects, moves=Moves(entered=[Entry(MINUTE, 16)], set_aside=[16])), ()
    )

    assert isinstance(result, Conflict)
    assert index.openings(SPACE, [0]) == (Opening(None, 0),)


def test_who_is_set_aside_never_opens(index: Index):
    enter(index, (MINUTE, 16), (MINUTE, 32))
    move(index, Moves(taken=take(index, most=1), set_aside=[16]))

    assert take(index) == (Entry(MINUTE, 32),)
    assert index.openings(SPACE, [0, 1])[0].set_aside == 1

    enter(index, (HOUR, 16), (HOUR, 48))
    assert index.openings(SPACE, [0])[0].set_aside == 0, "who is entered again was put back"


def test_a_bucket_that_is_emptied_and_filled_again_opens_again(index: Index):
    enter(index, (MINUTE, 16))
    move(index, Moves(taken=take(index)))
    assert index.openings(SPACE, [0]) == (Opening(None, 0),)

    enter(index, (MINUTE, 32))
    assert take(index) == (Entry(MINUTE, 32),)


def test_more_entries_than_one_command_takes_are_entered_in_order(index: Index):
    enter(index, *((MINUTE, 16 * n) for n in range(2500)))
    assert [one.mpid for one in take(index, most=2400)] == [16 * n for n in range(2400)]


def test_a_take_is_cut_where_it_would_read_too_much(small_index: Index):
    enter(small_index, *((MINUTE, 16 * n) for n in range(50)))
    found = take(small_index)
    assert 0 < len(found) < 50
    assert found == tuple(Entry(MINUTE, 16 * n) for n in range(len(found)))


@pytest.mark.redis
def test_large_documents_cut_a_take_by_their_bytes(open_redis):
    index = RedisIndex(open_redis()._connection, open_redis()._prefix, b"key")
    for n in range(60):
        store(index, profile(16 * n, workspaces=pair(200_000)))
    enter(index, *((HOUR, 16 * n) for n in range(60)))
    assert len(take(index)) == 40


def test_two_processes_that_take_the_same_do_not_both_commit(open_index: OpenIndex):
    one, other = open_index(), open_index()
    claim(one)
    enter(one, (MINUTE, 16))
    taken = take(one)
    assert take(other) == taken
    assert isinstance(move(one, Moves(taken=taken)), Commit)
    assert isinstance(move(other, Moves(taken=taken)), Conflict)


@pytest.mark.redis
def test_without_a_clock_there_is_no_key_of_it(open_redis, stored):
    index = open_redis()
    store(index, profile(16, EMAIL))
    index.visit(SPACE, {}, [Ask((EMAIL,))])
    assert stored.names("t") == stored.names("w") == []


@pytest.mark.redis
def test_an_entry_takes_eight_bytes_and_a_shard_one_small_set(open_redis, stored):
    index = open_redis()
    enter(index, *((MINUTE, 16 * n) for n in range(1000)), (DAY, 16))
    assert stored.names("t") == [f"0:{DAY}".encode(), f"0:{MINUTE}".encode()]
    assert stored.names("w") == [b"0"]
    key = stored.key("t", f"0:{MINUTE}".encode())
    assert stored.client.memory_usage(key, samples=0) / 1000 < 12
    move(index, Moves(taken=take(index, most=1000)))
    move(index, Moves(taken=take(index, most=1000)))
    assert stored.names("t") == stored.names("w") == []


def test_the_buckets_of_these_tests_are_what_their_names_say():
    assert bucket_named(MINUTE).end_ms - bucket_named(MINUTE).start_ms == MINUTE_MS
    assert bucket_named(HOUR).end_ms - bucket_named(HOUR).start_ms == HOUR_MS
    assert bucket_named(DAY).end_ms - bucket_named(DAY).start_ms == DAY_MS


def due(mpid: int, version: int, bucket: str | None) -> Profile:
    more = More(due_ms=None if bucket is None else OPEN, bucket=bucket)
    return profile(mpid, EMAIL, version=version, more=more)


@pytest.mark.redis
def test_a_restore_puts_every_document_into_the_bucket_that_it_names(open_redis, redis_prefix):
    index = open_redis()
    generations = Generations(index._connection, redis_prefix, b"key")
    building = generations.begin(SPACE, OWNER)
    restoration = Restoration(
        building, IdentityPolicy("profile_conversion", priority=("email",)), is_new_policy=False
    )
    restoration.add([due(16, 1, DAY), due(32, 1, MINUTE), due(48, 1, None)])
    restoration.add([due(16, 2, MINUTE), due(32, 3, None), due(48, 2, HOUR), due(64, 5, DAY)])
    restoration.add([due(48, 1, DAY), Tombstone("retail", "production", 64, 6)])
    restoration.finish()
    building.switch(Life(OWNER, "c", "", 0, ()))

    reading = open_redis().visit(SPACE, {}, [Ask(take=Take(0, EVER))])

    standing = {
        entry.mpid: entry.bucket
        for entry in reading.entries
        if (found := reading.found.profiles.get(entry.mpid)) and counts(found.place, entry.bucket)
    }
    assert standing == {16: MINUTE, 48: HOUR}


def test_documents_that_are_loaded_stand_where_they_say():
    index = MemoryIndex(b"key")
    index.load([due(16, 1, MINUTE), due(32, 1, None)], {"retail": lambda _: True})
    assert take(index) == (Entry(MINUTE, 16),)


@pytest.mark.redis
def test_whoever_is_set_aside_can_be_listed(redis_url: str, redis_prefix: str):
    settings = load_text(f'[redis]\nurl = "{redis_url}"\nprefix = "{redis_prefix}"\n' + SHOP, {})
    index, shelves = RedisIndex.connect(redis_url, redis_prefix), open_shelves(settings)
    try:
        assert shelves.of(SPACE) == []
        move(index, Moves(set_aside=[16, -3, 17]))
        assert sorted(shelves.of(SPACE)) == [-3, 16, 17]
        enter(index, (HOUR, 16))
        assert sorted(shelves.of(SPACE)) == [-3, 17]
    finally:
        index.close()
        shelves.close()

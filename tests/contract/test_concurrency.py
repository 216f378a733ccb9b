"""Several processes on one space: no update is lost, and the graph stays valid."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from msgspec.structs import replace

from processor.identity.model import Identifier
from processor.identity.profile import Identity, Profile
from processor.identity.view import ReadSet, View
from processor.index.derivation import derive
from processor.index.errors import Fenced
from processor.index.port import Ask, Commit, RowAdvance, RowClaim
from processor.records import RowKey
from processor.redis.index import RedisIndex
from tests.contract.people import OWNER, SPACE, is_lookup
from tests.contract.stored import Stored

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]
EMAILS = [Identifier("email", f"{n}@example.com") for n in range(12)]


def add_to(profile: Profile, *identifiers: Identifier) -> Profile:
    """A profile with *identifiers*, and one more change counted."""
    held = {(i.identity_type, i.value): i for i in profile.identities}
    for type_, value in identifiers:
        held.setdefault((type_, value), Identity(type_, value, 0, 0, "default"))
    return replace(profile, identities=tuple(held.values()), merges=profile.merges + 1)


def decide(read: ReadSet, wanted: list[Identifier], born: int) -> View:
    """One owner per address: that of the first one wanted, who gets the free ones of the others."""
    view = View(read, is_lookup, SPACE)
    owners = view.holders(wanted[0])
    found = view.exact(owners[0]) if owners else None
    new = Profile(SPACE.scope, SPACE.environment, born, 0, 0, 0)
    free = [i for i in wanted if not view.holders(i)]
    view.put(add_to(found or new, *free))
    view.end_record()
    return view


def work(index: RedisIndex, row: RowKey, seed: int, rounds: int) -> list[Profile]:
    """Fold random decisions until all are committed; return every document written."""
    chance = random.Random(seed)
    epoch = index.claim(SPACE, OWNER, "c", [RowClaim(row, "id")], "").rows[0].epoch
    written: list[Profile] = []
    for cursor in range(rounds):
        wanted = chance.sample(EMAILS, 3)
        born = seed * 1_000_000 + cursor
        read = index.visit(SPACE, {row: epoch}, [Ask(tuple(wanted), (born,))]).found
        while True:
            effects = decide(read, wanted, born).effects()
            assert effects is not None
            move = RowAdvance(row, epoch, cursor or None, cursor + 1, b"%d" % cursor)
            result = index.commit(SPACE, effects, [move])
            if isinstance(result, Commit):
                written += effects.profiles.values()
                break
            read = index.visit(
                SPACE, {row: epoch}, [Ask(tuple(wanted), (born, *result.found.profiles))]
            ).found
    return written


def test_concurrent_processes_lose_no_update(open_redis, redis_url, redis_prefix):
    workers, rounds = 4, 120
    with ThreadPoolExecutor(workers) as pool:
        jobs = [
            pool.submit(work, open_redis(), RowKey("batches", n), n + 1, rounds)
            for n in range(workers)
        ]
        written = [profile for job in jobs for profile in job.result()]

    with redis.Redis.from_url(redis_url, protocol=2) as client:
        stored = Stored(client, redis_prefix, SPACE)
        state = stored.check_is_inverse(open_redis())

    assert sum(p.merges for p in state.profiles.values()) == workers * rounds
    assert all(len(holders) == 1 for holders in state.holders.values())
    assert len(written) == workers * rounds
    assert derive(written, {SPACE.scope: is_lookup})[SPACE] == state
    claims = [RowClaim(RowKey("batches", n), "id") for n in range(workers)]
    claimed = open_redis().claim(SPACE, OWNER, "c", claims, "")
    assert claimed.seq == workers + workers * rounds + 1
    seqs = sorted(seq for row in claimed.rows for seq, _ in row.chunks)
    assert len(set(seqs)) == workers * rounds
    for row in claimed.rows:
        assert [chunk for _, chunk in row.chunks] == [b"%d" % n for n in range(rounds)]


def test_of_two_processes_with_one_row_only_the_last_writes(open_redis, redis_url, redis_prefix):
    row = RowKey("batches", 0)

    def until_fenced(seed: int) -> int:
        index = open_redis()
        [state] = index.claim(SPACE, OWNER, "c", [RowClaim(row, "id")], "").rows
        cursor, done = state.cursor, 0
        chance = random.Random(seed)
        while done < 150:
            wanted = chance.sample(EMAILS, 2)
            born = seed * 1_000_000 + done
            try:
                read = index.visit(SPACE, {row: state.epoch}, [Ask(tuple(wanted), (born,))]).found
                move = RowAdvance(row, state.epoch, cursor, (cursor or 0) + 1, b"x")
                result = index.commit(SPACE, decide(read, wanted, born).effects(), [move])
            except Fenced:
                return done
            if isinstance(result, Commit):
                cursor, done = move.cursor, done + 1
        return done

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(until_fenced, range(1, 4)))

    with redis.Redis.from_url(redis_url, protocol=2) as client:
        state = Stored(client, redis_prefix, SPACE).check_is_inverse(open_redis())
    [last] = open_redis().claim(SPACE, OWNER, "c", [RowClaim(row, "id")], "").rows
    assert last.cursor == sum(done) == len(last.chunks)
    assert sum(p.merges for p in state.profiles.values()) == sum(done)
    assert max(done) == 150

"""Readers on Redis and over memory see the same; neither changes anything."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
import redis

from processor.identity.filed import Filing
from processor.identity.model import Identifier, Space
from processor.identity.view import Effects
from processor.index.errors import IndexRefused, IndexUnavailable
from processor.index.memory import MemoryIndex
from processor.index.port import Ask, Index
from processor.index.sight import Head, MemoryReader, Reader
from processor.privacy.case import filed
from processor.redis.generations import Generations
from processor.redis.index import RedisIndex
from processor.redis.reader import MOST_ASKS, RedisReader, Server
from processor.redis.wire import Bounds
from tests.contract.people import DEVICE, EMAIL, SPACE, pair, profile, store
from tests.contract.test_markers import CASE
from tests.servers.redis import StartRedis

ELSEWHERE = Space("retail", "development")


class Both:
    """An index, and what is read of it."""

    def __init__(self, index: Index, open_reader: Callable[[Bounds | None], Reader]) -> None:
        self.index = index
        self._open_reader = open_reader

    def read(self, act: Callable[[Reader], Awaitable], bounds: Bounds | None = None):
        async def run():
            reader = self._open_reader(bounds)
            try:
                return await act(reader)
            finally:
                await reader.close()

        return asyncio.run(run())


@pytest.fixture(
    params=[
        "memory",
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("cluster", marks=pytest.mark.redis),
    ]
)
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    if request.param == "memory":
        memory = MemoryIndex(b"key", max_keys=12)
        yield Both(memory, lambda _: MemoryReader(memory))
        return
    is_cluster = request.param == "cluster"
    url = request.getfixturevalue("redis_cluster" if is_cluster else "redis_url")
    prefix = f"test-reader-{request.node.name}"
    index = RedisIndex.connect(url, prefix, b"key", cluster=is_cluster)
    server = Server(lambda: url, prefix, is_cluster=is_cluster)
    yield Both(index, lambda bounds: RedisReader(server, b"key", 5.0, bounds))
    index.close()


def test_a_look_sees_holders_their_profiles_and_what_was_asked_by_mpid(both):
    ada, ben = profile(1, EMAIL, DEVICE), profile(-2, DEVICE)
    store(both.index, ada, ben)
    asks = [Ask(identifiers=(DEVICE,)), Ask(mpids=(1, 99))]
    sight = both.read(lambda reader: reader.look(SPACE, asks))
    assert sorted(sight.found.holders[DEVICE]) == [-2, 1]
    assert sight.found.profiles[1].identities == ada.identities
    assert sight.found.profiles[-2].identities == ben.identities
    assert sight.found.profiles[99] is None
    assert sight.seq == both.index.visit(SPACE, {}, []).seq


def test_a_case_is_nobody_whole_and_by_its_head(both):
    held = {CASE.opened_for: (CASE.number,)}
    filing = Filing({CASE.number: filed(CASE)})
    both.index.commit(SPACE, Effects({}, {}, held, {}, filing=filing), ())
    sight = both.read(lambda reader: reader.look(SPACE, [Ask((CASE.opened_for,), (CASE.number,))]))
    assert sight.found.profiles == {CASE.number: None}
    assert both.read(lambda reader: reader.head(SPACE, CASE.number)) is None


def test_nobody_is_seen_in_another_environment(both):
    store(both.index, profile(1, EMAIL))
    asks = [Ask((EMAIL,), (1,))]
    sight = both.read(lambda reader: reader.look(ELSEWHERE, asks))
    assert sight.found.holders == {EMAIL: ()}
    assert sight.found.profiles == {1: None}


def test_merged_profiles_come_with_their_survivor_and_their_head_is_its(both):
    store(both.index, profile(3, EMAIL))
    store(both.index, profile(1, merged_into=2), profile(2, merged_into=3), profile(3, DEVICE))
    sight = both.read(lambda reader: reader.look(SPACE, [Ask(mpids=(1,))]))
    assert set(sight.found.profiles) == {1, 2, 3}
    assert both.read(lambda reader: reader.head(SPACE, 1)) == Head(3, 2)
    assert both.read(lambda reader: reader.head(SPACE, 4)) is None


def test_what_many_ask_at_once_is_answered_to_each(both):
    store(both.index, *(profile(n, Identifier("email", str(n))) for n in range(1, 30)))

    async def ask_all(reader: Reader):
        looks = [reader.look(SPACE, [Ask(mpids=(n,))]) for n in range(1, 3 * MOST_ASKS)]
        heads = [reader.head(SPACE, n) for n in range(1, 40)]
        return await asyncio.gather(*looks), await asyncio.gather(*heads)

    sights, heads = both.read(ask_all)
    for number, sight in enumerate(sights, 1):
        found = sight.found.profiles[number]
        assert (found.mpid if found else None) == (number if number < 30 else None)
    assert heads == [Head(n, 1) if n < 30 else None for n in range(1, 40)]


def test_more_than_one_instant_may_hold_is_seen_in_several(both):
    people = [
        profile(n, Identifier("email", str(n)), workspaces=pair(60_000)) for n in range(1, 30)
    ]
    store(both.index, *people)
    asks = [Ask((Identifier("email", str(n)),)) for n in range(1, 30)]

    async def ask_twice(reader: Reader):
        return await asyncio.gather(reader.look(SPACE, asks), reader.look(SPACE, [asks[-1]]))

    all_of_them, last = both.read(ask_twice, Bounds(max_bytes=100_000))
    assert {p.mpid for p in all_of_them.found.profiles.values()} == set(range(1, 30))
    assert all(all_of_them.found.holders[one] for ask in asks for one in ask.identifiers)
    assert last.found.holders[asks[-1].identifiers[0]] == (29,)


@pytest.mark.redis
def test_what_fits_is_seen_in_one_instant_whoever_asks_beside_it(redis_url):
    index = RedisIndex.connect(redis_url, "test-reader-instant", b"key")

    def write() -> None:
        people = [
            profile(n, Identifier("email", str(n)), workspaces=pair(60_000)) for n in range(1, 5)
        ]
        store(index, *people)

    class Restless(RedisReader):
        """Between two scripts everybody is written."""

        async def _run(self, *how):
            reply = await super()._run(*how)
            write()
            return reply

    async def run():
        server = Server(lambda: redis_url, "test-reader-instant")
        reader = Restless(server, b"key", 5.0, Bounds(max_bytes=100_000))
        try:
            asks = [Ask(mpids=(n,)) for n in range(1, 5)]
            return await asyncio.gather(reader.look(SPACE, asks[:1]), reader.look(SPACE, asks[2:]))
        finally:
            await reader.close()

    write()
    _, both = asyncio.run(run())
    index.close()
    assert both.found.profiles[3].version == both.found.profiles[4].version


@pytest.mark.redis
def test_a_user_who_may_only_read_can_look_and_nothing_is_changed(start_redis: StartRedis):
    node = start_redis()
    index = RedisIndex.connect(node.url, "idstream", b"key")
    store(index, profile(1, EMAIL))
    rights = ["resetkeys", "%R~idstream:*", "-@all", "+evalsha_ro", "+eval_ro", "+hmget", "+mget"]
    rights += ["+getrange", "+select", "+client|setinfo"]
    node.client.execute_command("ACL", "SETUSER", "reader", "on", ">secret", *rights)
    before = node.client.execute_command("INFO", "commandstats")
    url = node.url.replace("redis://", "redis://reader:secret@")

    async def run():
        reader = RedisReader(Server(lambda: url, "idstream"), b"key", 5.0)
        try:
            return await reader.look(SPACE, [Ask((EMAIL,))]), await reader.head(SPACE, 1)
        finally:
            await reader.close()

    sight, head = asyncio.run(run())
    index.close()
    assert sight.found.holders[EMAIL] == (1,)
    assert head == Head(1, 1)
    after = node.client.execute_command("INFO", "commandstats")
    for command in ("set", "mset", "hset", "hincrby", "xadd", "del"):
        assert after.get(f"cmdstat_{command}") == before.get(f"cmdstat_{command}")


@pytest.mark.redis
def test_a_server_that_is_away_hangs_or_refuses_is_told_and_answers_again(start_redis: StartRedis):
    node = start_redis()
    index = RedisIndex.connect(node.url, "idstream", b"key")
    store(index, profile(1, EMAIL))

    async def run():
        reader = RedisReader(Server(lambda: node.url, "idstream"), b"key", 0.2)
        try:
            assert await reader.head(SPACE, 1)
            node.pause()
            with pytest.raises(IndexUnavailable, match="200 ms"):
                await reader.look(SPACE, [Ask((EMAIL,))])
            node.resume()
            assert await reader.head(SPACE, 1) == Head(1, 1)
            node.kill()
            with pytest.raises(IndexUnavailable):
                await reader.head(SPACE, 1)
            node.start()
            assert await reader.head(SPACE, 1) is None  # a server without its data
            redis.Redis.from_url(node.url).set("idstream:1:{retail/production}", "no hash")
            with pytest.raises(IndexRefused):
                await reader.head(SPACE, 1)
        finally:
            await reader.close()

    asyncio.run(run())
    index.close()


@pytest.mark.redis
def test_an_answer_that_came_too_late_is_nobody_elses(start_redis: StartRedis):
    node = start_redis()
    index = RedisIndex.connect(node.url, "idstream", b"key")
    emails = [Identifier("email", str(n)) for n in range(1, 9)]
    store(index, *(profile(n, email) for n, email in enumerate(emails, 1)))

    async def run():
        reader = RedisReader(Server(lambda: node.url, "idstream"), b"key", 0.2)
        try:
            for mpid, email in enumerate(emails, 1):
                node.pause()
                given_up = asyncio.create_task(reader.look(SPACE, [Ask((emails[-mpid],))]))
                if mpid % 2:  # its caller goes, or Redis is not waited for any longer
                    await asyncio.sleep(0)
                    given_up.cancel()
                await asyncio.wait([given_up])
                node.resume()
                for _ in range(2):
                    sight = await _patiently(reader, email)
                    assert sight.found.holders == {email: (mpid,)}
        finally:
            await reader.close()

    asyncio.run(run())
    index.close()


async def _patiently(reader: Reader, email: Identifier):
    """What is seen once Redis answers again."""
    for _ in range(50):
        try:
            return await reader.look(SPACE, [Ask((email,))])
        except IndexUnavailable:
            continue
    raise AssertionError("Redis does not answer")


@pytest.mark.redis
def test_an_index_of_another_key_is_refused_and_not_read_as_empty(redis_url: str):
    url, prefix = redis_url, "test-reader-key"
    generations = Generations.connect(url, prefix, b"key")
    generations.remember(SPACE, "group", "")
    generations.close()

    def looked(key: bytes):
        async def run():
            reader = RedisReader(Server(lambda: url, prefix), key, 5.0)
            try:
                return await reader.look(SPACE, [Ask((EMAIL,))])
            finally:
                await reader.close()

        return asyncio.run(run())

    assert looked(b"key").found.holders == {EMAIL: ()}
    with pytest.raises(IndexRefused, match=r"made with another redis\.key_file"):
        looked(b"other")

"""What a Redis server does to us: away, full, read-only, emptied, restarted, moved."""

import tempfile
import threading
from collections.abc import Callable, Iterator

import pytest
import redis

from processor.clock.wheel import Entry, Moves, Take
from processor.identity.model import Space
from processor.identity.view import Effects
from processor.index.cache import CachedIndex
from processor.index.errors import Fenced, IndexRefused, IndexUnavailable, LostWrites
from processor.index.port import Ask, Commit, Opening, RowClaim, Trim
from processor.profiles.document import pack
from processor.redis import keys
from processor.redis.connection import Timeouts
from processor.redis.index import RedisIndex
from tests.contract.people import (
    DEVICE,
    EMAIL,
    OWNER,
    ROW,
    SPACE,
    advance,
    claim,
    pair,
    profile,
    seq_of,
    store,
    use_by,
    view_of,
)
from tests.contract.stored import Stored
from tests.docs.pages import redis_rights
from tests.servers.redis import Node, StartRedis
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]
Connect = Callable[..., RedisIndex]


@pytest.fixture
def connect() -> Iterator[Connect]:
    opened: list[RedisIndex] = []

    def make(url: str, reply_seconds: float = 10.0, *, cluster: bool = False) -> RedisIndex:
        timeouts = Timeouts(2.0, reply_seconds)
        opened.append(RedisIndex.connect(url, "test", cluster=cluster, timeouts=timeouts))
        return opened[-1]

    yield make
    for index in opened:
        index.close()


@pytest.fixture
def node(start_redis: StartRedis) -> Node:
    return start_redis()


def test_scripts_that_were_flushed_are_loaded_again(node, connect):
    index = connect(node.url)
    epochs = claim(index)
    for number in range(3):
        node.client.script_flush()
        moves = [advance(epochs[ROW], number or None, number + 1)]
        assert isinstance(store(index, profile(number, EMAIL), advances=moves), Commit)

    assert index.holders(SPACE, EMAIL) == (0, 1, 2)
    assert index.profile(SPACE, 1) == profile(1, EMAIL, version=1)


def test_a_server_that_lost_everything_is_noticed_by_every_call(node, connect):
    index = connect(node.url)
    epochs = claim(index)
    effects = view_of(index, [profile(7, EMAIL)]).effects()
    node.client.flushall()

    with pytest.raises(LostWrites, match="idstream restore"):
        index.visit(SPACE, epochs, [])
    with pytest.raises(LostWrites):
        index.visit(SPACE, {}, [Ask((EMAIL,), use=use_by("t/0/0"))])
    with pytest.raises(LostWrites):
        index.commit(SPACE, effects, [advance(epochs[ROW], None, 5)])
    with pytest.raises(LostWrites):
        claim(index)
    assert node.client.dbsize() == 0


def test_a_space_that_another_process_began_anew_is_noticed(node, connect):
    index = connect(node.url)
    epochs = claim(index)
    store(index, profile(7), advances=[advance(epochs[ROW], None, 1)])
    node.client.flushall()
    assert claim(connect(node.url)) == epochs

    with pytest.raises(LostWrites):
        index.visit(SPACE, epochs, [])


def test_a_healthy_restart_is_none_of_our_business(start_redis, connect):
    node = start_redis("--appendonly", "yes", "--appendfsync", "always")
    index = connect(node.url)
    epochs = claim(index)
    store(index, profile(7, EMAIL), advances=[advance(epochs[ROW], None, 5)])

    node.restart()

    assert index.visit(SPACE, epochs, [Ask((EMAIL,))]).found.holders == {EMAIL: (7,)}
    assert isinstance(store(index, profile(8), advances=[advance(epochs[ROW], 5, 6)]), Commit)


def test_a_restart_without_data_is_lost_writes(node, connect):
    index = connect(node.url)
    epochs = claim(index)
    node.restart()

    with pytest.raises(LostWrites):
        index.visit(SPACE, epochs, [])


def test_a_server_that_is_gone_is_unavailable_until_it_is_back(start_redis, connect):
    node = start_redis("--appendonly", "yes", "--appendfsync", "always")
    index = connect(node.url)
    epochs = claim(index)
    node.kill()

    with pytest.raises(IndexUnavailable):
        index.visit(SPACE, epochs, [])
    with pytest.raises(IndexUnavailable):
        connect(node.url).claim(SPACE, OWNER, "c", [], "")
    with pytest.raises(IndexUnavailable):
        index.reach()
    node.start()
    index.reach()
    assert index.visit(SPACE, epochs, []).seq == 1


def test_a_commit_whose_reply_was_lost_is_found_by_the_next_claim(node, connect):
    index = connect(node.url, 0.3)
    store(index, profile(6))  # now the server knows the script
    epochs = claim(index)
    effects = view_of(index, [profile(7, EMAIL)]).effects()
    node.pause()
    try:
        with pytest.raises(IndexUnavailable):
            index.commit(SPACE, effects, [advance(epochs[ROW], None, 5, chunk=b"mine")])
    finally:
        node.resume()

    eventually(lambda: index.profile(SPACE, 7))
    [row] = index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "").rows
    assert row.cursor == 5
    assert row.chunks == ((3, b"mine"),)


def test_a_full_server_is_unavailable_until_it_has_room(node, connect):
    index = connect(node.url)
    epochs = claim(index)
    effects = view_of(index, [profile(7, EMAIL)]).effects()
    node.client.config_set("maxmemory", "1")

    with pytest.raises(IndexUnavailable, match="OutOfMemory"):
        index.commit(SPACE, effects, [advance(epochs[ROW], None, 5)])
    with pytest.raises(IndexUnavailable):
        index.visit(SPACE, epochs, [])
    with pytest.raises(IndexUnavailable):
        claim(index)
    node.client.config_set("maxmemory", "0")
    assert seq_of(index.commit(SPACE, effects, [advance(epochs[ROW], None, 5)])) == 2


@pytest.mark.parametrize("serves_stale", ["yes", "no"])
def test_a_replica_is_unavailable(node, connect, serves_stale):
    index = connect(node.url)
    epochs = claim(index)
    node.client.config_set("replica-serve-stale-data", serves_stale)
    node.client.replicaof("127.0.0.1", 1)

    with pytest.raises(IndexUnavailable):
        index.visit(SPACE, epochs, [])
    with pytest.raises(IndexUnavailable):
        claim(index)
    node.client.replicaof("NO", "ONE")
    assert index.visit(SPACE, epochs, []).seq == 1


def test_a_server_without_enough_replicas_is_unavailable(node, connect):
    index = connect(node.url)
    node.client.config_set("min-replicas-to-write", "1")

    with pytest.raises(IndexUnavailable, match="NOREPLICAS"):
        claim(index)


def test_a_server_busy_with_a_script_is_unavailable(node, connect):
    index = connect(node.url)
    claim(index)
    node.client.config_set("busy-reply-threshold", "1")

    def loop() -> None:
        with (
            redis.Redis.from_url(node.url, protocol=2) as client,
            pytest.raises(redis.ResponseError),
        ):
            client.eval("while true do end", 0)

    looping = threading.Thread(target=loop)
    looping.start()
    try:
        eventually(lambda: _is_unavailable(index))
    finally:
        eventually(node.client.script_kill)
        looping.join()
    assert index.visit(SPACE, {ROW: 1}, []).seq == 1


def _is_unavailable(index: RedisIndex) -> bool:
    try:
        index.visit(SPACE, {ROW: 1}, [])
    except IndexUnavailable as error:
        return "BUSY" in str(error)
    return False


def test_mistakes_are_not_waited_for(start_redis, connect):
    node = start_redis()
    node.client.set(keys.control_key("test", SPACE), "no hash")
    with pytest.raises(IndexRefused, match="WRONGTYPE"):
        claim(connect(node.url))

    guarded = start_redis()
    guarded.client.config_set("requirepass", "secret")
    with pytest.raises(IndexRefused, match="AuthenticationError"):
        claim(connect(guarded.url))
    guarded.client.execute_command("AUTH", "secret")


def test_a_commit_that_lacks_a_right_moves_no_cursor(start_redis, connect):
    node = start_redis()
    index = connect(node.url)
    for missing in ("rpush", "mset", "hset"):
        epochs = claim(index)
        node.client.execute_command("ACL", "SETUSER", "default", f"-{missing}")
        with pytest.raises(IndexRefused, match=missing):
            store(index, profile(7, EMAIL), advances=[advance(epochs[ROW], None, 5)])
        node.client.execute_command("ACL", "SETUSER", "default", f"+{missing}")
        row = index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "id-1")], "").rows[0]
        assert row.cursor is None
    store(index, profile(8, DEVICE), advances=[advance(claim(index)[ROW], None, 5)])


def test_a_document_of_an_unknown_format_is_not_guessed_at(node, connect):
    index = connect(node.url)
    store(index, profile(7, EMAIL))
    stored = Stored(node.client, "test", SPACE)
    data = pack(profile(7, EMAIL, version=1))
    node.client.set(stored.key("p", b"%016x" % 7), b"\x09" + data[1:])

    with pytest.raises(ValueError, match="format"):
        index.profile(SPACE, 7)


def test_keys_are_named_as_documented(node, connect):
    index = connect(node.url)
    epochs = claim(index)
    request_id = use_by("batches/0/1", b"\x00t" * 8, time_ms=7_300_000)
    index.visit(SPACE, epochs, [Ask(use=request_id)])
    store(index, profile(-1, EMAIL), advances=[advance(epochs[ROW], None, 5)])

    base = b"test:1:{retail/production}"
    assert set(node.client.keys()) == {
        base,
        base + b":1:i:" + index.token(EMAIL),
        base + b":1:p:ffffffffffffffff",
        base + b":1:r:event-batches:0",
        base + b":1:j:event-batches:0",
        base + b":1:u:1:2",
        base + b":1:l",
        base + b":1:n",
    }
    control = node.client.hgetall(base)
    assert len(control.pop(b"tag")) == 19
    assert control == {b"gen": b"1", b"seq": b"2", b"owner": OWNER.encode(), b"uses": b"short"}
    assert node.client.get(base + b":1:i:" + index.token(EMAIL)) == b"f" * 16
    assert 3_600_000 < node.client.pttl(base + b":1:u:1:2") <= 600_000 + 2 * 3_600_000
    assert node.client.pttl(base) == -1


def test_the_control_hash_says_which_generation_counts(node, connect):
    index = connect(node.url)
    epochs = claim(index)
    store(index, profile(7, EMAIL))
    node.client.hset(keys.control_key("test", SPACE), "gen", "2")

    assert index.profile(SPACE, 7) is None
    with pytest.raises(LostWrites):
        index.visit(SPACE, epochs, [])
    node.client.hset(keys.control_key("test", SPACE), "gen", "1")
    assert index.profile(SPACE, 7) is not None


def test_an_unchanged_document_is_not_decoded_twice(node, connect):
    index, other = connect(node.url), CachedIndex(connect(node.url), 1_000_000)
    store(index, profile(7, EMAIL))
    ask = [Ask(mpids=(7,))]

    first = other.visit(SPACE, {}, ask).found.profiles[7]

    assert other.visit(SPACE, {}, ask).found.profiles[7] is first
    store(index, profile(7, DEVICE))
    assert other.visit(SPACE, {}, ask).found.profiles[7] == profile(7, DEVICE, version=2)


def test_journals_that_one_epoch_left_are_safe_from_the_epoch_before(node, connect):
    zombie, owner = connect(node.url), connect(node.url)
    epochs = claim(zombie)
    claim(owner)
    node.client.script_flush()

    with pytest.raises(Fenced):
        zombie.visit(SPACE, epochs, [])


def test_a_user_with_the_documented_rights_can_do_everything(start_redis, connect):
    node = start_redis()
    plain, checks, _ = redis_rights()
    rights = [right.replace("~idstream:", "~test:") for right in (*plain, *checks)]
    node.client.execute_command("ACL", "SETUSER", "idstream", *rights)
    index = connect(node.url.replace("//", "//idstream:PASSWORD@"))
    epochs = claim(index)
    request_id = use_by("batches/0/1")
    store(index, profile(7, EMAIL), advances=[advance(epochs[ROW], None, 5)])
    store(index, profile(7, DEVICE))

    reading = index.visit(SPACE, epochs, [Ask((DEVICE,), use=request_id)], [Trim(ROW, 1, {7: 1})])

    assert reading.newer == {7: profile(7, DEVICE, version=2)}
    assert index.visit(SPACE, epochs, [], [Trim(ROW, 0, {7: 2})]).owed == ((),)
    assert index.server_report()[0].appendfsync == "everysec"
    entry = Entry("m29454420", 16)
    index.commit(SPACE, Effects({}, {}, {}, {}, Moves(entered=[entry], set_aside=[16])), ())
    assert index.visit(SPACE, {}, [Ask(take=Take(0, 1_800_000_000_000))]).entries == (entry,)
    index.commit(SPACE, Effects({}, {}, {}, {}, Moves(taken=[entry])), ())
    assert index.openings(SPACE, [0]) == (Opening(None, 1),)
    with pytest.raises(IndexRefused, match="NoPermissionError"):
        RedisIndex(index._connection, "foreign").claim(SPACE, OWNER, "c", [], "")


def test_a_unix_socket_will_do(start_redis, connect):
    with tempfile.TemporaryDirectory() as directory:
        start_redis("--unixsocket", f"{directory}/redis")
        assert claim(connect(f"unix://{directory}/redis")) == {ROW: 1}


# ---- cluster ----------------------------------------------------------------------------------


def test_a_cluster_whose_slots_are_nobodys_is_unavailable(start_redis, connect):
    node = start_redis("--cluster-enabled", "yes")

    with pytest.raises(IndexUnavailable):
        claim(connect(node.url, cluster=True))


def test_spaces_spread_over_a_cluster(redis_cluster):
    index = RedisIndex.connect(redis_cluster, "spread", cluster=True)
    spaces = [Space(f"scope-{n}", "production") for n in range(12)]
    for space in spaces:
        epochs = claim(index, space=space)
        moves = [advance(epochs[ROW], None, 5)]
        store(index, profile(7, EMAIL, space=space), advances=moves, space=space)

    assert all(index.holders(space, EMAIL) == (7,) for space in spaces)
    with redis.RedisCluster.from_url(redis_cluster, protocol=2) as client:
        slots = {client.keyslot(keys.control_key("spread", space)) // 5462 for space in spaces}
    assert slots == {0, 1, 2}
    assert len(index.server_report()) == 3
    index.close()


def test_a_slot_that_moved_is_followed(redis_cluster):
    index = RedisIndex.connect(redis_cluster, "moving", cluster=True)
    space = Space("moving", "production")
    index.visit(space, {}, [])
    with redis.RedisCluster.from_url(redis_cluster, protocol=2) as client:
        slot = client.keyslot(keys.control_key("moving", space))
        home = client.get_node_from_key(keys.control_key("moving", space))
        target = next(node for node in client.get_primaries() if node != home)
        name = client.execute_command("CLUSTER MYID", target_nodes=target)
        for node in (target, home):
            client.execute_command("CLUSTER SETSLOT", slot, "NODE", name, target_nodes=node)

    epochs = claim(index, space=space)

    assert index.visit(space, epochs, [Ask((EMAIL,))]).seq == 1
    index.close()


def test_a_big_document_comes_back_whole(open_redis):
    index = open_redis()
    store(index, profile(7, workspaces=pair(400_000)))
    index = open_redis()

    assert index.profile(SPACE, 7) == profile(7, version=1, workspaces=pair(400_000))

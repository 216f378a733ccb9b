"""What a process remembers of a space is what the index holds, whatever others do meanwhile."""

from collections.abc import Callable
from itertools import count

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from processor.clock.place import shard_of
from processor.clock.wheel import Entry, Moves, Take
from processor.identity.model import Identifier, Space
from processor.identity.view import Asked, Effects, ReadSet, View
from processor.index.cache import CachedIndex
from processor.index.errors import LostWrites
from processor.index.memory import MOST_NOTES, MemoryIndex
from processor.index.port import Ask, Commit, Index, Moment, Reading, RowClaim
from processor.redis import keys
from processor.redis.index import RedisIndex
from tests.contract.people import EMAIL, OWNER, ROW, SPACE, is_lookup, profile, store

PEOPLE = [Identifier("email", f"{n}@example.com") for n in range(2)]
MPIDS = [1, 2, 3]
ROOM = 1_000_000
TIGHT = 12_000
"""Room for two or three people."""

some = st.tuples(
    st.lists(st.sampled_from(PEOPLE), max_size=3).map(tuple),
    st.lists(st.sampled_from(MPIDS), max_size=2).map(tuple),
)
steps = st.one_of(
    st.tuples(st.just("read"), st.lists(st.builds(lambda a: Ask(*a), some), max_size=3)),
    st.tuples(st.just("write"), st.tuples(st.sampled_from(MPIDS), some)),
    st.tuples(st.just("claim"), st.none()),
)


def read(index: Index, *asks: Ask) -> Reading:
    return index.visit(SPACE, {}, asks)


def write(index: Index, mpid: int, held: tuple[Identifier, ...], survivor: int | None) -> object:
    """Put a person into the space as this process knows it; what it read may have changed."""
    everything = index.visit(SPACE, {}, [Ask(tuple(PEOPLE), tuple(MPIDS))]).found
    view = View(everything, is_lookup, SPACE)
    view.put(profile(mpid, *(held if survivor is None else ()), merged_into=survivor))
    view.end_record()
    effects = view.effects()
    return None if effects is None else index.commit(SPACE, effects, ())


def play(open_index: Callable[[], Index], history: list[tuple[int, tuple[str, object]]]) -> None:
    """Let processes with a cache read and write by turns; every reading is that of the index."""
    plain = open_index()
    processes = [CachedIndex(open_index(), room) for room in (ROOM, ROOM, TIGHT)]
    for number, (what, how) in history:
        index = processes[number]
        if what == "read":
            found, expected = read(index, *how), read(plain, *how)
            assert found.found.holders == expected.found.holders
            assert found.found.profiles == expected.found.profiles
            assert (found.covered, found.seq) == (expected.covered, expected.seq)
        elif what == "write":
            mpid, (held, mpids) = how
            write(index, mpid, held, mpids[0] if mpids and mpids[0] != mpid else None)
        else:
            index.claim(SPACE, OWNER, "c", [RowClaim(ROW, "t")], "")


histories = st.lists(st.tuples(st.integers(0, 2), steps), min_size=6, max_size=40)


@given(histories)
def test_a_reading_is_what_the_index_in_memory_holds(history):
    memory = MemoryIndex(b"key")
    play(lambda: memory, history)


@pytest.mark.redis
@given(history=histories)
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_a_reading_is_what_the_index_on_a_server_holds(redis_url, redis_prefix, history, numbers):
    shared = RedisIndex.connect(redis_url, redis_prefix, b"key")
    prefix = f"{redis_prefix}:{next(numbers)}"
    play(lambda: RedisIndex(shared._connection, prefix, b"key"), history)
    shared.close()


@pytest.fixture(scope="module")
def numbers():
    return count()


def test_known_people_are_not_asked_for_again(open_plain):
    asked: list[Ask] = []

    inner = open_plain()
    index = CachedIndex(Recording(inner, asked), ROOM)
    store(inner, profile(7, EMAIL))
    read(index, Ask((EMAIL,)))
    asked.clear()

    found = read(index, Ask((EMAIL,)))

    assert found.found.profiles[7] == profile(7, EMAIL, version=1)
    assert asked == [Ask()]


class Recording:
    """An index that notes what is asked of it."""

    def __init__(self, index: Index, asked: list[Ask]) -> None:
        self._index = index
        self._asked = asked
        self.claim, self.commit, self.token = index.claim, index.commit, index.token

    def visit(self, space, epochs, asks, trims=(), marks=(), since=None) -> Reading:
        self._asked += asks
        return self._index.visit(space, epochs, asks, trims, marks, since)


def test_what_a_commit_of_ours_wrote_is_remembered(open_plain):
    asked: list[Ask] = []
    index = CachedIndex(Recording(open_plain(), asked), ROOM)
    store(index, profile(7, EMAIL))
    asked.clear()

    assert read(index, Ask((EMAIL,))).found.profiles[7] == profile(7, EMAIL, version=1)
    assert asked == [Ask()]


def test_what_others_changed_too_often_to_be_noted_is_read_again(open_plain):
    inner = open_plain()
    index, other = CachedIndex(inner, ROOM), inner
    store(other, profile(7, EMAIL))
    read(index, Ask((EMAIL,)))

    for _ in range(MOST_NOTES + 150):
        other.claim(SPACE, OWNER, "c", [RowClaim(ROW, "t")], "")
    store(other, profile(7))

    assert read(index, Ask((EMAIL,), (7,))).found.holders == {EMAIL: ()}


def lose_everything(index: Index) -> None:
    """Put a space in the place of *index*'s that others have written as often."""
    index._spaces.clear()


def test_a_space_that_lost_writes_and_was_written_on_is_noticed():
    memory = MemoryIndex(b"key")
    index = CachedIndex(memory, ROOM)
    store(index, profile(7, EMAIL))
    store(index, profile(8))
    lose_everything(memory)
    for mpid in (1, 2, 3):
        store(memory, profile(mpid))

    with pytest.raises(LostWrites):
        read(index, Ask((EMAIL,)))
    with pytest.raises(LostWrites):
        index.commit(SPACE, Effects({}, {}, {}, {}), ())


@pytest.mark.redis
def test_a_server_that_lost_writes_and_was_written_on_is_noticed(open_redis):
    one, other = CachedIndex(open_redis(), ROOM), open_redis()
    store(one, profile(7, EMAIL))
    client = other._connection._connected()
    client.flushall()
    for mpid in (1, 2, 3):
        store(other, profile(mpid))

    with pytest.raises(LostWrites):
        read(one, Ask((EMAIL,)))
    with pytest.raises(LostWrites):
        one.commit(SPACE, Effects({}, {}, {}, {}), ())


@pytest.mark.redis
def test_a_writer_that_leaves_no_note_makes_everybody_read_again(open_redis):
    """So an older release may write beside us, in a rolling upgrade."""
    index, other = CachedIndex(open_redis(), ROOM), open_redis()
    store(other, profile(7, EMAIL))
    read(index, Ask((EMAIL,)))
    control = keys.control_key(other._prefix, SPACE)
    client = other._connection._connected()
    client.hincrby(control, "seq", 1)
    client.delete(f"{control}:1:p:{keys.mpid_digits(7)}")

    assert read(index, Ask(mpids=(7,))).found.profiles == {7: None}


@pytest.mark.redis
def test_a_note_that_would_be_long_says_that_all_may_have_changed(open_redis):
    index, other = CachedIndex(open_redis(), ROOM), open_redis()
    many = [profile(1000 + n) for n in range(2500)]
    store(other, profile(7, EMAIL), *many)
    read(index, Ask((EMAIL,)))

    store(other, *[replace(one, last_seen_ms=9) for one in many], profile(7))

    assert read(index, Ask((EMAIL,), (7,))).found.profiles[7] == profile(7, version=2)


@pytest.mark.redis
def test_notes_of_a_space_that_was_deleted_are_in_nobodys_way(open_redis):
    index = open_redis()
    for mpid in (1, 2, 3):
        store(index, profile(mpid))
    client = index._connection._connected()
    client.delete(keys.control_key(index._prefix, SPACE))

    fresh = RedisIndex(index._connection, index._prefix, b"key")
    result = fresh.commit(SPACE, Effects({}, {}, {}, {1000: profile(1000)}), ())

    assert isinstance(result, Commit)
    assert read(fresh, Ask(mpids=(1000,))).moment == Moment(1, result.moment.tag)


def test_a_slot_is_current_until_its_value_changes(open_plain):
    inner = open_plain()
    index = CachedIndex(inner, ROOM)
    store(inner, profile(7, EMAIL), profile(8))
    found = read(index, Ask((EMAIL,), (8,))).found
    cache = index.cache(SPACE)
    changing = cache.slots(Asked((EMAIL,), (7,), found))
    staying = cache.slots(Asked((), (8,), found))

    store(inner, profile(7))
    read(index, Ask())

    assert [slot.is_current for part in changing for slot in part] == [False, False]
    assert [slot.is_current for part in staying for slot in part] == [True]
    assert cache.slots(Asked((EMAIL,), (), found)) is None


def test_no_more_is_remembered_than_there_is_room_for(open_plain):
    inner = open_plain()
    index = CachedIndex(inner, TIGHT)
    people = [Identifier("email", f"many-{n}@example.com") for n in range(50)]
    for n, one in enumerate(people):
        store(inner, profile(100 + n, one))
    for one in people:
        read(index, Ask((one,)))

    assert 0 < index.cache(SPACE).bytes <= TIGHT


def test_whoever_comes_once_makes_nobody_forgotten_who_comes_often(open_plain):
    inner, asked = open_plain(), list[Ask]()
    index = CachedIndex(Recording(inner, asked), 20_000)
    strangers = [Identifier("email", f"many-{n}@example.com") for n in range(100)]
    store(inner, profile(7, EMAIL), *(profile(100 + n, one) for n, one in enumerate(strangers)))
    read(index, Ask((EMAIL,)))
    for one in strangers:
        read(index, Ask((one,)))
        asked.clear()
        read(index, Ask((EMAIL,)))
        assert asked == [Ask()]


def test_whoever_comes_once_and_is_changed_makes_nobody_forgotten_either(open_plain):
    inner, asked = open_plain(), list[Ask]()
    index = CachedIndex(Recording(inner, asked), 60_000)
    often = [Identifier("email", f"often-{n}@example.com") for n in range(5)]
    once = [profile(100 + n) for n in range(60)]
    store(inner, *(profile(7 + n, one) for n, one in enumerate(often)), *once)
    for _ in range(2):
        read(index, Ask(tuple(often)))
    for stranger in once:
        known = read(index, Ask(mpids=(stranger.mpid,))).found.profiles[stranger.mpid]
        changed = {stranger.mpid: replace(known, version=2, last_seen_ms=9)}
        assert isinstance(
            index.commit(SPACE, Effects({}, {stranger.mpid: 1}, {}, changed), ()), Commit
        )
        asked.clear()
        for one in often:
            read(index, Ask((one,)))
        assert asked == [Ask()] * len(often)


def test_who_comes_once_in_another_space_makes_nobody_forgotten_who_comes_often(open_plain):
    inner, asked, other = open_plain(), list[Ask](), Space("retail", "development")
    index = CachedIndex(Recording(inner, asked), 60_000)
    often = tuple(Identifier("email", f"often-{n}@example.com") for n in range(4))
    store(inner, *(profile(7 + n, one) for n, one in enumerate(often)))
    read(index, Ask(often))
    for n in range(60):
        once = Identifier("email", f"once-{n}@example.com")
        store(inner, profile(100 + n, once, space=other), space=other)
        index.visit(other, {}, [Ask((once,))])
        asked.clear()
        read(index, Ask(often))
        assert asked == [Ask()]


def test_one_of_each_space_takes_no_more_than_the_room_of_all(open_plain):
    inner, room = open_plain(), 20_000
    index, one = CachedIndex(inner, room), Identifier("email", "one@example.com")
    spaces = [Space(f"retail-{n}", "development") for n in range(40)]
    for space in spaces:
        store(inner, profile(100, one, space=space), space=space)
        index.visit(space, {}, [Ask((one,))])

    assert sum(index.cache(space).bytes for space in spaces) <= room


def test_whom_time_alone_has_changed_is_not_remembered_for_that(open_plain):
    inner, entry = open_plain(), Entry("m29454420", 7)
    index = CachedIndex(inner, ROOM)
    store(inner, profile(7, EMAIL), profile(8))
    inner.commit(SPACE, Effects({}, {}, {}, {}, Moves(entered=[entry])), ())
    read(index, Ask((EMAIL,)))
    before = index.cache(SPACE).bytes

    taken = index.visit(SPACE, {}, [Ask(take=Take(shard_of(7), 1_900_000_000_000))]).entries
    swept = {mpid: profile(mpid, version=2, last_seen_ms=9) for mpid in (7, 8)}
    effects = Effects({}, {7: 1, 8: 1}, {}, swept, Moves(taken=taken))

    assert isinstance(index.commit(SPACE, effects, ()), Commit)
    assert taken == (entry,)
    assert index.cache(SPACE).bytes == pytest.approx(before, abs=500), "only one is remembered"
    assert read(index, Ask(mpids=(7, 8))).found.profiles == swept


def test_of_a_sweep_the_holders_that_were_remembered_are_taken_over_and_no_others(open_plain):
    inner, asked, entry = open_plain(), list[Ask](), Entry("m29454420", 7)
    index = CachedIndex(Recording(inner, asked), ROOM)
    other = Identifier("email", "other@example.com")
    store(inner, profile(7, EMAIL, other), profile(8))
    inner.commit(SPACE, Effects({}, {}, {}, {}, Moves(entered=[entry])), ())
    before = read(index, Ask((EMAIL,))).found

    both = {EMAIL: (8,), other: (8,)}
    swept = {8: profile(8, EMAIL, other, version=2), 7: profile(7, version=2)}
    effects = Effects({EMAIL: (7,), other: (7,)}, {7: 1, 8: 1}, both, swept, Moves(taken=[entry]))
    assert isinstance(index.commit(SPACE, effects, ()), Commit)
    asked.clear()

    assert before.holders == {EMAIL: (7,)}
    assert read(index, Ask((EMAIL, other))).found.holders == both
    assert asked == [Ask((other,), (8,))]


def test_all_spaces_share_the_room(open_plain):
    inner, room = open_plain(), 20_000
    index, spaces = CachedIndex(inner, room), (SPACE, Space("retail", "development"))
    taken = []
    for n in range(50):
        one = Identifier("email", f"many-{n}@example.com")
        for space in spaces:
            store(inner, profile(100 + n, one, space=space), space=space)
            index.visit(space, {}, [Ask((one,))])
        taken.append(sum(index.cache(space).bytes for space in spaces))

    assert room / 2 < max(taken) <= room


def test_what_is_forgotten_is_let_go_whoever_still_has_its_slot(open_plain):
    inner = open_plain()
    index = CachedIndex(inner, ROOM)
    store(inner, profile(7, EMAIL))
    found = read(index, Ask((EMAIL,))).found
    slots = index.cache(SPACE).slots(Asked((EMAIL,), (7,), found))

    index.cache(SPACE).clear()

    assert [hasattr(slot, "value") for part in slots for slot in part] == [False, False]


def test_a_reading_of_nothing_is_one_of_now():
    memory = MemoryIndex(b"key")
    assert read(CachedIndex(memory, ROOM)).found == ReadSet({}, {})

"""Request ids in Redis: short, or long as before, and processes of both beside each other."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from msgspec.msgpack import encode

from processor.index.memory import MemoryIndex
from processor.index.port import Ask, Index, Use
from processor.index.uses import buckets, width_ms
from processor.redis.forms import Short, place_number
from processor.redis.generations import Generations, Life
from processor.redis.index import RedisIndex, open_index
from processor.redis.keys import bucket_name, control_key
from processor.settings import load_text
from tests.contract.people import OWNER, SPACE, WINDOW_MS, use_by

pytestmark = pytest.mark.redis

HOUR_MS = 3_600_000
ID = b"shop\x00app\x00a request id that is long enough to be read"


class Before:
    """A process of a release that knows the long form alone."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._control = control_key(prefix, SPACE)

    def begin(self) -> None:
        """Claim the space, as the first process that ever did."""
        self._client.hset(self._control, mapping={"gen": "1", "owner": OWNER, "seq": "1"})

    def visit(self, use: Use) -> bool:
        """Note a use; tell whether it is a duplicate."""
        width = width_ms(use.window_ms)
        names = [
            f"{self._control}:1:d:{bucket_name(width, number)}"
            for number in buckets(use.time_ms, use.window_ms)
        ]
        values = [self._client.hget(name, use.token) or b"" for name in names]
        listed = [one for value in values for one in self._listed(value)]
        near = [c for time, c in listed if abs(time - use.time_ms) < use.window_ms]
        if not near:
            noted = encode((use.time_ms, use.coordinates))[1:]
            self._client.hset(names[0], use.token, values[0] + noted)
            self._client.pexpire(names[0], 2 * HOUR_MS)
        return bool(near) and use.coordinates not in near

    def _listed(self, value: bytes) -> list[tuple[int, str]]:
        script = "return cjson.encode({cmsgpack.unpack(ARGV[1])})"
        flat = json.loads(self._client.eval(script, 0, value)) if value else []
        return list(zip(flat[::2], flat[1::2], strict=True))


class Space:
    """A space, and processes of both kinds over it."""

    def __init__(self, connected: RedisIndex, client: redis.Redis, prefix: str) -> None:
        self._connected, self._prefix = connected, prefix
        self.client = client
        self.before = Before(client, prefix)

    def open(self, kept: Any = None) -> RedisIndex:
        return RedisIndex(self._connected._connection, self._prefix, b"key", request_ids=kept)

    def keep(self, kept: Any) -> None:
        """Let a process claim the space that is told how request ids are to be kept."""
        self.open(kept).claim(SPACE, OWNER, "c", [], "")

    def buckets(self, form: str) -> dict[bytes, dict[bytes, bytes]]:
        """What lies in the buckets of a form."""
        names = self.client.scan_iter(f"{self._prefix}:*:1:{form}:*", count=1000)
        return {name: self.client.hgetall(name) for name in names}


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count()


@pytest.fixture
def space(request: pytest.FixtureRequest, redis_url: str, redis_prefix: str) -> Iterator[Space]:
    connected = RedisIndex.connect(redis_url, redis_prefix, b"key")
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        yield Space(connected, client, redis_prefix)
    connected.close()


def visit(index: Index, *uses: Use) -> tuple[bool, ...]:
    return index.visit(SPACE, {}, [Ask(use=one) for one in uses]).duplicates


def test_a_new_space_keeps_a_use_in_16_bytes_under_16_that_show_nothing_of_the_id(space: Space):
    index = space.open()
    index.claim(SPACE, OWNER, "c", [], "")
    visit(index, use_by("batches/0/1", ID), use_by("batches/0/2", ID + b"2"))

    ((name, stored),) = space.buckets("u").items()
    assert [(len(token), len(use)) for token, use in stored.items()] == [(16, 16)] * 2
    assert 2 * HOUR_MS < space.client.pttl(name) <= 2 * HOUR_MS + WINDOW_MS
    assert not space.buckets("d")
    everything = b"".join(t + u for t, u in stored.items())
    assert b"shop" not in everything
    assert b"batches" not in everything


def test_a_space_that_a_release_of_before_began_keeps_uses_long(space: Space):
    space.before.begin()
    index = space.open()
    index.claim(SPACE, OWNER, "c", [], "")
    visit(index, use_by("batches/0/1", ID))

    (stored,) = space.buckets("d").values()
    assert stored == {ID: encode((5, "batches/0/1"))[1:]}
    assert not space.buckets("u")


def test_a_space_keeps_uses_as_it_was_told_last_whoever_claims_it_afterwards(space: Space):
    space.before.begin()
    for kept, form in (("short", "u"), ("long", "d")):
        space.keep(kept)
        space.keep(None)
        visit(space.open(), use_by("batches/0/1", kept.encode()))
        assert [list(b) for b in space.buckets(form).values()], kept
    assert [len(space.buckets(form)) for form in "ud"] == [1, 1]


def test_the_setting_is_told_with_a_claim(space: Space, redis_url: str, redis_prefix: str):
    server = f'[redis]\nurl = "{redis_url}"\nprefix = "{redis_prefix}"\nrequest_ids = "short"\n'
    space.before.begin()
    index = open_index(load_text(server + '[workspaces.shop]\nstrategy = "default"\n', {}))
    index.claim(SPACE, OWNER, "c", [], "")
    visit(index, use_by("batches/0/1", ID))
    index.close()
    assert space.buckets("u")


def test_a_process_that_has_claimed_before_follows_at_once(space: Space):
    space.before.begin()
    index = space.open()
    visit(index, use_by("batches/0/1", ID))
    space.keep("short")

    assert visit(index, use_by("batches/0/2", ID), use_by("batches/0/1", ID)) == (True, False)
    assert visit(index, use_by("batches/0/3", b"x")) == (False,)
    assert [len(b) for b in space.buckets("u").values()] == [1], "what is new; ours was there"


def test_what_is_left_in_the_other_form_is_sent_no_longer_than_it_lies_there(space: Space):
    space.before.begin()
    space.before.visit(use_by("batches/0/1", ID))
    space.keep("short")
    index = space.open()
    assert visit(index, use_by("batches/0/2", ID)) == (True,)
    assert [form.kind for form in index._forms.of(SPACE)] == [b"u", b"d"]

    space.client.delete(*space.buckets("d"))
    assert visit(index, use_by("batches/0/2", ID)) == (False,)
    assert [form.kind for form in index._forms.of(SPACE)] == [b"u"]


def test_a_lot_that_names_an_id_twice_finds_it_in_both_forms(space: Space):
    space.before.begin()
    space.before.visit(use_by("batches/0/1", ID))
    space.keep("short")
    uses = [use_by("batches/0/1", ID), use_by("batches/0/2", ID)]
    uses += [use_by("batches/0/1", b"x"), use_by("batches/0/2", b"x")]

    assert visit(space.open(), *uses) == (False, True, False, True)


def test_uses_of_one_id_at_several_times_stand_one_after_the_other(space: Space):
    index = space.open()
    times = [0, WINDOW_MS, 2 * WINDOW_MS, 5 * WINDOW_MS]
    uses = [use_by(f"batches/0/{time}", ID, time) for time in times]

    assert not any(visit(index, *uses))
    (stored,) = space.buckets("u").values()
    assert [len(value) for value in stored.values()] == [64]
    assert not any(visit(index, *uses))
    assert all(visit(index, *(use_by("batches/1/0", ID, time + 1) for time in times)))


def test_a_use_beside_an_older_one_of_the_other_form_stands_alone(space: Space):
    space.before.begin()
    space.before.visit(use_by("batches/0/1", ID, 0))
    space.keep("short")
    index = space.open()
    uses = [use_by(f"batches/0/{n}", ID, n * WINDOW_MS) for n in (1, 2)]

    assert [visit(index, one) for one in uses] == [(False,), (False,)]
    (stored,) = space.buckets("u").values()
    assert [len(value) for value in stored.values()] == [32]
    assert visit(index, use_by("batches/1/0", ID, 1), uses[0]) == (True, False)


@pytest.mark.parametrize("is_new", [True, False])
def test_a_restore_makes_a_new_space_short_and_leaves_another_as_it_is(
    space: Space, redis_url: str, redis_prefix: str, is_new: bool
):
    if not is_new:
        space.before.begin()
    generations = Generations.connect(redis_url, redis_prefix, b"key")
    generations.begin(SPACE, OWNER).switch(Life(OWNER, "c", "s", 500, ()))
    generations.close()

    index = space.open()
    index.claim(SPACE, OWNER, "c", [], "")
    visit(index, use_by("batches/0/1", ID))
    kept = [name for name in space.client.scan_iter(f"{redis_prefix}:*:2:?:*") if b":n" not in name]
    assert [name.split(b":2:")[1][:1] for name in kept] == [b"u" if is_new else b"d"]


# ---- a rolling change ---------------------------------------------------------------------------

times = st.integers(-10, 10).map(lambda n: HOUR_MS + n * WINDOW_MS // 4)
uses = st.builds(
    Use,
    token=st.sampled_from([b"a" * 16, b"shop\x00app\x00b"]),
    time_ms=times,
    window_ms=st.just(WINDOW_MS),
    coordinates=st.sampled_from(["batches/0/1", "batches/0/2", "batches/1/1"]),
)
processes = st.integers(0, 1)
new = st.lists(st.tuples(processes, uses), max_size=8)
mixed = st.lists(st.tuples(st.integers(0, 2), uses), max_size=8)
BEFORE = 2


@given(mixed=mixed, turned=new, back=new, mixed_again=mixed)
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_no_id_is_let_in_twice_and_no_replay_refused_while_the_form_changes(
    space: Space, numbers, mixed, turned, back, mixed_again
):
    """Old and new; then new alone, told to be short; and all of it backwards."""
    here = Space(space._connected, space.client, f"{space._prefix}:{next(numbers)}")
    here.before.begin()
    twin = MemoryIndex(b"key")
    one, two = here.open(), here.open()

    def play(history: list[tuple[int, Use]], later_ms: int = 0) -> None:
        for process, drawn in history:
            use = Use(drawn.token, drawn.time_ms + later_ms, drawn.window_ms, drawn.coordinates)
            if process == BEFORE:
                told = (here.before.visit(use),)
            else:
                told = visit((one, two)[process], use)
            assert told == visit(twin, use)

    play(mixed)
    here.keep("short")
    play(turned)
    here.keep("long")
    play(back)
    play(mixed_again, later_ms=6 * WINDOW_MS)  # the window has passed since the last short use


# ---- tokens and places --------------------------------------------------------------------------


def test_tokens_of_request_ids_are_keyed():
    def token(key: bytes, request_id: bytes) -> bytes:
        return bytes(Short(key).packed([(5, use_by("batches/0/1", request_id))])[0])

    assert token(b"key", ID) == token(b"key", ID)
    assert token(b"key", ID) != token(b"other", ID)
    assert token(b"key", ID) != token(b"key", ID + b".")


def test_places_of_a_partition_never_have_the_same_number():
    first, last = (place_number(f"batches/0/{offset}") for offset in (0, 2**63 - 1))
    assert (last - first) % 2**72 == 2**63 - 1
    assert place_number("batches/1/0") != first != place_number("other/0/0")
    assert 0 <= place_number("no place") < 2**72

"""Memory and Redis answer any sequence of operations alike, mistakes of the caller included."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from processor.clock.wheel import Entry, Moves, Take
from processor.identity.model import Identifier
from processor.identity.profile import Profile
from processor.identity.view import Effects, ReadSet, Unread, View
from processor.index.errors import Fenced, LostWrites
from processor.index.memory import MemoryIndex
from processor.index.port import Ask, Changed, Index, Moment, RowAdvance, RowClaim, Trim, Use
from processor.records import RowKey
from processor.redis.forms import Kept
from processor.redis.index import RedisIndex
from tests.contract.people import SPACE, is_lookup, profile

ROWS = [RowKey("batches", 0), RowKey("batches", 1), RowKey("requests", 0)]
MPIDS = [-(2**63), -1, 1, 2, 2**63 - 1]
IDENTIFIERS = [
    Identifier("email", "ada@example.com"),
    Identifier("customerid", "💡"),
    Identifier("ios_idfv", "\u0000"),
    Identifier("other", "no lookup"),
]

rows = st.sampled_from(ROWS)
mpids = st.sampled_from(MPIDS)
identifiers = st.sampled_from(IDENTIFIERS)
some_identifiers = st.lists(identifiers, max_size=4).map(tuple)
some_mpids = st.lists(mpids, max_size=3).map(tuple)
whys = st.sampled_from(["aged_out", "deleted", "erased"])
slips = st.sampled_from([0, 0, 0, 0, 0, 0, 0, -1, 1])
"""What a caller has wrong about an epoch or a cursor; mostly nothing."""
request_ids = st.builds(
    Use,
    token=st.sampled_from([b"a" * 16, b"\x00\xff" * 8]),
    time_ms=st.integers(0, 40).map(lambda n: 3_600_000 + 100_000 * (n - 20)),
    window_ms=st.sampled_from([0, 300_000, 600_000, 5_000_000]),
    coordinates=st.sampled_from(["batches/0/1", "batches/0/2", "batches/1/1"]),
)
entries = st.lists(
    st.builds(Entry, st.sampled_from(["m29454420", "h490908", "d20456"]), mpids), max_size=4
)
takes = st.builds(
    Take,
    st.sampled_from([0, 1, 2, 15]),
    st.sampled_from([1_767_261_600_000, 1_767_265_260_000, 1_800_000_000_000]),
    st.integers(1, 5),
)
asks = st.lists(st.builds(Ask, some_identifiers, some_mpids, st.none() | request_ids), max_size=4)


def normal(answer: Any) -> Any:
    """An answer with all that has no order sorted."""
    if isinstance(answer, ReadSet):
        return {i: sorted(h) for i, h in answer.holders.items()}, answer.profiles, answer.graves
    if isinstance(answer, Moment):  # each index has tags of its own
        return answer.seq
    if isinstance(answer, Changed):
        return sorted(answer.mpids), sorted(answer.tokens)
    fields = [f for f in getattr(answer, "__struct_fields__", ()) if f != "sizes"]
    return [
        type(answer).__name__,
        *(
            normal(f) if isinstance(f, ReadSet | Moment | Changed) else f
            for f in (getattr(answer, name) for name in fields)
        ),
    ]


class Twins(RuleBasedStateMachine):
    """Does everything to both, and compares; remembers what a caller would know."""

    open_redis: Callable[[], RedisIndex]

    @initialize()
    def start(self) -> None:
        self.memory = MemoryIndex(b"key")
        self.redis = self.open_redis()
        self.epochs: dict[RowKey, int] = {}
        self.cursors: dict[RowKey, int | None] = {}
        self.views: list[ReadSet] = []
        self.moments: list[tuple[Moment, Moment]] = []
        self.taken: list[tuple[Entry, ...]] = [()]

    def both(self, operation: Callable[[Index], Any]) -> Any:
        answers = []
        for index in (self.memory, self.redis):
            try:
                answers.append(operation(index))
            except (Fenced, LostWrites) as error:
                answers.append((type(error), str(error)))
        left, right = (a if isinstance(a, tuple) else normal(a) for a in answers)
        assert left == right
        if hasattr(answers[0], "moment"):
            self.moments.append(tuple(answer.moment for answer in answers))
        return answers[0]

    @rule(
        claimed=st.lists(rows, min_size=1, max_size=3, unique=True),
        topic_id=st.sampled_from(["one", "one", "one", "two"]),
        config=st.sampled_from(["c1", "c2"]),
        owner=st.sampled_from(["us", "us", "us", "us", "them"]),
    )
    def claim(self, claimed: list[RowKey], topic_id: str, config: str, owner: str) -> None:
        claims = [RowClaim(row, topic_id) for row in claimed]
        answer = self.both(lambda index: index.claim(SPACE, owner, config, claims, ""))
        if not isinstance(answer, tuple):
            for state in answer.rows:
                self.epochs[state.row] = state.epoch
                self.cursors[state.row] = state.cursor

    def since(self, data: st.DataObject) -> Callable[[Index], Moment | None]:
        """Draw a moment that the caller knew, perhaps long ago, as each index tells it."""
        known = data.draw(st.none() | st.sampled_from(self.moments)) if self.moments else None
        if known is None:
            return lambda _index: None
        return lambda index: known[0] if index is self.memory else known[1]

    @rule(asks=asks, slip=slips, known=st.lists(rows, unique=True), data=st.data())
    def read(self, asks: list[Ask], slip: int, known: list[RowKey], data: st.DataObject) -> None:
        epochs = {r: self.epochs[r] + slip for r in known if r in self.epochs}
        trims = [
            Trim(
                row,
                data.draw(st.integers(0, 3)),
                data.draw(st.dictionaries(mpids, st.integers(0, 9))),
            )
            for row in epochs
            if data.draw(st.booleans())
        ]
        since = self.since(data)
        answer = self.both(lambda i: i.visit(SPACE, epochs, asks, trims, since=since(i)))
        if not isinstance(answer, tuple):
            self.views.append(answer.found)

    @rule(kept=st.sampled_from(["short", "long"]))
    def keep(self, kept: Kept) -> None:
        """Let whoever claims the space next tell how request ids are to be kept in Redis."""
        self.redis._request_ids = kept

    @rule(take=takes)
    def take(self, take: Take) -> None:
        answer = self.both(lambda index: index.visit(SPACE, {}, [Ask(take=take)]))
        if not isinstance(answer, tuple):
            self.taken = [*self.taken[-3:], answer.entries]

    @rule(data=st.data(), entered=entries, aside=st.lists(mpids, max_size=2))
    def move(self, data: st.DataObject, entered: list[Entry], aside: list[int]) -> None:
        """Move entries, with documents, by what was taken at some time, perhaps long ago."""
        moves = Moves(data.draw(st.sampled_from(self.taken)), entered, aside)
        effects = replace(self.decide(data), moves=moves)
        self.both(lambda index: index.commit(SPACE, effects, ()))

    @rule(
        data=st.data(),
        moving=st.lists(rows, max_size=2, unique=True),
        steps=st.integers(1, 9),
        slip=slips,
        cursor_slip=slips,
    )
    def commit(
        self, data: st.DataObject, moving: list[RowKey], steps: int, slip: int, cursor_slip: int
    ) -> None:
        effects = self.decide(data)
        advances = []
        for row in moving:
            known = self.cursors.get(row)
            expected = known if known is None else known + cursor_slip
            advances.append(
                RowAdvance(
                    row, self.epochs.get(row, 1) + slip, expected, (known or 0) + steps, b"\x00:x"
                )
            )
        since = self.since(data)
        answer = self.both(lambda i: i.commit(SPACE, effects, advances, since(i)))
        if isinstance(answer, tuple):
            return
        if read := getattr(answer, "read", None):
            self.views.append(read)
            return
        self.cursors |= {move.row: move.cursor for move in advances}

    def decide(self, data: st.DataObject) -> Effects:
        """Change profiles by what was read at some time, perhaps long ago."""
        nothing = Effects({}, {}, {}, {})
        if not self.views:
            return nothing
        read = data.draw(st.sampled_from(self.views[-4:]))
        view = View(read, is_lookup, SPACE)
        for mpid in data.draw(some_mpids):
            try:
                now = view.exact(mpid) if data.draw(st.integers(0, 4)) == 0 else None
                if now is not None:
                    view.bury(now, data.draw(whys), 1_767_261_600_000)
                    view.end_record()
                    continue
            except Unread:
                return nothing
            survivor = data.draw(st.none() | st.none() | mpids)
            held = () if survivor is not None else data.draw(some_identifiers)
            try:
                view.put(self.person(mpid, held, survivor))
            except Unread:
                return nothing
            view.end_record()
        return view.effects() or nothing

    @staticmethod
    def person(mpid: int, held: tuple[Identifier, ...], survivor: int | None) -> Profile:
        return profile(mpid, *dict.fromkeys(held), merged_into=survivor)

    @invariant()
    def holds_the_same(self) -> None:
        if hasattr(self, "memory"):
            everything = [Ask(tuple(IDENTIFIERS), tuple(MPIDS))]
            answer = self.both(lambda index: index.visit(SPACE, {}, everything))
            self.both(lambda index: [index.openings(SPACE, range(16))])
            self.views = [*self.views[-5:], answer.found]


@pytest.mark.redis
@pytest.mark.timeout(300)
def test_memory_and_redis_agree_on_everything(redis_url, redis_prefix):
    number = 0

    def open_redis() -> RedisIndex:
        nonlocal number
        number += 1
        return RedisIndex(shared._connection, f"{redis_prefix}:{number}", b"key")

    shared = RedisIndex.connect(redis_url, redis_prefix)
    machine = type("TwinsHere", (Twins,), {"open_redis": staticmethod(open_redis)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            stateful_step_count=40, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )
    shared.close()

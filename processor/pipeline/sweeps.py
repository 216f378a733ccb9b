"""The sweeps of one process: which are issued, and how one that comes is carried out.

Whoever owns a partition of the topic ``clock`` issues the sweeps of its shards, at most one at a
time for each, and a few at a time in all, in turns: records that come meanwhile wait for those of
one poll batch, not for everybody who is due. Issued twice, or lost, they do no harm: a sweep only
asks what is due.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from processor.clock.place import SHARDS, shard_of
from processor.codecs.sweep import named_sweep, shard_sweep
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.identity.view import Unread
from processor.index.port import Ask, Commit, Index, RowAdvance
from processor.pipeline.journal import Entry, pack_entries
from processor.pipeline.pacing import Shard, SweepPace
from processor.pipeline.publish import Cause, audience_outputs, change_events, dead_letter
from processor.pipeline.quarantine import POISON
from processor.pipeline.round import CUT_WAIT_SECONDS, READ_PLACE, published_again
from processor.pipeline.session import SpaceSession
from processor.pipeline.subjects import receipt_output
from processor.pipeline.sweeping import Sweep, Swept, sweep, take_sweep, widened
from processor.pipeline.tally import Tally
from processor.pipeline.timing import TimeRules
from processor.pipeline.work import Settled
from processor.privacy.receipt import request_id_of
from processor.records import DeadLetter, Outcome, Output, Record


class Due(Struct, frozen=True):
    """What a look at the wheel has found of own shards."""

    is_open: bool
    """Whether a bucket is open by the wall that no sweep is under way for."""
    lag_s: float
    """For how long the oldest open bucket has been open."""
    set_aside: int
    """Profiles whom no sweep comes to."""


class Carried(Struct, gc=False):
    """A sweep that was carried out: its journal entry, and the documents that it changed."""

    order: Sweep
    entry: Entry
    workspace: str
    """The one that its changes name."""
    documents: tuple[Profile | Grave | Filed, ...] = ()

    def settled(self) -> Settled:
        """Return what becomes of it and what is published for it, but for profiles."""
        record, entry = self.order.record, self.entry
        if entry.outcome == "dead_letter":
            return dead_letter(record, POISON)
        outcome = Outcome("swept", None, None, entry.seq, entry.position)
        space = self.order.space
        place = (record.topic, record.partition, record.offset)
        cause = Cause(self.workspace, space.environment, self.order.as_of_ms, place)
        return Settled(
            record,
            outcome,
            None,
            change_events(entry.changes, record, space, cause),
            audience_outputs(entry, record, space, None),
            receipts=[receipt_output(one, request_id_of(one), record) for one in entry.receipts],
        )


class Clockwork(Struct, frozen=True):
    """What sweeps need of their process."""

    index: Index
    rules: Mapping[Space, TimeRules]
    """What time changes, of every space; where it changes nothing, profiles may be named."""
    topics: frozenset[str]
    """The topic of sweeps; none where time changes nothing."""
    pace: SweepPace
    wait: Callable[[float], None]


class Sweeps:
    """What one process does for the clock. One thread uses it."""

    def __init__(self, parts: Clockwork) -> None:
        self._parts = parts
        self.topics = parts.topics
        self._pace = parts.pace
        self._wanted: dict[Shard, _Open] = {}
        self._turns: dict[Shard, _Turn] = {}
        """Shards to be swept as soon as there is room, in their order."""
        self._next: list[Output] = []
        self._homes: dict[int, int] = {}
        """The partition that the sweeps of a shard go to, as far as any may be under way."""

    def forget(self) -> None:
        """Forget what is under way: it is asked anew."""
        self._keep(())
        self._wanted, self._next = {}, []

    def handed_over(self, partitions: Collection[int]) -> None:
        """Forget what is under way, or due to go, to *partitions*.

        They are read from now on, or by another owner. What is under way to others comes back.
        """
        self._keep([shard for shard, home in self._homes.items() if home not in partitions])
        self._wanted = {}

    # ---- issued -----------------------------------------------------------------------------

    def look(
        self, shards: Mapping[int, int], wall_ms: int, behind: Collection[int] = frozenset()
    ) -> Due:
        """Look at own *shards*, by the partition that their sweeps go to.

        None is wanted of shards whose partition is *behind*: a sweep of them may stand in it.
        """
        # What went to a partition that is another's now comes back to nobody here.
        self._keep(shards)
        self._homes = dict(shards)
        self._wanted, aside, oldest = {}, 0, wall_ms
        for space, rules in self._parts.rules.items():
            if not rules.is_needed:
                continue
            found = self._parts.index.openings(space, list(shards))
            for (shard, partition), opening in zip(shards.items(), found, strict=True):
                aside += opening.set_aside
                if opening.opens_ms is None or opening.opens_ms > wall_ms:
                    continue
                oldest = min(oldest, opening.opens_ms)
                key = space, shard
                is_out = key in self._pace or key in self._turns or partition in behind
                if not is_out:
                    self._wanted[key] = _Open(opening.opens_ms, partition)
        is_open = bool(self._wanted or self._turns)
        return Due(is_open, (wall_ms - oldest) / 1000, aside)

    def _keep(self, shards: Collection[int]) -> None:
        """Forget what is under way but for *shards*."""
        self._pace.keep(shards)
        self._turns = {key: one for key, one in self._turns.items() if key[1] in shards}

    def issue(self, as_of_ms: int) -> list[Output]:
        """Return sweeps of shards whose bucket has opened as of an instant, as many as may be."""
        opened = [(one, key) for key, one in self._wanted.items() if one.opens_ms <= as_of_ms]
        for one, key in sorted(opened):
            del self._wanted[key]
            self._turns[key] = _Turn(as_of_ms, one.partition)
        return self._begun()

    def following(self) -> list[Output]:
        """Return, once, the sweeps that follow those just carried out: more was open."""
        found, self._next = self._next, []
        return found

    def _begun(self) -> list[Output]:
        """Return the sweeps of those whose turn it is, and for whom there is room."""
        begun = list(self._turns)[: self._pace.room()] if self._turns else []
        self._pace.issued(begun)
        return [_sweep_of(*key, self._turns.pop(key)) for key in begun]

    # ---- carried out ------------------------------------------------------------------------

    def take(self, record: Record) -> Sweep | Settled:
        """Take a record of the topic of sweeps in."""
        found = take_sweep(record, self._parts.rules)
        return dead_letter(record, found) if isinstance(found, DeadLetter) else found

    def carry_out(
        self, taken: Sequence[object], sessions: Mapping[Space, SpaceSession], tally: Tally
    ) -> dict[int, Carried]:
        """Carry out the sweeps among *taken*, one after the other, by number in the batch."""
        if not self.topics:
            return {}
        return {
            number: self._carried(one, sessions[one.space], tally)
            for number, one in enumerate(taken)
            if isinstance(one, Sweep)
        }

    def _carried(self, order: Sweep, session: SpaceSession, tally: Tally) -> Carried:
        """Do what *order* asks for, once: one that was decided before is told again."""
        row, rules = order.record.row, self._parts.rules[order.space]
        if order.shard is not None:
            self._pace.returned((order.space, order.shard))
        entry = session.replayed(row, order.record.offset)
        if entry is not None:
            self._follow(order, _rest_again(order, entry))
            return _told_again(order, entry, session, rules.workspace)
        again = order
        while True:
            swept, seq = _worked_out(again, session, rules)
            entry = entry_of(order, swept)
            if swept.effects is None:
                entry.seq, entry.position = seq, READ_PLACE
                session.rows[row].pending.append(entry)
                break
            if _commit(session, order, swept, entry):
                break
            tally.conflicts += 1
            again = replace(again, most=max(1, again.most // 2))
            self._parts.wait(CUT_WAIT_SECONDS * (1 + order.record.offset * 7 % 13))
        self._note(order, swept, tally)
        return Carried(order, entry, rules.workspace, swept.documents)

    def _note(self, order: Sweep, swept: Swept, tally: Tally) -> None:
        self._pace.spend(len(swept.results))
        tally.swept.update(swept.results)
        tally.note_messages(swept.messages)
        if swept.effects is not None:
            for mpid in swept.effects.moves.set_aside:
                tally.set_aside[order.space.name, shard_of(mpid)] += 1
        self._follow(order, swept.rest)
        if order.shard is None:
            return
        if swept.has_more:
            turn = _Turn(order.as_of_ms, order.record.partition)
            self._turns[order.space, order.shard] = turn
            self._homes[order.shard] = turn.partition
        self._next += self._begun()

    def _follow(self, order: Sweep, rest: Sequence[int]) -> None:
        """Issue what names the *rest* of a sweep that names profiles.

        One each, where it was in hand alone as processes died: so whoever ends them is found.
        """
        lot = 1 if order.is_to_be_cut else max(1, len(rest))
        for at in range(0, len(rest), lot):
            named = rest[at : at + lot]
            value = named_sweep(order.space, order.as_of_ms, named, order.definitions)
            partition = order.record.partition
            self._next.append(Output("clock", None, value, (), partition=partition))


class _Open(NamedTuple):
    """A shard of which a bucket is open by the wall."""

    opens_ms: int
    partition: int


class _Turn(NamedTuple):
    """As of when a shard is to be swept, and where its sweep goes."""

    as_of_ms: int
    partition: int


def _sweep_of(space: Space, shard: int, turn: _Turn) -> Output:
    value = shard_sweep(space, turn.as_of_ms, shard)
    return Output("clock", None, value, (), partition=turn.partition)


def _worked_out(order: Sweep, session: SpaceSession, rules: TimeRules) -> tuple[Swept, int]:
    """Read what *order* asks for, and what turns out to be needed besides; work it out."""
    ask, row = order.ask(), order.record.row
    while True:
        reading = session.read([ask], [row])
        try:
            return sweep(order, reading, rules), reading.seq
        except Unread as more:
            ask = widened(ask, more)


def _commit(session: SpaceSession, order: Sweep, swept: Swept, entry: Entry) -> bool:
    """Write what a sweep does; False where something of it has changed since it was read."""
    assert swept.effects is not None
    row = session.rows[order.record.row]
    chunk = pack_entries((*row.pending, entry))
    advance = RowAdvance(row.key, row.epoch, row.cursor, entry.offset + 1, chunk)
    session.reach("before_sweep_commit")
    result = session.index.commit(session.space, swept.effects, [advance])
    session.reach("after_sweep_commit")
    if not isinstance(result, Commit):
        return False
    session.note_commit({row.key: [entry]}, result.seq)
    entry.seq = result.seq
    return True


def _told_again(order: Sweep, entry: Entry, session: SpaceSession, workspace: str) -> Carried:
    """Return a sweep as it was decided, with the documents of today."""
    mpids = tuple(mpid for mpid, _ in entry.touched)
    found = session.read([Ask(mpids=mpids)], [order.record.row]).found
    # Graves stay while a journal has an entry of them: where nothing lies, a case was taken away.
    gone = [Filed(m, v, b"") for m, v in entry.touched if found.lying(m) is None]
    return Carried(order, entry, workspace, (*published_again(found, entry), *gone))


def _rest_again(order: Sweep, entry: Entry) -> Sequence[int]:
    """Return whom a sweep that was decided before may not have come to.

    It does not tell whom it found up to date: to be looked at twice does no harm.
    """
    if order.shard is not None or entry.outcome == "dead_letter":
        return ()
    return order.after(entry.touched[-1][0] if entry.touched else None)


def shards_of(partitions: Collection[int], width: int) -> dict[int, int]:
    """Return the shards of whoever owns *partitions* of *width*, with the partition of each."""
    if width < 1:
        return {}
    return {s: s % width for s in range(SHARDS) if s % width in partitions}


def entry_of(order: Sweep, swept: Swept) -> Entry:
    """Return what a sweep's journal says of it."""
    return Entry(
        offset=order.record.offset,
        outcome="dead_letter" if order.is_poison else "swept",
        reason="poison" if order.is_poison else None,
        mpid=None,
        decision=None,
        changes=swept.changes,
        touched=tuple((one.mpid, one.version) for one in swept.documents),
        notifications=None,
        position=0,
        seq=0,
        messages=swept.messages,
        receipts=swept.receipts,
    )

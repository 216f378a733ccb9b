"""One space in one process: reads, folds and commits of its share of each poll batch.

Holds the protocol state of the space: its rows with their journals, what the open transaction has
published, and which documents must be published again because another processor overtook us.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.identity.view import ReadSet, Unread
from processor.index.errors import NoStart
from processor.index.port import (
    Ask,
    Committed,
    Conflict,
    Index,
    Mark,
    Reading,
    RowAdvance,
    RowState,
)
from processor.pipeline.fold import Decided, Folded, Folder
from processor.pipeline.intake import Work
from processor.pipeline.journal import Entry, Row, pack_entries
from processor.pipeline.tally import Tally
from processor.pipeline.witness import Witness
from processor.records import RowKey

READ_PLACE = 1_000_000
"""Where the places of batches without effect begin.

So the order of (seq, position) alone puts a commit before the reads of its seq.
"""
ROUNDS = 3
"""How often a batch may meet a conflict, by default, before it is cut."""
MOST_BYTES = 8 * 1024 * 1024
"""Bytes of records that are decided and committed together: they bound what one script writes."""
CUT_WAIT_SECONDS = 0.002
"""The unit of the wait between rounds of a batch that keeps losing its race."""


class Env(Struct, frozen=True):
    """What a session needs from the world, given by the composition root."""

    index: Index
    folder: Folder
    wait: Callable[[float], None]
    """Sleeps; only between the rounds of a contended commit."""
    reach: Callable[[str], None]
    """Passes a named crash point."""
    rounds: int
    """How often a batch may meet a conflict before it is cut."""


class Owed(Struct, frozen=True):
    """A document to publish again: another processor overtook the version that we published."""

    profile: Profile
    row: RowKey
    """Whose debt it is, and the last record of it that Kafka has committed."""
    offset: int


class SpaceSession:
    """The state and steps of one space. One thread uses it."""

    def __init__(self, space: Space, env: Env) -> None:
        self.space = space
        self._env = env
        self.rows: dict[RowKey, Row] = {}
        self.seq = 0
        self._owed: dict[int, Owed] = {}
        self._published: dict[int, int] = {}

    # ---- rows -------------------------------------------------------------------------------

    def claimed(self, state: RowState, committed: int, seq: int) -> None:
        """Take over a row that the index has just given us."""
        self.rows[state.row] = Row.claimed(state, committed)
        self.seq = max(self.seq, seq)

    def released(self, key: RowKey) -> None:
        """Give a row up."""
        self.rows.pop(key, None)

    def witness(self, key: RowKey) -> Witness:
        """Return what the next committed offset of *key* is to say of this space."""
        row = self.rows.get(key)
        return Witness(cursor=row.cursor if row else None, seq=self.seq)

    # ---- a poll batch -----------------------------------------------------------------------

    def decide(self, works: Sequence[Work], tally: Tally) -> list[Decided]:
        """Decide *works*, in order, and commit their effects: as a rule one read, one commit."""
        decided: list[Decided] = []
        rest = list(works)
        while rest:
            lot = _within_bytes(rest)
            asks = [self._ask(work) for work in lot]
            reading = self._read(asks, [self._row(work).key for work in lot])
            covered = lot[: reading.covered]
            done = self._decide_covered(covered, reading, tally)
            decided += done
            rest = rest[len(done) :]
        return decided

    def owed(self) -> list[Owed]:
        """Return, once, the documents that the next transaction must hold besides its own."""
        owed = [
            one
            for mpid, one in self._owed.items()
            if self._published.get(mpid, 0) < one.profile.version
        ]
        self._owed = {}
        for one in owed:
            self.note_published(one.profile)
        return owed

    def note_published(self, profile: Profile) -> None:
        """Note that the open transaction holds this version of *profile*."""
        before = self._published.get(profile.mpid, 0)
        self._published[profile.mpid] = max(before, profile.version)

    def mark(self, marks: Sequence[Mark]) -> None:
        """Note in the rows what is in hand, before it is looked at."""
        epochs = {mark.row: self.rows[mark.row].epoch for mark in marks}
        self._env.index.read(self.space, epochs, (), (), marks)

    def check(self) -> None:
        """Trim what can be trimmed, and notice lost writes and newer owners, without any record."""
        self._read([], list(self.rows))

    # ---- the transaction --------------------------------------------------------------------

    def committed(self, offsets: dict[RowKey, int]) -> None:
        """Note that a Kafka transaction committed: *offsets* are the group's now."""
        for row in self.rows.values():
            row.committed = max(row.committed, offsets.get(row.key, 0))
            row.note_published(self._published)
            row.pending.clear()
            row.is_waiting = False
            row.replay = {o: e for o, e in row.replay.items() if o >= row.committed}
        self._published = {}

    # ---- inside -----------------------------------------------------------------------------

    def _row(self, work: Work) -> Row:
        key = RowKey(work.record.topic, work.record.partition)
        return self.rows[key]

    def is_behind(self, positions: Mapping[RowKey, int]) -> bool:
        """Return whether any row has records to replay."""
        return any(row.replay_end > positions.get(key, 0) for key, row in self.rows.items())

    def is_undecided(self, work: Work) -> bool:
        """Return whether the row passed *work* by without a decision."""
        row = self._row(work)
        return work.record.offset < row.replay_end and work.record.offset not in row.replay

    def _replayed(self, work: Work) -> Entry | None:
        """Return the journalled decision of a record below its row's cursor."""
        row = self._row(work)
        if work.record.offset >= row.replay_end:
            return None
        entry = row.replay.get(work.record.offset)
        if entry is None:
            message = (
                f"{row.key.topic}/{row.key.partition} offset {work.record.offset} is below the"
                f" cursor {row.replay_end} of space {self.space.name}, but the journal has no"
                " decision for it; another configuration may have taken it. Go on with that one,"
                " or run `idstream restore --accept-loss` to have what is under way decided anew"
            )
            raise NoStart(message)
        return entry

    def _ask(self, work: Work) -> Ask:
        entry = self._replayed(work)
        if entry is None:
            return work.ask
        return Ask(mpids=_named(entry))

    def _read(self, asks: Sequence[Ask], keys: Sequence[RowKey]) -> Reading:
        rows = [self.rows[key] for key in dict.fromkeys(keys)]
        trims = [trim for row in rows if (trim := row.trim()) is not None]
        reading = self._env.index.read(
            self.space, {row.key: row.epoch for row in rows}, asks, trims
        )
        if trims:
            self._env.reach("after_trim")
        for trim, owed in zip(trims, reading.owed, strict=True):
            row = self.rows[trim.row]
            row.trimmed(trim, owed)
            for mpid in owed:
                if mpid in reading.newer:
                    self._owed[mpid] = Owed(reading.newer[mpid], row.key, row.committed - 1)
        self.seq = max(self.seq, reading.seq)
        return reading

    def _decide_covered(self, works: list[Work], reading: Reading, tally: Tally) -> list[Decided]:
        """Fold and commit *works*, or a prefix where others keep changing what they read."""
        read, duplicates, seq = reading.read, reading.duplicates, reading.seq
        live = [self._replayed(work) is None for work in works]
        conflicts = 0
        while True:
            try:
                folded = self._fold(works, duplicates, live, read)
            except Unread as more:
                wider = self._read([_everything(read, more)], [self._row(w).key for w in works])
                read, seq = wider.read, wider.seq
                tally.redecisions += 1
                continue
            if folded.effects is None:
                return self._note_read(folded, seq, live)
            result = self._commit(folded, live)
            if isinstance(result, Committed):
                tally.conflicts += conflicts
                return self._note_commit(folded, result.seq, live)
            conflicts += 1
            tally.redecisions += 1
            read, seq = result.read, result.seq
            if conflicts >= self._env.rounds and len(works) > 1:
                works = works[: max(1, len(works) // 2)]
                duplicates, live = duplicates[: len(works)], live[: len(works)]
            if conflicts >= self._env.rounds:
                self._env.wait(CUT_WAIT_SECONDS * (1 + works[0].record.offset * 7 % 13))

    def _fold(
        self, works: list[Work], duplicates: Sequence[bool], live: list[bool], read: ReadSet
    ) -> Folded:
        """Fold the live records; replayed ones take their entry and today's document."""
        fresh = [w for w, is_live in zip(works, live, strict=True) if is_live]
        claims = [d for d, is_live in zip(duplicates, live, strict=True) if is_live]
        folded = self._env.folder.fold(fresh, claims, read)
        if len(fresh) == len(works):
            return folded
        fresh_decided = iter(folded.decided)
        decided = [
            next(fresh_decided) if is_live else self._replay(work, read)
            for work, is_live in zip(works, live, strict=True)
        ]
        return Folded(decided, folded.effects)

    def _replay(self, work: Work, read: ReadSet) -> Decided:
        entry = self._replayed(work)
        assert entry is not None
        named = _named(entry)
        if unread := [mpid for mpid in named if mpid not in read.profiles]:
            raise Unread(mpids=unread)  # a conflict answers with what the live records read
        return Decided(
            work,
            entry,
            None if entry.mpid is None else _today(read, entry.mpid),
            documents=tuple(p for m, _ in entry.touched if (p := read.profiles[m]) is not None),
        )

    def _commit(self, folded: Folded, live: list[bool]) -> Committed | Conflict:
        assert folded.effects is not None
        advances = []
        for key, entries in self._entries(folded, live).items():
            row = self.rows[key]
            advances.append(
                RowAdvance(
                    row=key,
                    epoch=row.epoch,
                    expected_cursor=row.cursor,
                    cursor=entries[-1].offset + 1,
                    chunk=pack_entries((*row.pending, *entries)),
                )
            )
        self._env.reach("before_index_commit")
        result = self._env.index.commit(self.space, folded.effects, advances)
        self._env.reach("after_index_commit")
        return result

    def _entries(self, folded: Folded, live: list[bool]) -> dict[RowKey, list[Entry]]:
        entries: dict[RowKey, list[Entry]] = {}
        for decided, is_live in zip(folded.decided, live, strict=True):
            if is_live:
                entries.setdefault(self._row(decided.work).key, []).append(decided.entry)
        return entries

    def _note_read(self, folded: Folded, seq: int, live: list[bool]) -> list[Decided]:
        """Keep the decisions of a batch without effects for the next commit of their rows."""
        for place, (decided, is_live) in enumerate(zip(folded.decided, live, strict=True)):
            if is_live:
                decided.entry = replace(decided.entry, seq=seq, position=READ_PLACE + place)
                self._row(decided.work).pending.append(decided.entry)
        return folded.decided

    def _note_commit(self, folded: Folded, seq: int, live: list[bool]) -> list[Decided]:
        self.seq = max(self.seq, seq)
        for key, entries in self._entries(folded, live).items():
            row = self.rows[key]
            row.note_chunk((*row.pending, *entries))
            row.pending.clear()
            row.cursor = entries[-1].offset + 1
        for decided, is_live in zip(folded.decided, live, strict=True):
            if is_live:
                decided.entry = replace(decided.entry, seq=seq)
        return folded.decided


def _today(read: ReadSet, mpid: int) -> Profile | None:
    """Return what a replayed decision's profile holds now, under the MPID that was decided.

    It may have been merged since: then that is what its survivor holds.
    """
    profile = read.profiles[mpid]
    while profile is not None and profile.merged_into is not None:
        profile = read.profiles[profile.merged_into]
    if profile is None or profile.mpid == mpid:
        return profile
    return replace(profile, mpid=mpid)


def _named(entry: Entry) -> tuple[int, ...]:
    """Return the profiles that the outputs of a journalled decision show."""
    touched = tuple(mpid for mpid, _ in entry.touched)
    return touched if entry.mpid is None else (entry.mpid, *touched)


def _within_bytes(works: list[Work]) -> list[Work]:
    """Return the longest prefix within the bound, one record at least."""
    size = 0
    for place, work in enumerate(works):
        size += len(work.record.value or b"")
        if size > MOST_BYTES and place:
            return works[:place]
    return works


def _everything(read: ReadSet, more: Unread) -> Ask:
    """Return one ask for all that was read and what turned out to be missing: again one instant."""
    identifiers: dict[Identifier, None] = dict.fromkeys((*read.holders, *more.identifiers))
    mpids = dict.fromkeys((*read.profiles, *more.mpids))
    return Ask(identifiers=tuple(identifiers), mpids=tuple(mpids))

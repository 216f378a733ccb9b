"""A round on the index: read what records may touch, fold them, commit what they change.

As a rule a poll batch's share of a space takes one round. It takes more where the fold needs
something that was not read, or where another processor changed what was read meanwhile: then all
of it is read and folded again, and after ``ROUNDS`` conflicts in shorter and shorter prefixes, down
to one record. So contention slows, and never fails.
"""

from collections.abc import Callable, Sequence
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Identifier
from processor.identity.profile import Profile
from processor.identity.view import Outdated, ReadSet, Unread
from processor.index.port import Ask, Commit, Conflict, Reading, RowAdvance
from processor.pipeline.fold import Fold, Folded
from processor.pipeline.journal import Entry, pack_entries
from processor.pipeline.known import Known
from processor.pipeline.session import SpaceSession
from processor.pipeline.tally import Tally
from processor.pipeline.work import Decided, Work
from processor.records import RowKey

READ_PLACE = 1_000_000
"""Added to ``Entry.position`` of batches that committed nothing.

So sorting by (seq, position) puts a commit before the batches that only read its seq.
"""
ROUNDS = 3
"""How often a batch may meet a conflict, by default, before it is cut."""
MOST_BYTES = 8 * 1024 * 1024
"""Bytes of records that are decided and committed together: they bound what one script writes."""
CUT_WAIT_SECONDS = 0.002
"""The unit of the wait between rounds of a batch that keeps losing its race."""


class Item(Struct):
    """A record of a round."""

    work: Work
    row: RowKey
    entry: Entry | None
    """The journalled decision, which is replayed; None for a live record, which is decided now."""
    is_duplicate: bool = False
    """Whether another record used its ``source_request_id`` before."""


class Rounds(Struct, frozen=True):
    """Decides the records of one space over a session of it."""

    session: SpaceSession
    fold: Fold
    wait: Callable[[float], None]
    """Sleeps; only between the rounds of a contended commit."""
    most: int = ROUNDS
    """How often a batch may meet a conflict before it is cut."""

    def decide(self, works: Sequence[Work], tally: Tally) -> list[Decided]:
        """Decide *works*, in order, and commit their effects: as a rule one read, one commit."""
        decided: list[Decided] = []
        rest = [self._item(work) for work in works]
        while rest:
            lot = _within_bytes(rest)
            asks = [_ask(item) for item in lot]
            reading = self.session.read(asks, [item.row for item in lot])
            covered = lot[: reading.covered]
            for item, is_duplicate in zip(covered, reading.duplicates, strict=True):
                item.is_duplicate = is_duplicate
            done = self._decide_covered(covered, reading, tally)
            decided += done
            rest = rest[len(done) :]
        return decided

    def _item(self, work: Work) -> Item:
        record = work.record
        row = self.session.rows[record[:2]]  # type: ignore[index]  # equals its key
        if record.offset >= row.replay_end:
            return Item(work, row.key, None)
        return Item(work, row.key, self.session.replayed(row.key, record.offset))

    def _decide_covered(self, items: list[Item], reading: Reading, tally: Tally) -> list[Decided]:
        """Fold and commit *items*, or a prefix where others keep changing what they read."""
        read, seq = reading.found, reading.seq
        conflicts = 0
        while True:
            try:
                folded = self._fold(items, read)
            except (Unread, Outdated) as more:
                wider = self._read_more(items, read, more)
                read, seq = wider.found, wider.seq
                tally.redecisions += 1
                continue
            if folded.effects is None:
                self._keep(items, folded, seq)
                return folded.decided
            result = self._commit(items, folded)
            if isinstance(result, Commit):
                tally.conflicts += conflicts
                return folded.decided
            conflicts += 1
            tally.redecisions += 1
            read, seq = result.found, result.seq
            if conflicts >= self.most and len(items) > 1:
                items = items[: max(1, len(items) // 2)]
            if conflicts >= self.most:
                # Two processors that keep meeting wait for different times, without chance.
                self.wait(CUT_WAIT_SECONDS * (1 + items[0].work.record.offset * 7 % 13))

    def _read_more(self, items: Sequence[Item], read: ReadSet, more: Unread | Outdated) -> Reading:
        """Read again all that was read, and what turned out to be needed besides."""
        if isinstance(more, Outdated):
            _forget(items, more)
        rows = [item.row for item in items]
        return self.session.read([_everything(items, read, more)], rows)

    def _fold(self, items: Sequence[Item], read: ReadSet) -> Folded:
        """Fold the live records; replayed ones take their entry and today's document."""
        live = [(item.work, item.is_duplicate) for item in items if item.entry is None]
        folded = self.fold.fold(live, read)
        if len(live) == len(items):
            return folded
        fresh = iter(folded.decided)
        decided = [
            next(fresh) if item.entry is None else _replay(item.work, item.entry, read)
            for item in items
        ]
        return Folded(decided, folded.effects)

    def _commit(self, items: Sequence[Item], folded: Folded) -> Commit | Conflict:
        """Write the effects, advance the rows, journal every decision not journalled yet."""
        assert folded.effects is not None
        session = self.session
        entries: dict[RowKey, list[Entry]] = {}
        for item, decided in zip(items, folded.decided, strict=True):
            if item.entry is None:
                entries.setdefault(item.row, []).append(decided.entry)
        advances = []
        for key, its in entries.items():
            row = session.rows[key]
            chunk = pack_entries((*row.pending, *its))
            advances.append(RowAdvance(key, row.epoch, row.cursor, its[-1].offset + 1, chunk))
        session.reach("before_index_commit")
        result = session.index.commit(session.space, folded.effects, advances)
        session.reach("after_index_commit")
        if isinstance(result, Commit):
            session.note_commit(entries, result.seq)
            for entry in chain.from_iterable(entries.values()):
                entry.seq = result.seq
        return result

    def _keep(self, items: Sequence[Item], folded: Folded, seq: int) -> None:
        """Keep the decisions of a batch without effects for the next commit of their rows."""
        rows = self.session.rows
        for number, (item, decided) in enumerate(zip(items, folded.decided, strict=True)):
            if item.entry is None:
                entry = decided.entry
                entry.seq, entry.position = seq, READ_PLACE + number
                rows[item.row].pending.append(entry)


def _ask(item: Item) -> Ask:
    return item.work.ask if item.entry is None else Ask(mpids=_named(item.entry))


def _replay(work: Work, entry: Entry, read: ReadSet) -> Decided:
    """Return a record as its journalled *entry* decided it, with its profiles of today."""
    named = _named(entry)
    if unread := [mpid for mpid in named if mpid not in read.profiles]:
        raise Unread(mpids=unread)  # the reply to a conflict has only what live records read
    return Decided(
        work,
        entry,
        None if entry.mpid is None else _today(read, entry.mpid),
        documents=published_again(read, entry),
    )


def published_again(read: ReadSet, entry: Entry) -> tuple[Profile | Grave | Filed, ...]:
    """Return what a replayed decision publishes: documents of today.

    Who has ended since is told of by whoever ended them, and a grave that this record made is
    still there: it stays for as long as a journal has an entry of it.
    """
    made = {m for m, version in entry.touched if (g := read.graves.get(m)) and g.version == version}
    return read.documents(
        m for m, _ in entry.touched if read.profiles[m] or m in made or m in read.filed
    )


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


def _within_bytes(items: list[Item]) -> list[Item]:
    """Return the longest prefix within the bound, one record at least."""
    size = sum([len(item.work.record.value or b"") for item in items])
    if size <= MOST_BYTES:
        return items
    size = 0
    for number, item in enumerate(items):
        size += len(item.work.record.value or b"")
        if size > MOST_BYTES and number:
            return items[:number]
    return items


def _forget(items: Sequence[Item], outdated: Outdated) -> None:
    """Drop remembered decisions that are outdated, or read something of the same people.

    Their records are decided anew.
    """
    for item in items:
        content = item.work.content
        if isinstance(content, Known) and content.is_outdated(outdated):
            work = content.take_anew()
            assert isinstance(work, Work)  # only work has decisions to be remembered
            item.work = work


def _everything(items: Sequence[Item], read: ReadSet, more: Unread | Outdated) -> Ask:
    """Return one ask for all that was read and all that was missing, to be read in one instant."""
    identifiers: dict[Identifier, None] = dict.fromkeys(read.holders)
    mpids = dict.fromkeys(read.profiles)
    if isinstance(more, Unread):
        identifiers.update(dict.fromkeys(more.identifiers))
        mpids.update(dict.fromkeys(more.mpids))
    else:
        for item in items:
            ask = _ask(item)
            identifiers.update(dict.fromkeys(ask.identifiers))
            mpids.update(dict.fromkeys(ask.mpids))
    return Ask(identifiers=tuple(identifiers), mpids=tuple(mpids))

"""The index of every space in memory: for ``idstream resolve``, and for tests without a server.

It keeps every promise of ``port.Index`` but durability. It never forgets the use of a request id,
and as it has no bytes only the number of keys bounds a visit.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, groupby
from operator import attrgetter

from msgspec import Struct, field
from msgspec.structs import replace

from processor.clock.wheel import Entry, Moves, Wheel
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.identity.unnamed import HASHED
from processor.identity.view import NO_FILING, Effects, Holders, ReadSet, canonical
from processor.index.derivation import IsLookup, derive
from processor.index.errors import lost_row, lost_space, moved, newer_owner, other_group
from processor.index.files import Files
from processor.index.noted import Note, changed_since, moment_of
from processor.index.port import (
    Ask,
    Changed,
    ClaimReply,
    Commit,
    Conflict,
    Mark,
    Moment,
    Opening,
    Reading,
    RowAdvance,
    RowClaim,
    RowState,
    Trim,
    Use,
    changed_by,
)
from processor.index.tokens import tokens
from processor.index.uses import is_duplicate
from processor.records import RowKey

MAX_KEYS = 20_000
DOCUMENT_BYTES = 1_000
"""What every document is said to have: here they have no bytes."""
SLICE = 20
"""Profiles that a take reads before it looks at how many there were."""
MOST_NOTES = 256
"""How many of the last changes of a space are known one by one."""


class _Row(Struct):
    epoch: int = 0
    cursor: int | None = None
    topic_id: str = ""
    config: str = ""
    next_config: str = ""
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    owed: set[int] = field(default_factory=set)
    mark: Mark | None = None


class _Space(Struct):
    token: Callable[[Identifier], bytes]
    seq: int = 0
    notes: deque[Note] = field(default_factory=lambda: deque(maxlen=MOST_NOTES))
    owner: str = ""
    shape: str = ""
    rows: dict[RowKey, _Row] = field(default_factory=dict)
    holders: dict[Identifier, Holders] = field(default_factory=dict)
    profiles: dict[int, Profile] = field(default_factory=dict)
    graves: dict[int, Grave] = field(default_factory=dict)
    files: Files = field(default_factory=Files)
    used: dict[tuple[int, bytes], list[Use]] = field(default_factory=dict)
    wheel: Wheel = field(default_factory=Wheel)


class MemoryIndex:
    """``processor.index.port.Index`` in the memory of one process; one thread uses it."""

    def __init__(self, token_key: bytes = b"", max_keys: int = MAX_KEYS) -> None:
        self._tokens = tokens(token_key)
        self._max_keys = max_keys
        self._spaces: dict[Space, _Space] = {}
        self._tags = count()
        """Counts changes: no two have the same tag, even where a loss repeats their seq."""

    def load(self, profiles: Iterable[Profile], is_lookup: Mapping[str, IsLookup]) -> None:
        """Replace the documents of the spaces in *profiles*, and derive their index entries.

        *is_lookup* says for each scope which identity types are lookups.
        """
        for space, state in derive(profiles, is_lookup).items():
            held = self._space(space)
            held.profiles, held.holders = state.profiles, state.holders
            held.graves = {}
            held.wheel = Wheel()
            places = [(p.place.bucket, p.mpid) for p in state.profiles.values()]
            held.wheel.move(Moves(entered=[Entry(b, mpid) for b, mpid in places if b is not None]))

    def profiles(self) -> Iterator[Profile]:
        """Yield every document, those of merged profiles included, by space and MPID."""
        for space in sorted(self._spaces):
            documents = self._spaces[space].profiles
            yield from (documents[mpid] for mpid in sorted(documents))

    def documents_filed(self) -> Iterator[Filed]:
        """Yield every document that is no profile, by space and number."""
        for space in sorted(self._spaces):
            documents = self._spaces[space].files.documents
            yield from (documents[number] for number in sorted(documents))

    def document(self, scope: str, mpid: int) -> Profile | None:
        """Return the document of *mpid* in a scope, in whichever environment it is."""
        held = (one.profiles.get(mpid) for s, one in self._spaces.items() if s.scope == scope)
        return next((profile for profile in held if profile is not None), None)

    def token(self, identifier: Identifier) -> bytes:
        """Return the 16 bytes that stand for *identifier*."""
        return self._tokens(identifier)

    def claim(
        self, space: Space, owner: str, config: str, rows: Sequence[RowClaim], shape: str
    ) -> ClaimReply:
        """Take rows over: raise each one's epoch and the space's seq by one, return the rows."""
        held = self._space(space)
        if held.owner not in {"", owner}:
            raise other_group(space)
        if held.seq < max((claim.seen for claim in rows), default=0):
            raise lost_space(space)
        if shape and held.shape not in {"", shape}:
            return ClaimReply(0, (), held.shape)
        held.owner = owner
        held.shape = held.shape or shape
        self._raise(held, Changed())
        states = tuple(_claim_row(held, claim, config) for claim in rows)
        return ClaimReply(held.seq, states, held.shape)

    def visit(
        self,
        space: Space,
        epochs: dict[RowKey, int],
        asks: Sequence[Ask],
        trims: Sequence[Trim] = (),
        marks: Sequence[Mark] = (),
        since: Moment | None = None,
    ) -> Reading:
        """Return what *asks* name; note which request ids they use, trim journals, note marks."""
        held = self._space(space)
        changed = changed_since(space, held.seq, held.notes, since)
        _check_epochs(space, held, epochs)
        _check_owned(epochs, (*trims, *marks))
        for mark in marks:
            held.rows[mark.row].mark = mark
        found, newer = ReadSet({}, {}, {}, {}, {}), dict[int, Profile | Grave | Filed]()
        owed = tuple(_trim(held, trim, newer) for trim in trims)
        covered = 0
        for ask in asks:
            if len(found.holders) + len(found.profiles) >= self._max_keys and covered:
                break
            _collect(held, ask.identifiers, ask.mpids, found)
            covered += 1
        entries = _take(held, asks[:covered], found, self._max_keys)
        duplicates = tuple(is_duplicate(held.used, ask.use) for ask in asks[:covered])
        moment, sizes = moment_of(held.seq, held.notes), _sizes(found)
        needed, oldest = _needed(held, found) if entries else (frozenset[int](), None)
        return Reading(
            covered,
            held.seq,
            found,
            duplicates,
            owed,
            newer,
            moment,
            changed,
            sizes,
            entries,
            needed,
            oldest,
        )

    def commit(
        self,
        space: Space,
        effects: Effects,
        advances: Sequence[RowAdvance],
        since: Moment | None = None,
    ) -> Commit | Conflict:
        """Write all effects, advance rows and append to journals, if what was read is still so."""
        held = self._space(space)
        changed = changed_since(space, held.seq, held.notes, since)
        for advance in advances:
            _check_epochs(space, held, {advance.row: advance.epoch})
            _check_cursor(space, held, advance)
        if not _is_as_read(held, effects):
            found = ReadSet({}, {}, {}, {}, {})
            _collect(held, effects.expected_holders, effects.expected_versions, found)
            return Conflict(
                held.seq, found, moment_of(held.seq, held.notes), changed, _sizes(found)
            )
        self._raise(held, changed_by(effects, self.token))
        for identifier, holders in effects.holders.items():
            if holders:
                held.holders[identifier] = canonical(holders)
            else:
                held.holders.pop(identifier, None)
        _write(held, effects)
        held.wheel.move(effects.moves)
        for advance in advances:
            row = held.rows[advance.row]
            row.cursor, row.config = advance.cursor, row.next_config
            row.chunks.append((held.seq, advance.chunk))
        sizes = dict.fromkeys(effects.profiles, DOCUMENT_BYTES)
        return Commit(held.seq, moment_of(held.seq, held.notes), changed, sizes)

    def openings(self, space: Space, shards: Sequence[int]) -> tuple[Opening, ...]:
        """Return what the wheel holds of each of *shards*; nothing is written."""
        wheel = self._space(space).wheel
        return tuple(Opening(wheel.opening_ms(s), wheel.set_aside(s)) for s in shards)

    def _raise(self, held: _Space, changed: Changed) -> None:
        """Raise the seq of a space, and leave a note of what has changed under it."""
        held.seq += 1
        moment = Moment(held.seq, next(self._tags).to_bytes(8, "big"))
        held.notes.append(Note(moment, changed))

    def _space(self, space: Space) -> _Space:
        held = self._spaces.get(space)
        if held is None:
            held = self._spaces[space] = _Space(self._tokens)
        return held


def _sizes(found: ReadSet) -> dict[int, int]:
    return dict.fromkeys(found.profiles, DOCUMENT_BYTES)


def _claim_row(held: _Space, claim: RowClaim, config: str) -> RowState:
    row = held.rows.get(claim.row)
    if row is None or row.topic_id != claim.topic_id:
        row = _Row(epoch=row.epoch if row else 0, topic_id=claim.topic_id)
        held.rows[claim.row] = row
    row.epoch += 1
    state = RowState(
        row=claim.row,
        epoch=row.epoch,
        cursor=row.cursor,
        config=row.config,
        chunks=tuple(row.chunks),
        owed=tuple(sorted(row.owed)),
        mark=row.mark,
    )
    if claim.anew:
        row.cursor = row.mark = None
    row.next_config = config
    if not row.chunks:
        row.config = config
    return state


def _check_epochs(space: Space, held: _Space, epochs: Mapping[RowKey, int]) -> None:
    for key, epoch in epochs.items():
        row = held.rows.get(key)
        if row is None or row.epoch < epoch:
            raise lost_row(space, key)
        if row.epoch > epoch:
            raise newer_owner(space, key)


def _check_cursor(space: Space, held: _Space, advance: RowAdvance) -> None:
    """Raise where the cursor is not where the caller left it; nobody else moves it in its epoch."""
    cursor, expected = held.rows[advance.row].cursor, advance.expected_cursor
    if cursor == expected:
        return
    if cursor is None or (expected is not None and cursor < expected):
        raise lost_row(space, advance.row)
    raise moved(space, advance.row)


def _check_owned(epochs: Mapping[RowKey, int], work: Sequence[Trim | Mark]) -> None:
    if not all(one.row in epochs for one in work):
        raise ValueError("only the owner of a row may trim its journal or mark it")


def _write(held: _Space, effects: Effects) -> None:
    """Write documents and graves: under an MPID is one or the other."""
    held.profiles.update(effects.profiles)
    for mpid in effects.profiles:
        held.graves.pop(mpid, None)
    for mpid in effects.dropped:
        held.graves.pop(mpid, None)
    for mpid, grave in effects.graves.items():
        held.profiles.pop(mpid, None)
        held.graves[mpid] = replace(grave, seq=held.seq)
    if effects.filing is not NO_FILING:
        for mpid in effects.filing.exhumed:
            held.graves.pop(mpid, None)
        held.files.write(effects.filing)


def _version(held: _Space, mpid: int) -> int:
    found = _lying(held, mpid)
    return 0 if found is None else found.version


def _lying(held: _Space, mpid: int) -> Profile | Grave | Filed | None:
    return held.profiles.get(mpid) or held.graves.get(mpid) or held.files.documents.get(mpid)


def _trim(held: _Space, trim: Trim, newer: dict[int, Profile | Grave | Filed]) -> tuple[int, ...]:
    found = {
        mpid: document
        for mpid, published in trim.published.items()
        if (document := _lying(held, mpid)) is not None and document.version > published
    }
    newer.update(found)
    row = held.rows[trim.row]
    del row.chunks[: trim.chunks]
    if not row.chunks:
        row.config = row.next_config
    row.owed -= trim.published.keys()
    row.owed |= found.keys()
    return tuple(found)


def _collect(
    held: _Space, identifiers: Iterable[Identifier], mpids: Iterable[int], found: ReadSet
) -> None:
    """Add holders of *identifiers*, their documents and *mpids*, and the survivors of merges."""
    wanted: list[int] = []
    for identifier in identifiers:
        if identifier not in found.holders:
            found.holders[identifier] = _holders(held, identifier)
            wanted += found.holders[identifier]
    held.files.add_markers(found, held.token)
    wanted += mpids
    while wanted:
        mpid = wanted.pop()
        if mpid in found.profiles:
            continue
        profile = found.profiles[mpid] = held.profiles.get(mpid)
        if profile is None and mpid in held.graves:
            found.graves[mpid] = held.graves[mpid]
        elif profile is None and mpid in held.files.documents:
            found.filed[mpid] = held.files.documents[mpid]
        if profile is not None and profile.merged_into is not None:
            wanted.append(profile.merged_into)


def _holders(held: _Space, identifier: Identifier) -> Holders:
    if identifier.identity_type != HASHED:
        return held.holders.get(identifier, ())
    token = held.token(identifier)
    return next((its for one, its in held.holders.items() if held.token(one) == token), ())


def _take(held: _Space, asks: Sequence[Ask], found: ReadSet, max_keys: int) -> tuple[Entry, ...]:
    """Return the entries that an ask takes, and add their profiles to *found*."""
    entries: list[Entry] = []
    for take in (ask.take for ask in asks if ask.take is not None):
        for _, its in groupby(held.wheel.take(take), key=attrgetter("bucket")):
            for number, entry in enumerate(its):
                is_full = len(found.holders) + len(found.profiles) >= max_keys
                if is_full and number % SLICE == 0 and entries:
                    return tuple(entries)
                _collect(held, (), (entry.mpid,), found)
                entries.append(entry)
    return tuple(entries)


def _needed(held: _Space, found: ReadSet) -> tuple[frozenset[int], int | None]:
    """Return what of *found* a row may still need; with a case the oldest journal entry's seq."""
    oldest = min((row.chunks[0][0] for row in held.rows.values() if row.chunks), default=None)
    owed = {mpid for row in held.rows.values() for mpid in row.owed}
    needed = {
        mpid
        for mpid, grave in found.graves.items()
        if mpid in owed or (oldest is not None and grave.seq >= oldest)
    }
    if not found.filed:
        return frozenset(needed), None
    return frozenset(needed | (owed & found.profiles.keys())), oldest


def _is_as_read(held: _Space, effects: Effects) -> bool:
    return (
        held.wheel.is_at_front(effects.moves.taken)
        and all(
            canonical(holders) == _holders(held, identifier)
            and effects.markers.get(identifier, ()) == held.files.markers_of(identifier, held.token)
            for identifier, holders in effects.expected_holders.items()
        )
        and all(
            version == _version(held, mpid) for mpid, version in effects.expected_versions.items()
        )
    )

"""Arguments and replies of the scripts: one msgpack blob goes in, plain values come out.

MPIDs travel as 16 hex digits, versions as 8 bytes, epochs, cursors and seq as decimal text: in Lua
none may become a number, which is exact to 2^53 only. Bytes travel as msgpack strings, for cmsgpack
knows no binary type.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import msgspec
from msgspec import Raw, Struct

from processor.clock.bucket import bucket_named
from processor.clock.place import shard_of
from processor.clock.wheel import STILL, Entry, Moves, Take
from processor.identity.filed import Filing
from processor.identity.model import Identifier
from processor.identity.view import Effects
from processor.index.port import Ask, Mark, Moment, Opening, RowAdvance, RowClaim, RowState, Trim
from processor.records import RowKey
from processor.redis import keys
from processor.redis.forms import Form, Kept
from processor.redis.packing import binary
from processor.redis.uses import UseGroups

Token = Callable[[Identifier], Raw]
"""Returns the token of an identifier, packed as a msgpack string."""

_encode = msgspec.msgpack.Encoder().encode


class Bounds(Struct, frozen=True):
    """After how many keys and bytes a visit stops: the server answers nobody else meanwhile."""

    max_keys: int = 20_000
    max_bytes: int = 4_194_304


class RowWrites(Struct, frozen=True):
    """What a visit writes to rows: journals to trim, marks to note."""

    trims: Sequence[Trim]
    marks: Sequence[Mark]


class Known(Struct, frozen=True):
    """The state of a space that the caller knows already."""

    seen: int
    """The highest seq of the space that it saw."""
    since: Moment | None
    """The moment since which changes are to be told; None: they are not asked for."""
    forms: Sequence[Form] = ()
    """In which forms it has uses of request ids: that first in which they are written."""


class PackedVisit(Struct):
    """A visit, packed, and the identifiers it names in the order of the answer."""

    blob: bytes
    identifiers: list[Identifier]
    has_uses: bool


def packed(token: Callable[[Identifier], bytes]) -> Token:
    """Return *token* with its results packed and remembered: known users come back all day."""

    @lru_cache(maxsize=65_536)
    def packed_token(identifier: Identifier) -> Raw:
        return binary(token(identifier))

    return packed_token


def unpacked(token: Raw) -> bytes:
    """Return the bytes of a packed token: it is short, so its header is one byte."""
    return bytes(token)[1:]


class RowsClaim(Struct, frozen=True):
    """The rows that are claimed, and for whom."""

    owner: str
    config: str
    rows: Sequence[RowClaim]
    shape: str
    kept: Kept | None = None
    """How the space is to keep uses of request ids from now on; None: as it does."""


def pack_claim(seen: int, claim: RowsClaim, tag: bytes) -> bytes:
    """Return the argument of claim.lua; *tag* marks the seq that it makes."""
    wanted = [(keys.row_name(r.row), r.topic_id, int(r.anew)) for r in claim.rows]
    told = claim.kept or ""
    return _encode((str(seen), claim.owner, claim.config, wanted, claim.shape, binary(tag), told))


def pack_visit(
    known: Known,
    bounds: Bounds,
    epochs: dict[RowKey, int],
    asks: Sequence[Ask],
    writes: RowWrites,
    token: Token,
) -> PackedVisit:
    """Return the argument of read.lua; every identifier and MPID is named once."""
    identifiers: dict[Identifier, None] = {}
    mpids: dict[int, None] = {}
    identifier_ends, mpid_ends = [], []
    uses = UseGroups(known.forms)
    identifier_end = mpid_end = 0
    for number, ask in enumerate(asks, 1):
        if ask.identifiers:
            identifiers.update(dict.fromkeys(ask.identifiers))
            identifier_end = len(identifiers)
        if ask.mpids:
            mpids.update(dict.fromkeys(ask.mpids))
            mpid_end = len(mpids)
        identifier_ends.append(identifier_end)
        mpid_ends.append(mpid_end)
        if ask.use is not None and ask.use.window_ms > 0:
            uses.add(number, ask.use)
    forms, groups = uses.packed()
    takes = [_take(ask.take) for ask in asks if ask.take is not None]
    blob = _encode(
        (
            str(known.seen),
            (bounds.max_keys, bounds.max_bytes),
            [(keys.row_name(row), str(epoch)) for row, epoch in epochs.items()],
            list(map(token, identifiers)),
            identifier_ends,
            [keys.mpid_digits(mpid) for mpid in mpids],
            mpid_ends,
            (forms, groups),
            [_trim(trim) for trim in writes.trims],
            [_mark(mark) for mark in writes.marks],
            _moment(known.since),
            *takes,
        )
    )
    return PackedVisit(blob, list(identifiers), bool(groups))


class CommitNote(Struct, frozen=True):
    """The note that a commit leaves."""

    tag: bytes
    """Marks the seq that the commit makes."""
    keys: bytes
    """What it changes, as :func:`notes.pack_note` writes it."""


def pack_commit(
    known: Known,
    effects: Effects,
    documents: dict[str, bytes],
    advances: Sequence[RowAdvance],
    token: Token,
    note: CommitNote,
) -> bytes:
    """Return the argument of commit.lua; *documents* are those of *effects*, packed."""
    holders: list[Raw | str] = []
    markers, marks = effects.markers, _filing(effects.filing)
    for identifier, mpids in effects.holders.items():
        holders += (token(identifier), keys.pack_entry(mpids, markers.get(identifier, ())))
    written: list[Raw | str] = []
    for digits, document in documents.items():
        written += (digits, binary(document))
    return _encode(
        (
            str(known.seen),
            [_advance(advance) for advance in advances],
            [token(identifier) for identifier in effects.expected_holders],
            [keys.pack_entry(h, markers.get(i, ())) for i, h in effects.expected_holders.items()],
            [keys.mpid_digits(mpid) for mpid in effects.expected_versions],
            [_version(v) if v else "" for v in effects.expected_versions.values()],
            holders,
            written,
            _moment(known.since),
            binary(note.tag),
            binary(note.keys),
            *([] if effects.moves == STILL and not marks else [_moves(effects.moves)]),
            *([] if not marks else [marks]),
        )
    )


def _filing(filing: Filing) -> list[list[Raw | str]]:
    """Return which markers identifiers lose and get: token, marker, ... of both; [] for none."""
    if not filing.marks and not filing.unmarks:
        return []
    return [
        [part for token, marker in marks for part in (binary(token), keys.pack_marker(marker))]
        for marks in (filing.unmarks, filing.marks)
    ]


def pack_openings(seen: int, shards: Sequence[int]) -> bytes:
    """Return the argument of due.lua."""
    return _encode((str(seen), [str(shard) for shard in shards]))


def openings(found: Sequence[tuple[bytes, int]]) -> tuple[Opening, ...]:
    """Return what due.lua replied for each shard."""
    return tuple(Opening(int(opens) if opens else None, aside) for opens, aside in found)


def entries(taken: Sequence[bytes]) -> tuple[Entry, ...]:
    """Return the entries that read.lua took: buckets and MPIDs, one after the other."""
    return tuple(
        Entry(name.decode(), mpid)
        for name, mpids in zip(taken[::2], taken[1::2], strict=True)
        for mpid in keys.mpids_of(mpids)
    )


def pack_show(bounds: Bounds, asks: Sequence[Ask], heads: Iterable[int], token: Token) -> bytes:
    """Return the argument of show.lua."""
    named = [
        ([token(i) for i in ask.identifiers], [keys.mpid_digits(m) for m in ask.mpids])
        for ask in asks
    ]
    limits = (bounds.max_keys, bounds.max_bytes)
    return _encode(("0", limits, named, [keys.mpid_digits(m) for m in heads]))


def row_state(row: RowKey, state: Sequence[object]) -> RowState:
    """Return a row from the reply of claim.lua."""
    epoch, cursor, config, chunks, owed, mark = state
    assert isinstance(epoch, bytes)
    assert isinstance(config, bytes)
    assert isinstance(chunks, list)
    assert isinstance(owed, list)
    assert isinstance(mark, list)
    return RowState(
        row=row,
        epoch=int(epoch),
        cursor=int(cursor) if isinstance(cursor, bytes) else None,
        config=config.decode(),
        chunks=tuple(chunk_of(one) for one in chunks),
        owed=tuple(sorted(map(keys.mpid_of, owed))),
        mark=None if None in mark else Mark(row, *map(int, mark)),
    )


def chunk_of(stored: bytes) -> tuple[int, bytes]:
    """Return a chunk of a journal and the seq of its commit."""
    seq, _, chunk = stored.partition(b":")
    return int(seq), chunk


def pairs(flat: Sequence[bytes | None]) -> Iterable[tuple[bytes, bytes | None]]:
    """Return digits and document of each pair in a flat list."""
    names = iter(flat)
    for name, document in zip(names, names, strict=True):
        assert name is not None
        yield name, document


def _take(take: Take) -> tuple[str, str, int]:
    return str(take.shard), str(take.as_of_ms), take.most


def _moves(moves: Moves) -> tuple[object, ...]:
    """Return what a commit moves: lists to take from, to append to, and profiles set aside."""
    taken: list[object] = []
    for (shard, bucket), mpids in _by_list(moves.taken).items():
        taken += (str(shard), bucket, len(mpids), binary(b"".join(map(keys.mpid_bytes, mpids))))
    entered = pack_entered(moves.entered)
    aside = [(str(shard_of(mpid)), binary(keys.mpid_bytes(mpid))) for mpid in moves.set_aside]
    return taken, entered, aside


def pack_entered(entries: Sequence[Entry]) -> list[object]:
    """Return what scripts append to the wheel."""
    entered: list[object] = []
    for (shard, bucket), mpids in _by_list(entries).items():
        known = bucket_named(bucket)
        if known is not None:  # a document from elsewhere may name anything
            packed = [binary(keys.mpid_bytes(mpid)) for mpid in mpids]
            entered += (str(shard), bucket, str(known.opens_ms), packed)
    return entered


def _by_list(entries: Sequence[Entry]) -> dict[tuple[int, str], list[int]]:
    """Return the MPIDs of *entries* by the list that holds them, in order."""
    lists: dict[tuple[int, str], list[int]] = {}
    for entry in entries:
        lists.setdefault((shard_of(entry.mpid), entry.bucket), []).append(entry.mpid)
    return lists


def _moment(since: Moment | None) -> tuple[str, Raw]:
    return ("", binary(b"")) if since is None else (str(since.seq), binary(since.tag))


def _version(version: int) -> Raw:
    return binary(version.to_bytes(8, "big"))


def _trim(trim: Trim) -> tuple[str, int, list[Raw | str]]:
    published: list[Raw | str] = []
    for mpid, version in trim.published.items():
        published += (keys.mpid_digits(mpid), _version(version))
    return keys.row_name(trim.row), trim.chunks, published


def _mark(mark: Mark) -> tuple[str, str, str, str]:
    return keys.row_name(mark.row), str(mark.taken), str(mark.alone), str(mark.tries)


def _advance(advance: RowAdvance) -> tuple[str, str, str, str, Raw]:
    expected = "" if advance.expected_cursor is None else str(advance.expected_cursor)
    return (
        keys.row_name(advance.row),
        str(advance.epoch),
        expected,
        str(advance.cursor),
        binary(advance.chunk),
    )

"""Arguments and replies of the scripts: one msgpack blob goes in, plain values come out.

MPIDs travel as 16 hex digits, versions as 8 bytes, epochs, cursors and seq as decimal text: in Lua
none may become a number, which is exact to 2^53 only. Bytes travel as msgpack strings, for cmsgpack
knows no binary type.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import msgspec
from msgspec import Raw, Struct

from processor.identity.model import Identifier
from processor.identity.view import Effects
from processor.index.port import Ask, Mark, RowAdvance, RowClaim, RowState, Trim, Use
from processor.index.uses import bounded_ms, buckets, width_ms
from processor.records import RowKey
from processor.redis import keys

Token = Callable[[Identifier], Raw]
"""Gives an identifier's token, packed."""

LAG_MS = 3_600_000
"""How long a use is kept beyond the window, for records that are processed late."""

_SHORT = 32
"""Shorter strings have a header of one byte."""

_encode = msgspec.msgpack.Encoder().encode


class Bounds(Struct, frozen=True):
    """After how many keys and bytes a visit stops: the server answers nobody else meanwhile."""

    max_keys: int = 20_000
    max_bytes: int = 4_194_304


class RowWrites(Struct, frozen=True):
    """What a visit writes to rows: journals to trim, marks to note."""

    trims: Sequence[Trim]
    marks: Sequence[Mark]


class PackedVisit(Struct):
    """A visit, packed, and the identifiers it names in the order of the answer."""

    blob: bytes
    identifiers: list[Identifier]
    uses: list[int]
    """Numbers of the asks that use a request id, counted from 0."""


def packed(token: Callable[[Identifier], bytes]) -> Token:
    """Return *token* with its results packed and remembered: known users come back all day."""

    @lru_cache(maxsize=65_536)
    def packed_token(identifier: Identifier) -> Raw:
        return binary(token(identifier))

    return packed_token


def unpacked(token: Raw) -> bytes:
    """Return the bytes of a packed token: it is short, so its header is one byte."""
    return bytes(token)[1:]


def pack_claim(seen: int, owner: str, config: str, rows: Sequence[RowClaim], shape: str) -> bytes:
    """Return the argument of claim.lua."""
    wanted = [(keys.row_name(r.row), r.topic_id, int(r.anew)) for r in rows]
    return _encode((str(seen), owner, config, wanted, shape))


def pack_visit(
    seen: int,
    bounds: Bounds,
    epochs: dict[RowKey, int],
    asks: Sequence[Ask],
    writes: RowWrites,
    token: Token,
) -> PackedVisit:
    """Return the argument of read.lua; every identifier and MPID is named once."""
    identifiers: dict[Identifier, None] = {}
    mpids: dict[int, None] = {}
    identifier_ends, mpid_ends, used, using = [], [], [], []
    for number, ask in enumerate(asks):
        for identifier in ask.identifiers:
            identifiers[identifier] = None
        for mpid in ask.mpids:
            mpids[mpid] = None
        identifier_ends.append(len(identifiers))
        mpid_ends.append(len(mpids))
        if ask.use is not None and ask.use.window_ms > 0:
            using.append(number)
            used.append(_use(number + 1, ask.use))
    blob = _encode(
        (
            str(seen),
            (bounds.max_keys, bounds.max_bytes),
            [(keys.row_name(row), str(epoch)) for row, epoch in epochs.items()],
            list(map(token, identifiers)),
            identifier_ends,
            [keys.mpid_digits(mpid) for mpid in mpids],
            mpid_ends,
            used,
            [_trim(trim) for trim in writes.trims],
            [_mark(mark) for mark in writes.marks],
        )
    )
    return PackedVisit(blob, list(identifiers), using)


def pack_commit(
    seen: int,
    effects: Effects,
    documents: dict[str, bytes],
    advances: Sequence[RowAdvance],
    token: Token,
) -> bytes:
    """Return the argument of commit.lua; *documents* are those of *effects*, packed."""
    holders: list[Raw | str] = []
    for identifier, mpids in effects.holders.items():
        holders += (token(identifier), keys.pack_holders(mpids))
    written: list[Raw | str] = []
    for digits, document in documents.items():
        written += (digits, binary(document))
    return _encode(
        (
            str(seen),
            [_advance(advance) for advance in advances],
            [token(identifier) for identifier in effects.expected_holders],
            [keys.pack_holders(expected) for expected in effects.expected_holders.values()],
            [keys.mpid_digits(mpid) for mpid in effects.expected_versions],
            [_version(v) if v else "" for v in effects.expected_versions.values()],
            holders,
            written,
        )
    )


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


def binary(data: bytes) -> Raw:
    """Return *data* as a msgpack string, whatever bytes it holds."""
    if len(data) < _SHORT:
        return Raw(bytes((0xA0 | len(data),)) + data)
    return Raw(b"\xdb" + len(data).to_bytes(4, "big") + data)


def _version(version: int) -> Raw:
    return binary(version.to_bytes(8, "big"))


def _use(number: int, use: Use) -> list[int | Raw | str]:
    time, window = bounded_ms(use), use.window_ms
    width = width_ms(window)
    parts: list[int | Raw | str]
    parts = [number, binary(use.token), time, window, use.coordinates, window + width + LAG_MS]
    for bucket in buckets(time, window):
        parts.append(keys.bucket_name(width, bucket))
    return parts


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

"""Names of everything the index keeps in Redis, and how numbers are written in them.

``<prefix>:1:{<scope>/<environment>}`` is a space's control hash: gen, seq, owner, shape, tag (of
the last change), changelog (the id of the topic ``profiles`` that has its documents), key (a
fingerprint of what its tokens are keyed with), uses (the form of those of request ids), and for
restores building and discarded. All other keys of the space begin with it and the generation that
it names, and the scripts make them:

====================== =============================================================================
``i:<token>``          holders of an identifier: 16 hex digits each, in canonical order; behind them
                       its markers (docs/privacy.md): ``!``, 16 hex digits of the time, 8 of the
                       workspace's mark
``p:<mpid>``           a document (``processor.profiles.document``, ``processor.privacy.case``)
``r:<topic>:<number>`` a row: hash of epoch, cursor, topic_id, config, next, taken, alone, tries
``j:<topic>:<number>`` its journal: list of ``<seq>:<chunk>``
``o:<topic>:<number>``   profiles that the row owes the changelog: set of hex digits
``n``                  notes of the last changes: stream of tag and changed keys, ids are seqs
``t:<shard>:<bucket>`` who stands in a bucket of the wheel: list of MPIDs of 8 bytes; ``x`` is no
                       bucket but those that were set aside
``w:<shard>``          the buckets of a shard that hold something: sorted set, by when they open
``u:<hours>:<number>`` uses of request ids in one bucket of record time: token to 16 bytes each
``d:<hours>:<number>`` the same in the long form of before (``forms``): to msgpack (time, …)
====================== =============================================================================

The 1 is the format of all of them. The braces make one slot of a space in Redis Cluster.
"""

from functools import lru_cache
from urllib.parse import quote

from processor.identity.marker import Marker, Markers
from processor.identity.model import Space
from processor.identity.view import Holders, canonical
from processor.index.uses import HOUR_MS
from processor.records import RowKey

FORMAT = 1
_DIGITS = 16
_MARK = b"!"
_CACHED = 65_536
_IN_HAND = 4_096
"""Texts of numbers that are remembered: those of a poll batch are written several times each."""


def control_key(prefix: str, space: Space) -> str:
    """Return the name of the control hash of *space*; no scope can break the braces."""
    return f"{prefix}:{FORMAT}:{{{quote(space.scope, safe='')}/{space.environment}}}"


def row_name(key: RowKey) -> str:
    """Return the part of a row's key that names it; no legal topic name holds a colon."""
    return f"{key.topic}:{key.partition}"


@lru_cache(maxsize=1024)
def bucket_name(width_ms: int, number: int) -> str:
    """Return the part of the key of a bucket of uses that names it."""
    return f"{width_ms // HOUR_MS}:{number}"


@lru_cache(maxsize=_IN_HAND)
def mpid_digits(mpid: int) -> str:
    """Return *mpid* as 16 hex digits of its two's complement: in Lua it stays a text."""
    return f"{mpid & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def mpid_of(digits: bytes) -> int:
    """Return the MPID that :func:`mpid_digits` wrote."""
    mpid = int(digits, 16)
    return mpid - 2**64 if mpid >= 2**63 else mpid


def mpid_bytes(mpid: int) -> bytes:
    """Return *mpid* as the wheel holds it: its two's complement, big endian."""
    return mpid.to_bytes(8, "big", signed=True)


def mpids_of(data: bytes) -> list[int]:
    """Return the MPIDs that stand one after the other in *data*."""
    return [int.from_bytes(data[at : at + 8], "big", signed=True) for at in range(0, len(data), 8)]


def pack_holders(holders: Holders) -> str:
    """Return *holders* as stored: equal sets are equal texts."""
    if not holders:
        return ""
    if len(holders) == 1:
        return mpid_digits(holders[0])
    return "".join(map(mpid_digits, canonical(holders)))


@lru_cache(maxsize=_CACHED)
def unpack_holders(data: bytes) -> Holders:
    """Return the holders that :func:`pack_holders` wrote."""
    data = data.partition(_MARK)[0]
    return tuple(mpid_of(data[at : at + _DIGITS]) for at in range(0, len(data), _DIGITS))


def pack_marker(marker: Marker) -> str:
    """Return a marker as it stands behind the holders of its identifier."""
    return f"!{marker.until_ms:016x}{marker.workspace.hex()}"


def pack_entry(holders: Holders, markers: Markers) -> str:
    """Return what stands under an identifier: equal entries are equal texts."""
    held = pack_holders(holders)
    return held + "".join(map(pack_marker, markers)) if markers else held


def unpack_markers(data: bytes) -> Markers:
    """Return the markers of what :func:`pack_entry` wrote."""
    _, *marks = data.split(_MARK)
    return tuple(
        Marker(int(one[:_DIGITS], 16), bytes.fromhex(one[_DIGITS:].decode())) for one in marks
    )

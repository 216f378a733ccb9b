"""The index of every space in Redis or Valkey: one script call per method, one slot per space.

Visits are cut by :class:`Bounds`. Arguments, replies, and what running a script twice does, are
said at the head of each ``.lua`` file; names of keys are in ``keys``.
"""

import time
from collections.abc import Sequence
from typing import Any

from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.identity.view import Effects, Holders, ReadSet
from processor.index.errors import lost_row, lost_space, moved, newer_owner, other_group
from processor.index.port import (
    Ask,
    ClaimReply,
    Commit,
    Conflict,
    Mark,
    Moment,
    Opening,
    Reading,
    RowAdvance,
    RowClaim,
    Trim,
    changed_by,
)
from processor.index.tokens import tokens
from processor.profiles.document import (
    is_case,
    is_grave,
    pack,
    pack_grave,
    unpack,
    unpack_grave,
    version_of,
)
from processor.records import RowKey
from processor.redis import keys, wire
from processor.redis.connection import Connection, Timeouts, load_script
from processor.redis.forms import Forms, Kept
from processor.redis.notes import Tags, changed_since, pack_note
from processor.redis.report import ServerReport, report
from processor.redis.wire import Bounds, CommitNote, Known, RowsClaim, RowWrites
from processor.settings import Settings

_READ = load_script("read")
_COMMIT = load_script("commit")
_CLAIM = load_script("claim")
_DUE = load_script("due", "no-writes")


def open_index(settings: Settings) -> "RedisIndex":
    """Return the index of *settings*; the first call connects."""
    server = settings.redis
    return RedisIndex.connect(
        server.url.reveal(),
        server.prefix,
        settings.key(),
        cluster=server.cluster,
        request_ids=server.request_ids,
    )


class RedisIndex:
    """``processor.index.port.Index`` on a Redis server or cluster. One thread uses it."""

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        token_key: bytes = b"",
        bounds: Bounds | None = None,
        request_ids: Kept | None = None,
    ) -> None:
        self._connection = connection
        self._prefix = prefix
        self._bounds = bounds or Bounds()
        self._packed_token = wire.packed(tokens(token_key))
        self._tags = Tags(lambda: time.time_ns() // 1_000_000)
        self._seen: dict[Space, int] = {}
        self._forms = Forms(token_key)
        self._request_ids = request_ids

    @classmethod
    def connect(
        cls,
        url: str,
        prefix: str,
        token_key: bytes = b"",
        *,
        cluster: bool = False,
        timeouts: Timeouts | None = None,
        request_ids: Kept | None = None,
    ) -> "RedisIndex":
        """Return an index at *url* (redis://, rediss://, unix://); the first call connects.

        *request_ids* says how spaces keep these from the next claim on; None: as each does.
        """
        connection = Connection(url, timeouts or Timeouts(), is_cluster=cluster)
        return cls(connection, prefix, token_key, request_ids=request_ids)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def reach(self) -> None:
        """Return if the server answers; raise IndexUnavailable otherwise."""
        self._connection.reach(f"{self._prefix}:contact")  # a name that ACLs let us ask for

    def server_report(self) -> tuple[ServerReport, ...]:
        """Return what ``idstream check`` says of each primary."""
        return report(self._connection)

    def token(self, identifier: Identifier) -> bytes:
        """Return the 16 bytes that stand for *identifier*."""
        return wire.unpacked(self._packed_token(identifier))

    def profile(self, space: Space, mpid: int) -> Profile | None:
        """Return the profile of *mpid* itself, even if it was merged; for ``idstream profile``."""
        return self.visit(space, {}, [Ask(mpids=(mpid,))]).found.profiles[mpid]

    def grave(self, space: Space, mpid: int) -> Grave | None:
        """Return what stands in place of a profile that has ended; for ``idstream profile``."""
        return self.visit(space, {}, [Ask(mpids=(mpid,))]).found.graves.get(mpid)

    def holders(self, space: Space, identifier: Identifier) -> Holders:
        """Return the holders of *identifier*; for ``idstream profile``."""
        return self.visit(space, {}, [Ask((identifier,))]).found.holders[identifier]

    def claim(
        self, space: Space, owner: str, config: str, rows: Sequence[RowClaim], shape: str
    ) -> ClaimReply:
        """Take rows over: raise each one's epoch and the space's seq by one, return the rows."""
        seen = max(self._seen.get(space, 0), *(claim.seen for claim in rows), 0)
        claims = RowsClaim(owner, config, rows, shape, self._request_ids)
        blob = wire.pack_claim(seen, claims, self._tags.new())
        reply = self._connection.run(_CLAIM, self._control(space), blob)
        if reply[0] == b"other_shape":
            return ClaimReply(0, (), reply[1].decode())
        if reply[0] != b"ok":
            raise _error_of(space, reply, [claim.row for claim in rows])
        states = zip(rows, reply[2], strict=True)
        claimed = tuple(wire.row_state(claim.row, state) for claim, state in states)
        return ClaimReply(self._saw(space, reply), claimed, reply[3].decode())

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
        if not {t.row for t in trims} | {m.row for m in marks} <= epochs.keys():
            raise ValueError("only the owner of a row may trim its journal or mark it")
        request, reply = self._visited(space, epochs, asks, RowWrites(trims, marks), since)
        if reply[0] != b"ok":
            raise _error_of(space, reply, list(epochs))
        _, _, covered, holders, documents, again, owed, newer, told, tag, _, *more = reply
        taken, needed, oldest = more or ((), (), b"")
        duplicates = [False] * covered
        for number in again:
            duplicates[number - 1] = True
        seq = self._saw(space, reply)
        return Reading(
            covered=covered,
            seq=seq,
            found=read_set(request.identifiers, holders, documents),
            duplicates=tuple(duplicates),
            owed=tuple(tuple(map(keys.mpid_of, digits)) for digits in owed),
            newer=_newer(newer),
            moment=Moment(seq, tag),
            changed=changed_since(since, told, seq),
            sizes=_sizes(documents),
            entries=wire.entries(taken),
            needed=frozenset(map(keys.mpid_of, needed)),
            oldest=int(oldest) if oldest else None,
        )

    def commit(
        self,
        space: Space,
        effects: Effects,
        advances: Sequence[RowAdvance],
        since: Moment | None = None,
    ) -> Commit | Conflict:
        """Write all effects, advance rows and append to journals, if what was read is still so."""
        documents = {keys.mpid_digits(m): pack(p) for m, p in effects.profiles.items()}
        known, tag = Known(self._seen.get(space, 0), since), self._tags.new()
        note = CommitNote(tag, pack_note(changed_by(effects, self.token)))
        written = documents | {
            keys.mpid_digits(m): pack_grave(grave) for m, grave in effects.graves.items()
        }
        written |= dict.fromkeys(map(keys.mpid_digits, effects.dropped), b"")
        filing = effects.filing
        written |= {keys.mpid_digits(m): b"" for m in filing.exhumed}
        written |= {keys.mpid_digits(n): one.data for n, one in filing.documents.items()}
        blob = wire.pack_commit(known, effects, written, advances, self._packed_token, note)
        reply = self._connection.run(_COMMIT, self._control(space), blob)
        if reply[0] == b"ok":
            seq = self._saw(space, reply)
            sizes = dict(zip(effects.profiles, map(len, documents.values()), strict=True))
            return Commit(seq, Moment(seq, tag), changed_since(since, reply[2], seq - 1), sizes)
        if reply[0] == b"conflict":
            _, _, holders, found, told, its_tag = reply
            seq = self._saw(space, reply)
            return Conflict(
                seq,
                found=read_set(list(effects.expected_holders), holders, found),
                moment=Moment(seq, its_tag),
                changed=changed_since(since, told, seq),
                sizes=_sizes(found),
            )
        raise _error_of(space, reply, [advance.row for advance in advances])

    def openings(self, space: Space, shards: Sequence[int]) -> tuple[Opening, ...]:
        """Return what the wheel holds of each of *shards*; nothing is written."""
        blob = wire.pack_openings(self._seen.get(space, 0), shards)
        reply = self._connection.run(_DUE, self._control(space), blob)
        if reply[0] != b"ok":
            raise _error_of(space, reply, ())
        return wire.openings(reply[1])

    def _visited(
        self,
        space: Space,
        epochs: dict[RowKey, int],
        asks: Sequence[Ask],
        writes: RowWrites,
        since: Moment | None,
    ) -> tuple[wire.PackedVisit, list[Any]]:
        """Return a visit and the answer to it.

        Where the uses of request ids are not in the forms that the space has, nothing was written,
        and it is asked again in these.
        """
        while True:
            forms = self._forms.of(space)
            known = Known(self._seen.get(space, 0), since, forms)
            visit = wire.pack_visit(known, self._bounds, epochs, asks, writes, self._packed_token)
            reply = self._connection.run(_READ, self._control(space), visit.blob)
            if reply[0] != b"uses":
                if reply[0] == b"ok" and visit.has_uses:
                    self._forms.learn(space, forms[0].kind, is_left=bool(reply[10]))
                return visit, reply
            self._forms.learn(space, reply[1], is_left=bool(reply[2]))

    def _control(self, space: Space) -> str:
        return keys.control_key(self._prefix, space)

    def _saw(self, space: Space, reply: list[Any]) -> int:
        """Remember the seq of *space*: scripts refuse one below it, as writes were lost then."""
        seq = self._seen[space] = int(reply[1])
        return seq


def read_set(
    identifiers: list[Identifier],
    holders: list[bytes | None],
    documents: list[bytes | None],
) -> ReadSet:
    """Return what a script has found: holders in the order of *identifiers*, and documents."""
    found = ReadSet(
        {
            identifier: keys.unpack_holders(stored) if stored else ()
            for identifier, stored in zip(identifiers, holders, strict=False)
        },
        {},
    )
    for identifier, stored in zip(identifiers, holders, strict=False):
        if stored and b"!" in stored:
            found.markers[identifier] = keys.unpack_markers(stored)
    for digits, data in wire.pairs(documents):
        mpid = keys.mpid_of(digits)
        if data and is_case(data):
            found.profiles[mpid] = None
            found.filed[mpid] = Filed(mpid, version_of(data), data)
        elif data and is_grave(data):
            found.profiles[mpid] = None
            found.graves[mpid] = unpack_grave(mpid, data)
        else:
            found.profiles[mpid] = unpack(data) if data else None
    return found


def _newer(documents: list[bytes | None]) -> dict[int, Profile | Grave | Filed]:
    found = read_set([], [], documents)
    profiles: dict[int, Profile | Grave | Filed]
    profiles = {m: p for m, p in found.profiles.items() if p is not None}
    return {**profiles, **found.graves, **found.filed}


def _sizes(documents: list[bytes | None]) -> dict[int, int]:
    return {keys.mpid_of(digits): len(data) for digits, data in wire.pairs(documents) if data}


def _error_of(space: Space, reply: list[Any], rows: Sequence[RowKey]) -> Exception:
    """Return the exception for a script's refusal; it names the row by its number from 1."""
    kind = reply[0]
    if kind == b"lost_space":
        return lost_space(space)
    if kind == b"other_group":
        return other_group(space)
    row = rows[reply[1] - 1]
    if kind == b"lost_row":
        return lost_row(space, row)
    if kind == b"moved":
        return moved(space, row)
    return newer_owner(space, row)

"""Profiles and changes for the contract suite."""

from collections.abc import Sequence

from processor.identity.model import Identifier, Space
from processor.identity.profile import Attribute, Identity, Profile, WorkspaceData
from processor.identity.view import View
from processor.index.port import Ask, Commit, Conflict, Index, RowAdvance, RowClaim, Use
from processor.records import RowKey

SPACE = Space("retail", "production")
ROW = RowKey("event-batches", 0)
OTHER_ROW = RowKey("identity.requests_2", 11)
OWNER = "idstream@cluster-1"
LOOKUPS = frozenset({"email", "customerid", "ios_idfv"})
EMAIL = Identifier("email", "ada@example.com")
DEVICE = Identifier("ios_idfv", "1234-abcd")
WINDOW_MS = 600_000


def use_by(where: str, request_id: bytes = b"t" * 16, time_ms: int = 5) -> Use:
    """The use of a request id by the record at *where* (``topic/partition/offset``)."""
    return Use(token=request_id, time_ms=time_ms, window_ms=WINDOW_MS, coordinates=where)


def is_lookup(identity_type: str) -> bool:
    return identity_type in LOOKUPS


def profile(mpid: int, *identifiers: Identifier, space: Space = SPACE, **fields: object) -> Profile:
    identities = tuple(Identity(i.identity_type, i.value, 1, 2, "default") for i in identifiers)
    return Profile(
        scope=space.scope,
        environment=space.environment,
        mpid=mpid,
        **{"version": 0, "created_ms": 1, "last_seen_ms": 2, "identities": identities} | fields,
    )


def pair(count: int) -> dict[str, WorkspaceData]:
    """A workspace with attributes that fill about *count* bytes."""
    return {"retail": WorkspaceData({"x": Attribute("y" * count, "sdk", "default", 1)})}


def claim(
    index: Index, *rows: RowKey, space: Space = SPACE, config: str = "c"
) -> dict[RowKey, int]:
    """Take rows over; return their epochs."""
    claims = [RowClaim(row, "id-1") for row in rows or (ROW,)]
    return {s.row: s.epoch for s in index.claim(space, OWNER, config, claims, "").rows}


def view_of(index: Index, profiles: Sequence[Profile], space: Space = SPACE) -> View:
    """Read all that storing *profiles* touches, and store them in a view."""
    stored = index.visit(space, {}, [Ask(mpids=tuple(p.mpid for p in profiles))]).found
    identities = [
        i for p in (*profiles, *filter(None, stored.profiles.values())) for i in p.identities
    ]
    identifiers = tuple(Identifier(i.identity_type, i.value) for i in identities)
    ask = Ask(identifiers, tuple(p.mpid for p in profiles))
    view = View(index.visit(space, {}, [ask]).found, is_lookup, space)
    for one in profiles:
        view.put(one)
    view.end_record()
    return view


def store(
    index: Index, *profiles: Profile, advances: Sequence[RowAdvance] = (), space: Space = SPACE
) -> Commit | Conflict:
    """Store *profiles* as the pipeline would: read, view, compare and set."""
    effects = view_of(index, profiles, space).effects()
    assert effects is not None
    return index.commit(space, effects, advances)


def advance(
    epoch: int,
    expected: int | None,
    cursor: int,
    row: RowKey = ROW,
    chunk: bytes = b"\xc1\x00entry",
) -> RowAdvance:
    return RowAdvance(row, epoch, expected, cursor, chunk)


def seq_of(result: Commit | Conflict) -> int:
    """Return the seq of a commit that was made."""
    assert isinstance(result, Commit)
    return result.seq

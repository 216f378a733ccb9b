"""A case: a person's request on its way, stored as profiles are, under a number of its own.

Its document begins with the header that every document has (``profiles.document``), with flag 3;
it has versions, stands in the wheel, and is published to a compacted topic of its own. A raw
identity stands in it only while it waits; a marker is a keyed hash and a time.
"""

import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, Literal

import msgspec
from msgspec import Struct

from processor.clock.place import NOWHERE, Place
from processor.identity.filed import Filed
from processor.identity.marker import EVER_MS, EVERY_WORKSPACE, Marker
from processor.identity.model import Identifier, Space
from processor.identity.mpid import derive_mpid

FORMAT: Final = 1
FLAG: Final = 3
"""The flag byte of a document that is a case."""

State = Literal["pending", "in_progress", "completed", "cancelled"]
LEGAL: Final[Mapping[State, frozenset[State]]] = {
    "pending": frozenset({"in_progress", "completed", "cancelled"}),
    "in_progress": frozenset({"completed"}),
    "completed": frozenset(),
    "cancelled": frozenset(),
}
"""Which states may follow each."""
OPEN: Final = frozenset({"pending", "in_progress"})

_HEADER = struct.Struct(">BQBq")
_NUMBER_OF_CASE: Final = "idstream case"
_OPEN_TYPE: Final = "\x00case"
"""A type that no record can name: an open case holds the identifier of whom it is about, so that
another request about the same is found by it.
"""


class Followed(Struct, frozen=True, array_like=True):
    """The profiles that a family has beside those that were named, by why."""

    merges: tuple[int, ...] = ()
    source: tuple[int, ...] = ()
    aliases: tuple[int, ...] = ()


NOBODY: Final = Followed()


class Found(Struct, frozen=True, array_like=True):
    """Whom a case is about, and how much that was."""

    persons: int = 0
    """How many profiles were named, by MPID or identity."""
    mpids: tuple[int, ...] = ()
    """Every profile of the family."""
    followed: Followed = NOBODY
    kept: tuple[int, ...] = ()
    """Profiles that other workspaces have data of: these lost the data of this one only."""
    identities: Mapping[str, int] = {}
    """How many identities, by type."""
    attributes: int = 0
    devices: int = 0
    is_bounded: bool = False
    """Whether the family is larger than what one case takes."""


NONE_FOUND: Final = Found()


class Marked(Struct, frozen=True, array_like=True):
    """The markers of a case, by the tokens of their identifiers."""

    until_ms: int
    workspace: bytes = EVERY_WORKSPACE
    strong: tuple[bytes, ...] = ()
    """Tokens of unique and login types, and all there are under flat matching."""
    devices: tuple[bytes, ...] = ()
    is_suppressed: bool = False
    """The strong ones never end, until the suppression is lifted."""
    ever_ms: int = EVER_MS
    """Of the strong ones while they never end: no other case has it."""
    lifted_ms: int | None = None
    """When the suppression was lifted: the strong ones end then, and not before the others."""
    mpids: int = 0
    """How many of the strong ones are of MPIDs."""

    @property
    def end_ms(self) -> int:
        """Up to when records that name the person are the erased person's."""
        if self.is_suppressed:
            return self.ever_ms
        return max(self.until_ms, self.lifted_ms or 0)

    @property
    def identities(self) -> int:
        """How many identities have a marker."""
        return len(self.markers()) - self.mpids

    def markers(self) -> dict[bytes, Marker]:
        """Return the marker of each token."""
        strong = dict.fromkeys(self.strong, Marker(self.end_ms, self.workspace))
        return {**dict.fromkeys(self.devices, Marker(self.until_ms, self.workspace)), **strong}


class Case(Struct, frozen=True, array_like=True):
    """A person's request on its way."""

    scope: str
    environment: str
    number: int
    version: int
    request_id: str
    request_type: str
    workspace: str
    state: State
    digest: bytes
    """Of the request's body, keyed."""
    about: str
    """Of workspace, type and set of identities, keyed: another case about the same is refused."""
    received_ms: int
    expected_ms: int
    """When it is carried out."""
    found: Found = NONE_FOUND
    identifiers: tuple[Identifier, ...] = ()
    """Raw, and only while it is pending."""
    mpid: int | None = None
    """Whom the request named by MPID, while it is pending."""
    roots: tuple[int, ...] = ()
    """Whom it named when it was received, while it is pending; then whom it found at first, or
    named by MPID to suppress them, and another request has erased: it keeps them away too, and
    their graves after that one.
    """
    follow: tuple[str, ...] = ()
    suppress: bool = False
    all_holders: bool = False
    marked: Marked | None = None
    erased_ms: int | None = None
    completed_ms: int | None = None
    seq: int = 0
    """Of the space, after it was carried out: journals of before must be gone. 0: not known yet."""
    group_id: str | None = None
    callbacks: tuple[str, ...] = ()
    due_ms: int | None = None
    bucket: str | None = None

    @property
    def space(self) -> Space:
        """The space that it is in."""
        return Space(self.scope, self.environment)

    @property
    def place(self) -> Place:
        """Where it stands in the wheel."""
        return NOWHERE if self.due_ms is None else Place(self.due_ms, self.bucket)

    @property
    def opened_for(self) -> Identifier:
        """The identifier that it holds while it is open."""
        return about_identifier(self.about)


def case_number(request_id: str, workspace: str, key: bytes) -> int:
    """Return the number of the case of a request: derived from its id, as MPIDs are."""
    return derive_mpid((key, _NUMBER_OF_CASE, workspace, request_id), 0)


def about_of(
    workspace: str,
    request_type: str,
    identifiers: tuple[Identifier, ...],
    mpid: int | None,
    key: bytes,
) -> str:
    """Return what tells requests of one type about the same identities from all others.

    Those of another workspace are others, also where both have the same profiles.
    """
    named = sorted(set(identifiers))
    parts = (workspace, request_type, str(mpid), *[part for one in named for part in one])
    data = b"".join(len(p.encode()).to_bytes(8, "big") + p.encode() for p in parts)
    return blake2b(data, digest_size=16, key=key[:64], person=b"idstream-about").hexdigest()


def about_identifier(about: str) -> Identifier:
    """Return the identifier that open cases about the same hold."""
    return Identifier(_OPEN_TYPE, about)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Case).decode


def pack_case(case: Case) -> bytes:
    """Return *case* as the index stores it."""
    return _HEADER.pack(FORMAT, case.version, FLAG, 0) + _encode(case)


def filed(case: Case) -> Filed:
    """Return *case* as it is written."""
    return Filed(case.number, case.version, pack_case(case))


def unpack_case(data: bytes) -> Case:
    """Return the case that :func:`pack_case` wrote; ValueError if *data* is no such document."""
    if len(data) < _HEADER.size or data[0] != FORMAT or data[9] != FLAG:
        raise ValueError("this document is no case that this release knows")
    try:
        return _decode(memoryview(data)[_HEADER.size :])
    except msgspec.DecodeError as error:
        raise ValueError("this case is damaged") from error


class _Published(Struct, omit_defaults=True):
    """A case on its topic: *document* is what the index has, in JSON."""

    format: int
    scope: str
    environment: str
    token: str
    version: int
    subject_request_id: str
    subject_request_type: str
    workspace: str
    state: str
    document: str


def case_key(space: Space, number: int) -> bytes:
    """Return the key of a case on its topic."""
    return f"{space.name}/{case_token(number)}".encode()


def case_token(number: int) -> str:
    """Return what stands for the id of a request in keys."""
    return f"{number & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def case_to_json(case: Case) -> bytes:
    """Return *case* as its topic has it."""
    return msgspec.json.encode(
        _Published(
            FORMAT,
            case.scope,
            case.environment,
            case_token(case.number),
            case.version,
            case.request_id,
            case.request_type,
            case.workspace,
            case.state,
            pack_case(case).hex(),
        )
    )


_decode_published = msgspec.json.Decoder(_Published).decode


def case_from_json(data: bytes) -> Case:
    """Return the case that a record of its topic holds; ValueError where it holds none."""
    try:
        return unpack_case(bytes.fromhex(_decode_published(data).document))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"a case cannot be read: {error}") from error

"""Generations of a space in Redis: one is built beside the live one, then takes its place at once.

A generation that never took over, or that another replaced, is *discarded*: its number stays in the
control hash until its keys are gone, so that the next restore can finish deleting them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct

from processor.clock.wheel import Entry
from processor.computed.definition import Listed
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.index.errors import other_changelog, other_group, other_key
from processor.index.tokens import key_fingerprint, tokens
from processor.profiles.document import is_case, is_grave, unpack
from processor.records import RowKey
from processor.redis import keys, wire
from processor.redis.census import Census, censuses
from processor.redis.connection import Connection, Timeouts, load_script
from processor.redis.forms import Kept
from processor.redis.notes import tag_ms
from processor.redis.packing import binary
from processor.settings import Settings

# A full server must let a restore begin, and delete what others have left.
_ANNOUNCE = load_script("announce", "allow-oom")
_BEGIN = load_script("begin", "allow-oom")
_PEEK = load_script("peek", "no-writes")
_BUILD = load_script("build")
_SURVEY = load_script("survey", "no-writes")
_SWITCH = load_script("switch", "allow-oom")
_REMEMBER = load_script("remember")
_DEFINE = load_script("define")
_FORGET = load_script("forget", "allow-oom")

_LOT = 1000
"""Keys deleted at once: the server answers nobody else meanwhile."""
_TIMEOUTS = Timeouts(reply_seconds=30.0)

_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder(dict[str, Listed]).decode


class Superseded(Exception):
    """A restore cannot end: another has begun, writes of it were lost, or the group went on."""


class OtherShape(Exception):
    """The live entries were derived by other settings: the message is their shape.

    Or it is the announcement of a restore, which stands in place of a shape (``index.shape``).
    """


class NewRow(Struct, frozen=True):
    """Where one row of the new generation begins."""

    row: RowKey
    topic_id: str
    cursor: int


class Life(Struct, frozen=True):
    """All that a new generation begins with, besides its documents and entries."""

    owner: str
    """Consumer group and Kafka cluster, as in a claim."""
    config: str
    """Fingerprint of the identity settings, as in a claim."""
    shape: str
    """The settings that the entries were derived by (``index.shape``)."""
    least_seq: int
    """The space's seq will be above it."""
    rows: tuple[NewRow, ...]
    changelog: str = ""
    """Id of the topic ``profiles`` that it was built from."""


class LiveRow(Struct, frozen=True):
    """One row of the live generation; topic_id is '' where it has no such row."""

    topic_id: str
    cursor: int | None
    chunks: tuple[tuple[int, bytes], ...]
    config: str = ""
    """Fingerprint of the identity settings that its decisions were taken under."""


class Survey(Struct, frozen=True):
    """The live generation of a space, as a restore or a check finds it."""

    seq: int
    shape: str
    rows: dict[RowKey, LiveRow]
    number: str
    owner: str = ""
    """Consumer group and Kafka cluster that it is bound to, '' where it is new."""
    changelog: str = ""
    """Id of the topic ``profiles`` that has its documents, '' where none was remembered."""
    is_of_other_key: bool = False
    """Whether its tokens were made with another key than ours."""
    changed_ms: int | None = None
    """When it was last committed to, or claimed, by the clock of who did; None where unknown."""
    request_ids: Kept = "short"
    """How it keeps used request ids."""


def open_generations(settings: Settings) -> "Generations":
    """Return the generations on the server of *settings*; the first call connects."""
    server = settings.redis
    return Generations.connect(
        server.url.reveal(), server.prefix, settings.key(), cluster=server.cluster
    )


class Generations:
    """The generations of every space on one Redis server or cluster."""

    def __init__(self, connection: Connection, prefix: str, token_key: bytes = b"") -> None:
        self._connection = connection
        self._prefix = prefix
        self.token = tokens(token_key)
        self._key = key_fingerprint(token_key)

    @classmethod
    def connect(
        cls, url: str, prefix: str, token_key: bytes = b"", *, cluster: bool = False
    ) -> "Generations":
        """Return the generations at *url*; the first call connects."""
        return cls(Connection(url, _TIMEOUTS, is_cluster=cluster), prefix, token_key)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def begin(
        self, space: Space, owner: str, shape: str = "", *, is_new: bool = False
    ) -> "NewGeneration":
        """Begin a generation; one that was begun before and never finished is discarded.

        Raises Fenced where the space belongs to another group or cluster, OtherShape where it has
        another shape than the one given (unless that is to be new), or another was announced.
        """
        reply = self._run(_BEGIN, space, (owner, shape, "reindexing" if is_new else "restoring"))
        if reply[0] == b"other_group":
            raise other_group(space)
        if reply[0] == b"other_shape":
            raise OtherShape(reply[1].decode())
        return NewGeneration(self, space, reply[1].decode(), reply[2].decode())

    def survey(self, space: Space, rows: Sequence[RowKey]) -> Survey:
        """Return what the live generation holds of *rows*."""
        names = [keys.row_name(row) for row in rows]
        _, seq, shape, number, states, *life = self._run(_SURVEY, space, (names,))
        owner, changelog, key, tag, kept = life
        return Survey(
            seq=int(seq),
            shape=shape.decode(),
            rows={
                row: LiveRow(
                    topic_id=topic_id.decode(),
                    cursor=int(cursor) if cursor else None,
                    chunks=tuple(map(wire.chunk_of, chunks)),
                    config=config.decode(),
                )
                for row, (topic_id, cursor, config, chunks) in zip(rows, states, strict=True)
            },
            number=number.decode(),
            owner=owner.decode(),
            changelog=changelog.decode(),
            is_of_other_key=bool(key) and key.decode() != self._key,
            changed_ms=tag_ms(tag),
            request_ids=kept.decode(),
        )

    def count(self, space: Space, number: str, most: int) -> int:
        """Return how many documents a generation holds.

        A scan may tell a key twice, and graves and cases are there too: a number up to *most* may
        be too high by that, one above it is exact.
        """
        base = f"{keys.control_key(self._prefix, space)}:{number}:p:"
        count = sum(map(len, self._connection.scan_keys(base, _LOT)))
        if count <= most:
            return count
        names = set(chain.from_iterable(self._connection.scan_keys(base, _LOT)))
        flags = self._connection.flags(sorted(names))
        return len(names) - flags.count(b"\x02") - flags.count(b"\x03")

    def holds_profiles(self, space: Space, number: str) -> bool:
        """Return whether a generation has any document; stops at the first that is found."""
        base = f"{keys.control_key(self._prefix, space)}:{number}:p:"
        return any(self._connection.scan_keys(base, _LOT))

    def censuses(self, numbers: Mapping[Space, str]) -> dict[Space, Census]:
        """Return what the generations of these numbers have; scans all keys of the server once."""
        bases = {s: f"{keys.control_key(self._prefix, s)}:{n}:" for s, n in numbers.items()}
        return censuses(self._connection, f"{self._prefix}:{keys.FORMAT}:{{", bases)

    def remember(self, space: Space, owner: str, changelog: str, *, anew: bool = False) -> None:
        """Bind a space to our key, and to the topic ``profiles`` of the id *changelog*, if any.

        *anew*: to that topic, whatever it had. Raises NoStart where it is bound to another one,
        Fenced where it is another group's.
        """
        reply = self._run(_REMEMBER, space, (owner, changelog, int(anew), self._key))
        if reply[0] == b"other_group":
            raise other_group(space)
        if reply[2].decode() != self._key:
            raise other_key(space)
        if changelog and reply[1].decode() != changelog:
            raise other_changelog(space)

    def define(
        self,
        space: Space,
        owner: str,
        decide: Callable[[Mapping[str, Listed]], Mapping[str, Listed]],
    ) -> None:
        """Remember which meanings definitions have: what *decide* makes of those remembered so far.

        Whatever *decide* raises leaves all as it was. Raises Fenced where the space is another
        group's.
        """
        known = self._defined(space, owner, b"", b"")
        while True:
            wanted = _encode_json(dict(sorted(decide(_decode_json(known or b"{}")).items())))
            found = self._defined(space, owner, known, wanted)
            if found == wanted:
                return
            known = found

    def _defined(self, space: Space, owner: str, known: bytes, wanted: bytes) -> bytes:
        reply = self._run(_DEFINE, space, (owner, known.decode(), wanted.decode()))
        if reply[0] == b"other_group":
            raise other_group(space)
        found: bytes = reply[1]
        return found

    def documents(self, space: Space, number: str) -> Iterator[list[tuple[int, bytes]]]:
        """Yield what a generation has under MPIDs, some at a time, one perhaps twice.

        Graves and cases are among it (``profiles.document``).
        """
        base = f"{keys.control_key(self._prefix, space)}:{number}:".encode()
        for found in self._connection.scan_keys(f"{base.decode()}p:", _LOT):
            names = [name.removeprefix(base) for name in found]
            reply = self._run(_PEEK, space, (number, list(map(binary, names))))
            mpids = [keys.mpid_of(name.removeprefix(b"p:")) for name in names]
            yield [(m, value) for m, value in zip(mpids, reply[1], strict=True) if value]

    def discarded(self, space: Space) -> list[str]:
        """Return the generations whose keys are still to be deleted."""
        return [number.decode() for number in self._run(_FORGET, space, ("",))[1]]

    def delete(self, space: Space, number: str) -> Iterator[int]:
        """Delete the keys of a discarded generation, some at a time; yield how many they were.

        May be left at any time: the generation stays discarded until all of its keys are gone.
        """
        base = f"{keys.control_key(self._prefix, space)}:{number}:"
        for names in self._connection.scan_keys(base, _LOT):
            yield self._connection.unlink(names)
        self._run(_FORGET, space, (number,))

    def _run(self, script: Any, space: Space, ask: Sequence[object]) -> list[Any]:  # noqa: ANN401
        # The 0 stands for the highest seq that the caller has seen: none.
        control = keys.control_key(self._prefix, space)
        return self._connection.run(script, control, _encode(("0", *ask)))


class NewGeneration:
    """One generation that is being built. Names are ``p:<hex digits>`` and ``i:<token>``."""

    def __init__(self, generations: Generations, space: Space, number: str, seq: str) -> None:
        self._generations = generations
        self.space = space
        self.number = number
        self._seq = seq
        """The space's seq as this began: a claim or a commit meanwhile would have raised it."""
        self._written = 0

    def document_name(self, mpid: int) -> bytes:
        """Return the name of a document."""
        return b"p:" + keys.mpid_digits(mpid).encode()

    def entry_name(self, identifier: Identifier) -> bytes:
        """Return the name of an identifier's entry."""
        return b"i:" + self._generations.token(identifier)

    def values(self, names: Sequence[bytes]) -> list[bytes | None]:
        """Return what stands under *names*, None where nothing does."""
        if not names:
            return []
        ask = self.number, [binary(name) for name in names]
        reply = self._generations._run(_PEEK, self.space, ask)  # noqa: SLF001 - one module
        found: list[bytes | None] = reply[1]
        return found

    def write(self, values: Mapping[bytes, bytes], entered: Sequence[Entry] = ()) -> None:
        """Write *values* under their names, an empty one removes; append entries to the wheel."""
        if values:
            pairs = [binary(part) for part in chain.from_iterable(values.items())]
            self._run(_BUILD, (pairs, *([wire.pack_entered(entered)] if entered else [])))
            self._written += 1

    def announce(self, announcement: str) -> str:
        """Put *announcement* in place of the shape until the switch; return what was there."""
        before: bytes = self._run(_ANNOUNCE, (announcement,))[1]
        self._written += 1
        return before.decode()

    def switch(self, life: Life) -> int:
        """Make this the live generation, atomically; return the seq that the space goes on with."""
        rows = [(keys.row_name(s.row), s.topic_id, str(s.cursor)) for s in life.rows]
        shape, least, changelog = life.shape, str(life.least_seq), life.changelog
        key = self._generations._key  # noqa: SLF001 - one module
        ask = (self._seq, life.owner, life.config, shape, least, rows, changelog, key)
        return int(self._run(_SWITCH, ask)[1])

    def _run(self, script: Any, ask: Sequence[object]) -> list[Any]:  # noqa: ANN401
        """Run a script that changes nothing unless all that was written so far is still there."""
        place = self.number, str(self._written)
        reply = self._generations._run(script, self.space, (*place, *ask))  # noqa: SLF001 - one module
        if reply[0] == b"superseded":
            raise Superseded(
                f"space {self.space.name} was not switched: another rebuild of it has begun, or"
                " Redis has lost what this one wrote; run one `idstream restore` at a time, and"
                " begin again"
            )
        if reply[0] == b"gone_on":
            raise Superseded(
                f"space {self.space.name} was not switched: a processor has claimed it or written"
                " to it since this restore began; stop every process of this group, and begin again"
            )
        if reply[0] == b"other_group":
            raise other_group(self.space)
        return reply


def profiles_in(generations: Generations, space: Space, number: str) -> Iterator[list[Profile]]:
    """Yield the profiles of a generation, some at a time, one perhaps twice."""
    for lot in generations.documents(space, number):
        yield [unpack(one) for _, one in lot if not (is_grave(one) or is_case(one))]


def definitions_in(generations: Generations, space: Space, owner: str) -> Mapping[str, Listed]:
    """Return which meanings definitions of *space* are remembered with; it writes nothing.

    Raises Fenced where the space is another group's.
    """
    known = generations._defined(space, owner, b"", b"")  # noqa: SLF001 - one module
    found: Mapping[str, Listed] = _decode_json(known or b"{}")
    return found

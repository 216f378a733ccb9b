"""Repeats: what users' batches say again in Avro, so that it is not read and written anew.

A record in Avro is its fields one behind the other, and the same bytes always mean the same. So of
an incoming batch the passage of the fields ``REPEATED`` is recognised by its bytes; and each of
these fields goes out as it did for the same JSON before.
"""

from collections.abc import Collection
from typing import Final, TypeVar

from msgspec import Struct

from processor.codecs.avro.schemas import Schema, parsed
from processor.codecs.envelope import Fields

REPEATED: Final = frozenset(
    {
        "user_identities",
        "mp_deviceid",
        "device_info",
        "user_attributes",
        "deleted_user_attributes",
        "consent_state",
    }
)
"""The fields of a batch that a user's next one mostly says again; each may be null."""
BEGINNING: Final = 64
"""Bytes of a passage by which it is found: they hold an identity, as a rule."""
LARGEST: Final = 4
"""What takes more than one of so many parts of the room is not remembered: others would go."""
BESIDE: Final = 300
"""About how many bytes an encoding takes beside itself and the JSON that it was made of."""
PASSAGE_BYTES: Final = 1_200
"""About how many a passage takes beside its bytes and the JSON of its fields."""

Said = tuple[str, bytes]
"""The name of a field, and its JSON."""
Key = TypeVar("Key")
Value = TypeVar("Value")


class Passage(Struct, frozen=True, gc=False):
    """A passage of incoming batches."""

    data: bytes
    fields: Fields
    """Its fields that are not null, as JSON."""
    length: int
    """How many bytes of JSON they have."""


class Repeats:
    """Passages and encodings of one process, at most *max_bytes* of them, estimated."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0
        self.evicted = 0
        """How many were forgotten for want of room."""
        self._passages: dict[bytes, Passage] = {}
        self._encodings: dict[Said, bytes] = {}

    def passage(self, value: bytes, at: int) -> Passage | None:
        """Return the passage that *value* has from there on; None where it is not known."""
        found = self._passages.get(value[at : at + BEGINNING])
        return found if found is not None and value.startswith(found.data, at) else None

    def keep_passage(self, value: bytes, at: int, passage: Passage) -> None:
        """Remember the *passage* that was read of *value* from there on."""
        cost = _passage_cost(passage)
        if cost * LARGEST > self._max_bytes:
            return
        key = value[at : at + BEGINNING]
        known = self._passages.pop(key, None)
        if known is not None:
            self.bytes -= _passage_cost(known)
        self._passages[key] = passage
        self._grow(cost)

    def encoding(self, said: Said) -> bytes | None:
        """Return the encoding of a field that says the same; None where it is not known."""
        return self._encodings.get(said)

    def keep_encoding(self, said: Said, encoding: bytes) -> None:
        """Remember the *encoding* of a field that was not known."""
        cost = _encoding_cost(said, encoding)
        if cost * LARGEST > self._max_bytes:
            return
        self._encodings[said] = encoding
        self._grow(cost)

    def _grow(self, cost: int) -> None:
        self.bytes += cost
        if self.bytes > self._max_bytes:
            for key in _older_half(self._passages):
                self.bytes -= _passage_cost(self._passages.pop(key))
                self.evicted += 1
            for said in _older_half(self._encodings):
                self.bytes -= _encoding_cost(said, self._encodings.pop(said))
                self.evicted += 1


def cut(schema: Schema, apart: Collection[str]) -> list[tuple[str, Schema]]:
    """Return *schema* cut into records that follow each other, parsed.

    Each of the fields *apart* is one, under its name; what lies between them is one under ``""``.
    """
    runs: list[tuple[str, list[Schema]]] = []
    for field in schema["fields"]:
        name = field["name"] if field["name"] in apart else ""
        if name or not runs or runs[-1][0]:
            runs.append((name, []))
        runs[-1][1].append(field)
    return [(name, _record_of(schema, fields)) for name, fields in runs]


def cut_in_three(schema: Schema) -> tuple[Schema, Schema, Schema]:
    """Return the records before, of and behind the fields ``REPEATED``, parsed."""
    fields = schema["fields"]
    places = [at for at, field in enumerate(fields) if field["name"] in REPEATED]
    first, end = places[0], places[-1] + 1
    assert end - first == len(REPEATED), "they follow each other"
    before, of, behind = fields[:first], fields[first:end], fields[end:]
    return _record_of(schema, before), _record_of(schema, of), _record_of(schema, behind)


def _record_of(schema: Schema, fields: list[Schema]) -> Schema:
    """Return a record of some *fields* of *schema*, parsed."""
    return parsed({**schema, "fields": fields})


def _older_half(held: dict[Key, Value]) -> list[Key]:
    return list(held)[: (len(held) + 1) // 2]


def _passage_cost(passage: Passage) -> int:
    return PASSAGE_BYTES + len(passage.data) + passage.length


def _encoding_cost(said: Said, encoding: bytes) -> int:
    return BESIDE + len(said[1]) + len(encoding)

"""Our own Avro schemas: every version of every message, from the folder ``schemas``."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import msgspec
from fastavro import parse_schema
from fastavro.schema import fingerprint, to_parsing_canonical_form
from msgspec import Struct

MESSAGES: Final[Mapping[str, str]] = {
    "batches": "event-batch",
    "requests": "identity-request",
    "enriched": "enriched-batch",
    "responses": "identity-response",
    "changes": "identity-change",
    "profiles": "profile",
    "outcomes": "outcome",
    "audience_changes": "audience-change",
    "clock": "sweep",
    "privacy": "subject-request",
    "receipts": "subject-receipt",
    "cases": "subject-case",
}
"""The message of each role of ``kafka.topics``; dead letters have none, they go out as received."""

OTHER_FIELDS: Final = "other_fields"
"""The field of every message that holds, as JSON by name, the fields without a type."""

Schema = dict[str, Any]

_VERSION: Final = re.compile(r"v([1-9][0-9]*)\.avsc")


class OwnSchema(Struct, frozen=True):
    """One version of one message."""

    message: str
    version: int
    schema: Schema
    """As written, with its documentation."""
    parsed: Schema
    """As fastavro has parsed it."""
    fingerprint: bytes
    """CRC-64-AVRO in the byte order of the single-object encoding."""

    def text(self) -> str:
        """Return the schema as a registry takes it."""
        return msgspec.json.encode(self.schema).decode()


@cache
def versions(message: str) -> tuple[OwnSchema, ...]:
    """Return every version of *message*, oldest first."""
    found = sorted(_read(message), key=lambda own: own.version)
    assert [own.version for own in found] == list(range(1, len(found) + 1))
    return tuple(found)


def latest(message: str) -> OwnSchema:
    """Return the newest version of *message*: it is written, and what is read resolved into."""
    return versions(message)[-1]


def _read(message: str) -> Iterator[OwnSchema]:
    for file in (_home() / message).iterdir():
        match = _VERSION.fullmatch(file.name)
        if match is not None:
            schema: Schema = msgspec.json.decode(file.read_bytes())
            yield OwnSchema(
                message=message,
                version=int(match[1]),
                schema=schema,
                parsed=parsed(schema),
                fingerprint=bytes.fromhex(
                    fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
                ),
            )


def parsed(schema: Schema) -> Schema:
    """Return *schema* parsed; its named types are known to no other schema."""
    found = parse_schema(schema, named_schemas={})
    assert isinstance(found, dict)
    return found


def _home() -> Traversable:
    """Return the folder of the schemas: that of the installed package, or of a checkout."""
    inside = resources.files("processor") / "schemas"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "schemas"

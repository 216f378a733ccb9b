"""What becomes of a record: exactly one outcome each."""

from typing import Literal, NamedTuple

OutcomeName = Literal["forwarded", "stored", "answered", "dropped", "duplicate", "dead_letter"]

DeadLetterReason = Literal[
    "malformed",
    "invalid",
    "oversize",
    "unknown_input",
    "unknown_identity_type",
    "unsupported_content_type",
    "schema_not_found",
    "undecodable",
    "poison",
]


class Record(NamedTuple):
    """A consumed Kafka record. ``value`` is None for a tombstone."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class DeadLetter(NamedTuple):
    """A record that cannot be processed.

    ``detail`` is our own words with a field's path, never a value.
    """

    reason: DeadLetterReason
    detail: str


class Output(NamedTuple):
    """A record to publish; ``role`` names the topic, as the keys of ``kafka.topics`` do."""

    role: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    as_received: str | None = None
    """The format of a value that is an input's own bytes, and goes out as it came."""


class Outcome(NamedTuple):
    """What became of one record, as counted and as published on the outcomes topic."""

    name: OutcomeName
    reason: str | None = None
    mpid: int | None = None
    seq: int | None = None
    position: int | None = None

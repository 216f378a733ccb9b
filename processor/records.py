"""Records: as consumed, as decoded, what becomes of them, and what is published."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Raw, Struct

from processor.identity.model import AliasRequest, Environment, Identifier, IdentityChange
from processor.identity.profile import Attribution

OutcomeName = Literal[
    "forwarded", "stored", "answered", "dropped", "duplicate", "dead_letter", "swept"
]

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


class RowKey(NamedTuple):
    """The key of an input partition; a *row* is what a space stores about that partition."""

    topic: str
    partition: int


class Record(NamedTuple):
    """A consumed Kafka record. ``value`` is None for a tombstone."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def row(self) -> RowKey:
        """The input partition that the record came from."""
        return tuple.__new__(RowKey, self[:2])  # a quarter of the time of RowKey(...)


def last_of_rows(records: Sequence[Record]) -> dict[RowKey, Record]:
    """Return the last record of each input partition, of *records* in order."""
    last = {record[:2]: record for record in records}  # as plain tuples: many, and quickly made
    return {record.row: record for record in last.values()}


class DeadLetter(NamedTuple):
    """A record that cannot be processed.

    ``detail`` is our own words with a field's path, never a value.
    """

    reason: DeadLetterReason
    detail: str


class Ignored(NamedTuple):
    """A value that was left out of a record because it is odd and no decision depends on it."""

    field: str
    """The path of the value, a label of metrics; ``[...]`` stands for a key or the place in a list.
    """
    reason: str
    """type, time, far_past, far_future, value or missing."""
    name: str = ""
    """The key that ``[...]`` stands for. It is data: told only where one record is explained."""


class Output(Struct, frozen=True, gc=False):
    """A record to publish; ``role`` names the topic, as the keys of ``kafka.topics`` do."""

    role: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    as_received: str | None = None
    """The format of a value that goes out as it came in; None for a value that we made."""
    partition: int | None = None
    """Of a sweep: the partition that it is for; all others go by their key."""


class Outcome(Struct, frozen=True, gc=False):
    """What became of one record, as counted and as published on the outcomes topic."""

    name: OutcomeName
    reason: str | None = None
    mpid: int | None = None
    seq: int | None = None
    position: int | None = None


EventType = Literal[
    "custom_event",
    "commerce_event",
    "screen_view",
    "session_start",
    "session_end",
    "application_state_transition",
    "push_registration",
    "push_message",
    "push_reaction",
    "opt_out",
    "crash_report",
    "network_performance",
    "breadcrumb",
    "user_attribute_change",
    "user_identity_change",
    "profile",
    "first_run",
    "uninstall",
    "pre_attribution",
]
"""What an event of a batch may be (docs/messages.md, "Event batches")."""


class EventBatch(Struct, frozen=True, gc=False):
    """A decoded event batch (docs/messages.md, "Event batches")."""

    fields: dict[str, Raw]
    """Every top-level field as received, the last of a name; outputs are assembled from these."""
    environment: Environment
    mpid: int | None
    identifiers: tuple[Identifier, ...]
    """From user_identities, device_info and mp_deviceid, in that order.

    Canonical types, no null or empty values.
    """
    has_events: bool
    time_ms: int | None
    """Smallest events[].data.timestamp_unixtime_ms, else the batch's, else None."""
    source_request_id: str | None
    user_attributes: dict[str, Any]
    deleted_user_attributes: tuple[str, ...]
    consent_state: dict[str, Any] | None
    device_info: dict[str, Any] | None
    over_limit: tuple[tuple[Identifier, str], ...] = ()
    """Identifiers left out for the length of their value, with the reason ``bound``."""
    bounded_attributes: int = 0
    """Attributes left out for a limit (docs/configuration.md, "[limits]")."""
    device_ids: tuple[Identifier, ...] = ()
    """Identifiers of the batch's device, also where the strategy ignores them."""
    ignored: tuple[Ignored, ...] = ()
    """What was left out because it is odd (docs/messages.md, "Odd values")."""
    attribution: Attribution | None = None
    """Of the last event of type ``attribution``; its time is 0 where the event says none."""
    partner_identities: Mapping[str, str | None] = {}
    """By registered name; None takes one away. Empty where the workspace registers none."""


class IdentityCall(Struct, frozen=True, gc=False):
    """A decoded identity request, or one that breaks a rule (``error`` set)."""

    request_type: str
    environment: Environment | None
    request_id: str | None
    time_ms: int | None
    identifiers: tuple[Identifier, ...] = ()
    previous_mpid: int | None = None
    mpid: int | None = None
    changes: tuple[IdentityChange, ...] = ()
    read_only: bool = False
    over_limit: tuple[tuple[Identifier, str], ...] = ()
    alias: AliasRequest | None = None
    """What an alias request asks for."""
    error: tuple[int, str, str] | None = None
    """(status, code, message) of a rule broken before anything is looked up."""
    ignored: tuple[Ignored, ...] = ()

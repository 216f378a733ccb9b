"""What is published for records of every kind: dead letters, changes, profiles, outcomes. Pure.

Shapes are those of docs/messages.md. MPIDs are decimal text in all of them, because JavaScript
rounds JSON numbers of 63 bits.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct, field

from processor.codecs.headers import (
    REPLAY_OF,
    RESERVED,
    attempts,
    dead_letter_headers,
    mpid_header,
    place_headers,
    replayed_place,
    source_headers,
    tombstone_headers,
)
from processor.codecs.resolution import encode, mpid_text
from processor.computed.message import AudienceChange
from processor.identity.alias import LATE_MS
from processor.identity.change import Change
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.pipeline.journal import Entry
from processor.pipeline.work import Decided, Settled, Work
from processor.privacy.case import case_key, case_to_json, unpack_case
from processor.profiles.document import profile_key, to_json
from processor.profiles.sections import Section, made
from processor.records import DeadLetter, Outcome, Output, Record


def settle(decided: Decided) -> Settled:
    """Return what becomes of a decided record and what is published for it, but for profiles."""
    work, entry, decision = decided.work, decided.entry, decided.entry.decision
    outcome = Outcome(entry.outcome, entry.reason, entry.mpid, entry.seq, entry.position)  # type: ignore[arg-type]  # the journal holds the names as text
    if decision is None and entry.outcome == "forwarded":  # nothing of it was asked of the index
        outcome = Outcome("forwarded")
    output = None if entry.outcome == "duplicate" else work.content.output(decided)
    settled = Settled(work.record, outcome, output, decision=decision)
    if entry.changes:
        settled.changes = change_events(entry.changes, work.record, work.space, _cause(work))
    if entry.messages:
        settled.audience_changes = audience_outputs(entry, work.record, work.space, work.request_id)
    return settled


def dead_letter(record: Record, letter: DeadLetter) -> Settled:
    """Set *record* aside."""
    kept = tuple(header for header in record.headers if header[0] not in RESERVED)
    headers = (*kept, *dead_letter_headers(letter, record, attempts(record) + 1))
    first = replayed_place(record)
    if first is not None:
        headers = (*headers, (REPLAY_OF, first))
    output = Output("dead_letters", record.key, record.value, headers)
    return Settled(record, Outcome("dead_letter", letter.reason), output)


def profile_record(
    document: Profile | Grave | Filed,
    space: Space,
    source: tuple[str, int, int],
    section: Section = made,
) -> Output:
    """Return a profile's record for the changelog: of one that has ended a tombstone.

    *source* is the topic, partition and offset of the record that caused its version; of a
    document published again, the last record of the row that owed it. *section* is of ``to_json``.
    """
    if isinstance(document, Filed):
        return _case_record(document, space, source)
    key = profile_key(space.scope, space.environment, document.mpid)
    headers = (*place_headers(*source), mpid_header(document.mpid))
    if isinstance(document, Grave):
        return Output("profiles", key, None, (*headers, *tombstone_headers(document)))
    return Output("profiles", key, to_json(document, section), headers)


def _case_record(document: Filed, space: Space, source: tuple[str, int, int]) -> Output:
    """Return the record of a case for its changelog; of one that was taken away a tombstone."""
    key = case_key(space, document.mpid)
    headers = place_headers(*source)
    if not document.data:
        version = ("version", b"%d" % document.version)
        return Output("cases", key, None, (*headers, version))
    return Output("cases", key, case_to_json(unpack_case(document.data)), headers)


def outcome_output(settled: Settled) -> Output:
    """Return what the ``outcomes`` topic gets of a record."""
    record = settled.record
    value = outcome_record(settled.outcome)
    return Output("outcomes", record.key, value, source_headers(record))


def _cause(work: Work) -> "Cause":
    record = work.record
    return Cause(
        work.rules.workspace.name,
        work.space.environment,
        work.time_ms,
        (record.topic, record.partition, record.offset),
        work.request_id,
    )


def change_events(
    changes: Sequence[Change], record: Record, space: Space, cause: "Cause"
) -> list[Output]:
    """Return what the changes topic gets of one record."""
    headers = source_headers(record)
    outputs = []
    named, key, its = None, record.key, headers
    for change in changes:
        if change.mpid != named:  # most records have several changes of one profile
            named, key, its = change.mpid, record.key, headers
            if named is not None:
                key = profile_key(space.scope, space.environment, named)
                its = (*headers, mpid_header(named))
        outputs.append(Output("changes", key, identity_change(change, cause), its))
    return outputs


def audience_outputs(
    entry: Entry, record: Record, space: Space, request_id: str | None
) -> list[Output]:
    """Return what the topic ``audience-changes`` gets of one record."""
    versions = dict(entry.touched)
    return [
        audience_record(message, versions.get(message.mpid), record, space, request_id)
        for message in entry.messages
    ]


def audience_record(
    message: AudienceChange,
    version: int | None,
    record: Record,
    space: Space,
    request_id: str | None = None,
) -> Output:
    """Return one record of ``audience-changes``; *version* is the profile's."""
    value = {
        "change": message.change,
        "audience": message.audience,
        "mpid": str(message.mpid),
        "version": version,
        "workspace": message.workspace,
        "environment": space.environment,
        "timestamp_ms": message.timestamp_ms,
        "reason": message.reason,
        "definition_version": message.definition_version,
        "expires_ms": message.expires_ms,
        "user_identities": _identities(message.carried.identities),
        "user_attributes": message.carried.attributes,
        "cause": _Place(record.topic, record.partition, record.offset, request_id),
    }
    if message.previous_identities is not None:
        value["previous_identities"] = _identities(message.previous_identities)
    if message.is_bounded:
        value["is_bounded"] = True
    headers = (
        *source_headers(record),
        mpid_header(message.mpid),
        ("workspace", message.workspace.encode()),
        ("audience", message.audience.encode()),
        ("change", message.change.encode()),
    )
    key = profile_key(space.scope, space.environment, message.mpid)
    return Output("audience_changes", key, encode(value), headers)


def _identities(identities: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"identity_type": kind, "identity": value} for kind, value in identities]


class Cause(Struct, frozen=True, gc=False):
    """Where an identity change comes from: the record, and when it was decided."""

    workspace: str
    environment: str
    timestamp_ms: int
    place: tuple[str, int, int]
    """Topic, partition and offset of the record."""
    request_id: str | None = None


class _Place(Struct, gc=False):
    """The record that caused a change."""

    topic: str
    partition: int
    offset: int
    request_id: str | None


class _ChangeEvent(Struct, gc=False, omit_defaults=True):
    """A record of ``identity-changes``; what does not apply is left out."""

    change: str
    mpid: str | None
    version: int | None
    workspace: str
    environment: str
    timestamp_ms: int
    cause: _Place
    identity_type: str | None = None
    token: str | None = None
    reason: str | None = None
    moved_from: str | None = field(default=None, name="from")
    moved_to: str | None = field(default=None, name="to")
    source: str | None = None
    absorbed: list[str] | None = None
    role: str | None = None
    destination: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    scope: str | None = None
    device: str | None = None
    effective_ms: int | None = None


_OF_ONE_PROFILE: Final = frozenset({"profile_created", "identity_added", "identity_removed"})
"""Kinds of changes, most of all, that name no other profile."""


def identity_change(change: Change, cause: Cause) -> bytes:
    """Return one record of the ``identity-changes`` topic."""
    event = _event(change, cause)
    if change.alias is not None:
        its = change.alias
        event.role, event.destination = its.role, mpid_text(its.destination)
        event.start_ms, event.end_ms, event.scope = its.start_ms, its.end_ms, its.scope
        event.device, event.effective_ms = its.device, cause.timestamp_ms + LATE_MS
    return encode(event)


def _event(change: Change, cause: Cause) -> _ChangeEvent:
    event = _ChangeEvent(
        change.change,
        mpid_text(change.mpid),
        change.version,
        cause.workspace,
        cause.environment,
        cause.timestamp_ms if change.time_ms is None else change.time_ms,
        _Place(*cause.place, cause.request_id),
        change.identity_type,
        change.token,
        change.reason,
    )
    if change.change not in _OF_ONE_PROFILE:
        event.moved_from, event.moved_to = mpid_text(change.moved_from), mpid_text(change.moved_to)
        event.source = mpid_text(change.source)
        event.absorbed = [str(mpid) for mpid in change.absorbed] or None
    return event


def outcome_record(outcome: Outcome) -> bytes:
    """Return one record of the ``outcomes`` topic."""
    return encode(
        {
            "outcome": outcome.name,
            "reason": outcome.reason,
            "mpid": mpid_text(outcome.mpid),
            "seq": outcome.seq,
            "position": outcome.position,
        }
    )

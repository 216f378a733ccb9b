"""What goes out: responses, resolutions, identity changes, outcomes, dead letters' headers.

Shapes are those of docs/messages.md. MPIDs are decimal text in all of them, because
JSON numbers of 63 bits are rounded by JavaScript.
"""

from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, field

from processor.identity.change import Change
from processor.identity.decision import KINDS, Created, Decision, Matched, Merged, NotFound, Skip
from processor.identity.model import Identifier
from processor.outcome import DeadLetter, Outcome, Record
from processor.profiles.batch import IdentityCall

Envelope = Literal["documented", "both"]
Headers = tuple[tuple[str, bytes], ...]

_encode = msgspec.json.Encoder().encode

_NOT_FOUND = (404, "NOT_FOUND_ERROR", "no user was found for these identities")


class Cause(Struct, frozen=True, gc=False):
    """Where an identity change comes from: the record, and when it was decided."""

    workspace: str
    environment: str
    timestamp_ms: int
    place: tuple[str, int, int]
    """Topic, partition and offset of the record."""
    request_id: str | None = None


def resolution(decision: Decision) -> bytes:
    """Return the ``resolution`` header of an attributed batch: why it was attributed as it was."""
    if isinstance(decision, Matched):  # most of all, and few of them differ
        return _matched_resolution(
            decision.matched_on, decision.candidates, decision.source_mpid, decision.skipped
        )
    return _encode(_resolution(decision))


@lru_cache(maxsize=4096)
def _matched_resolution(
    matched_on: str | None, candidates: int, source_mpid: int | None, skipped: tuple[Skip, ...]
) -> bytes:
    why = Matched(
        0,
        matched_on=matched_on,
        candidates=candidates,
        source_mpid=source_mpid,
        skipped=skipped,
    )
    return _encode(_resolution(why))


def response(call: IdentityCall, workspace: str, decision: Decision, envelope: Envelope) -> bytes:
    """Return the answer to a request that was decided.

    A search without a match is a 404; any other request that found nobody because it may not
    write is a 200 without ``mpid``.
    """
    match decision:
        case Matched() | Created() | Merged():
            return _success(call, workspace, decision)
        case NotFound():
            if call.request_type == "search":
                return _error(call, workspace, _NOT_FOUND, envelope, _resolution(decision))
            return _encode({**_head(call, workspace, 200), "resolution": _resolution(decision)})
        case _:
            error = (decision.status, decision.code, decision.message)
            return _error(call, workspace, error, envelope, _resolution(decision))


def error_response(
    call: IdentityCall,
    workspace: str,
    error: tuple[int, str, str],
    envelope: Envelope,
) -> bytes:
    """Return the answer to a request that broke a rule before anything was looked up.

    *error* is (status, code, message).
    """
    return _error(call, workspace, error, envelope, _why("refused", ()))


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


def identity_change(change: Change, cause: Cause) -> bytes:
    """Return one record of the ``identity-changes`` topic."""
    return _encode(
        _ChangeEvent(
            change.change,
            _text(change.mpid),
            change.version,
            cause.workspace,
            cause.environment,
            cause.timestamp_ms,
            _Place(*cause.place, cause.request_id),
            change.identity_type,
            change.token,
            change.reason,
            _text(change.moved_from),
            _text(change.moved_to),
            _text(change.source),
            [str(mpid) for mpid in change.absorbed] or None,
        )
    )


def outcome_record(outcome: Outcome) -> bytes:
    """Return one record of the ``outcomes`` topic."""
    return _encode(
        {
            "outcome": outcome.name,
            "reason": outcome.reason,
            "mpid": _text(outcome.mpid),
            "seq": outcome.seq,
            "position": outcome.position,
        }
    )


def source_headers(record: Record) -> Headers:
    """Return the headers that name the record an output comes from."""
    return place_headers(record.topic, record.partition, record.offset)


def place_headers(topic: str, partition: int, offset: int) -> Headers:
    """Return the headers that name a place in an input topic."""
    return (*_partition_headers(topic, partition), ("source-offset", b"%d" % offset))


@lru_cache(maxsize=4096)
def _partition_headers(topic: str, partition: int) -> Headers:
    return ("source-topic", topic.encode()), ("source-partition", b"%d" % partition)


def dead_letter_headers(letter: DeadLetter, record: Record, attempts: int = 1) -> Headers:
    """Return the headers that a dead letter has beside those it came with."""
    return (
        ("reason", letter.reason.encode()),
        ("detail", letter.detail.encode("utf-8", "replace")),
        *source_headers(record),
        ("source-timestamp", b"%d" % record.timestamp_ms),
        ("attempts", b"%d" % attempts),
    )


def _success(call: IdentityCall, workspace: str, decision: Matched | Created | Merged) -> bytes:
    matched = () if isinstance(decision, Created) else decision.matched
    body = {
        **_head(call, workspace, 200),
        "mpid": str(decision.mpid),
        "matched_identities": _by_type(matched),
        "is_logged_in": decision.is_logged_in,
        "is_ephemeral": not decision.is_known,
    }
    if isinstance(decision, Matched) and decision.change_results is not None:
        body["change_results"] = [
            {"identity_type": r.identity_type, "modified_mpid": str(r.modified_mpid)}
            for r in decision.change_results
        ]
    body["resolution"] = _resolution(decision)
    return _encode(body)


def _error(
    call: IdentityCall,
    workspace: str,
    error: tuple[int, str, str],
    envelope: Envelope,
    why: dict[str, Any],
) -> bytes:
    """Answer with the documented envelope, and if asked to with the one of SDKs too."""
    status, code, message = error
    errors = [{"code": code, "message": message}]
    body = {**_head(call, workspace, status), "errors": errors}
    if envelope == "both":
        body["Errors"] = errors
        body["ErrorCode"] = code
        body["StatusCode"] = status
        if call.request_id is not None:
            body["RequestId"] = call.request_id
    body["resolution"] = why
    return _encode(body)


def _head(call: IdentityCall, workspace: str, status: int) -> dict[str, Any]:
    return {
        "request_id": call.request_id,
        "request_type": call.request_type,
        "workspace": workspace,
        "environment": call.environment,
        "status": status,
    }


def _resolution(decision: Decision) -> dict[str, Any]:
    why = _why(KINDS[type(decision)], decision.skipped)
    if isinstance(decision, Matched | Merged):
        why["matched_on"] = decision.matched_on
    if isinstance(decision, Matched | Created | Merged | NotFound):
        why["candidates"] = decision.candidates
    if isinstance(decision, Matched | Created):
        why["source_mpid"] = _text(decision.source_mpid)
    return why


def _why(outcome: str, skipped: tuple[Skip, ...]) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "matched_on": None,
        "candidates": 0,
        "source_mpid": None,
        "skipped": [{"identity_type": s.identity_type, "reason": s.reason} for s in skipped],
    }


UNDECIDED: Final = _encode(_why("refused", ()))
"""The resolution of a request that broke a rule before anything was looked up."""


def _by_type(identifiers: tuple[Identifier, ...]) -> dict[str, str | list[str]]:
    """Return values by type; several of one type, which flat matching knows, as a list."""
    found: dict[str, list[str]] = {}
    for identity_type, value in identifiers:
        found.setdefault(identity_type, []).append(value)
    return {kind: values[0] if len(values) == 1 else values for kind, values in found.items()}


def _text(mpid: int | None) -> str | None:
    return None if mpid is None else str(mpid)

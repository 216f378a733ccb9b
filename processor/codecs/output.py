"""What goes out: responses, resolutions, identity changes, outcomes, dead letters' headers.

Shapes are those of docs/messages.md. MPIDs are decimal text in all of them, because
JSON numbers of 63 bits are rounded by JavaScript.
"""

from typing import Any, Literal

from msgspec import Struct, field

from processor.codecs.resolution import encode, explanation, mpid_text, reasons
from processor.identity.change import Change
from processor.identity.decision import Created, Decision, Matched, Merged, NotFound
from processor.identity.model import Identifier
from processor.records import IdentityCall, Outcome

Envelope = Literal["documented", "both"]


_NOT_FOUND = (404, "NOT_FOUND_ERROR", "no user was found for these identities")


class Cause(Struct, frozen=True, gc=False):
    """Where an identity change comes from: the record, and when it was decided."""

    workspace: str
    environment: str
    timestamp_ms: int
    place: tuple[str, int, int]
    """Topic, partition and offset of the record."""
    request_id: str | None = None


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
                return _error(call, workspace, _NOT_FOUND, envelope, explanation(decision))
            return encode({**_head(call, workspace, 200), "resolution": explanation(decision)})
        case _:
            error = (decision.status, decision.code, decision.message)
            return _error(call, workspace, error, envelope, explanation(decision))


def error_response(
    call: IdentityCall,
    workspace: str,
    error: tuple[int, str, str],
    envelope: Envelope,
) -> bytes:
    """Return the answer to a request that broke a rule before anything was looked up.

    *error* is (status, code, message).
    """
    return _error(call, workspace, error, envelope, reasons("refused", ()))


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
    return encode(
        _ChangeEvent(
            change.change,
            mpid_text(change.mpid),
            change.version,
            cause.workspace,
            cause.environment,
            cause.timestamp_ms,
            _Place(*cause.place, cause.request_id),
            change.identity_type,
            change.token,
            change.reason,
            mpid_text(change.moved_from),
            mpid_text(change.moved_to),
            mpid_text(change.source),
            [str(mpid) for mpid in change.absorbed] or None,
        )
    )


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
    body["resolution"] = explanation(decision)
    return encode(body)


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
    return encode(body)


def _head(call: IdentityCall, workspace: str, status: int) -> dict[str, Any]:
    return {
        "request_id": call.request_id,
        "request_type": call.request_type,
        "workspace": workspace,
        "environment": call.environment,
        "status": status,
    }


def _by_type(identifiers: tuple[Identifier, ...]) -> dict[str, str | list[str]]:
    """Return values by type; several of one type, which flat matching knows, as a list."""
    found: dict[str, list[str]] = {}
    for identity_type, value in identifiers:
        found.setdefault(identity_type, []).append(value)
    return {kind: values[0] if len(values) == 1 else values for kind, values in found.items()}

"""Answers to identity requests (docs/messages.md, "Identity responses"). Pure."""

from typing import Any, Literal

from processor.codecs.resolution import encode, explanation, mpid_text, reasons
from processor.identity.decision import Aliased, Created, Decision, Matched, Merged, NotFound
from processor.identity.model import Identifier
from processor.records import IdentityCall

Envelope = Literal["documented", "both"]

NOT_FOUND = (404, "NOT_FOUND_ERROR", "no user was found for these identities")


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
                return _error(call, workspace, NOT_FOUND, envelope, explanation(decision))
            return encode({**_head(call, workspace, 200), "resolution": explanation(decision)})
        case Aliased():
            return _aliased(call, workspace, decision)
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


def _aliased(call: IdentityCall, workspace: str, decision: Aliased) -> bytes:
    alias = {
        "outcome": "applied" if decision.reason is None else "ignored",
        "reason": decision.reason,
        "source_mpid": mpid_text(decision.source_mpid),
        "destination_mpid": mpid_text(decision.destination_mpid),
        "start_unixtime_ms": decision.start_ms,
        "end_unixtime_ms": decision.end_ms,
        "scope": decision.scope,
        "device_application_stamp": decision.device,
        "effective_ms": decision.effective_ms,
    }
    why = explanation(decision)
    return encode({**_head(call, workspace, 202), "alias": alias, "resolution": why})


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
        if call.request_type == "alias":  # what SDKs read of the answer to one
            body |= {"code": code, "message": message}
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

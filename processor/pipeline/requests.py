"""Identity requests: taken in, decided, and answered (docs/messages.md)."""

from typing import Any, Literal

from msgspec import Struct

from processor.codecs.formats import Codecs
from processor.codecs.headers import mpid_header, output_headers
from processor.codecs.request import decode_request
from processor.codecs.resolution import UNDECIDED, encode, explanation, reasons
from processor.identity.decision import Created, Decision, Matched, Merged, NotFound, Refused
from processor.identity.lookup import reads
from processor.identity.model import Identifier, IdentityPolicy, IdentityRequest, Space
from processor.identity.normalize import admit, admit_changes
from processor.identity.resolve import resolve
from processor.identity.view import View
from processor.index.port import Ask
from processor.pipeline.memory import NOTHING, Memory
from processor.pipeline.publish import dead_letter
from processor.pipeline.work import (
    Decided,
    FoldRules,
    Settled,
    Taken,
    Verdict,
    Work,
    far_off,
    seed_of,
    time_of,
)
from processor.records import DeadLetter, IdentityCall, Outcome, Output, Record
from processor.rules import Format, InputRules, Limits

Envelope = Literal["documented", "both"]

_NOT_FOUND = (404, "NOT_FOUND_ERROR", "no user was found for these identities")


class Requests(Struct, frozen=True):
    """The kind of identity requests; *key* keys the MPIDs (empty: they can be guessed)."""

    limits: Limits
    codecs: Codecs
    key: bytes
    memory: Memory = NOTHING
    """Not used: a request is answered by what the index holds now."""

    def take(self, record: Record, rules: InputRules, form: Format) -> Taken:
        """Decode *record*; a request that breaks a rule is answered with its error."""
        workspace = rules.workspace
        call = decode_request(record.value, workspace.keys, self.limits, self.codecs.requests[form])
        if isinstance(call, DeadLetter):
            return dead_letter(record, call)
        error = call.error
        if call.request_type == "alias":
            error = _alias_error(workspace.policy)
        if error is not None or call.environment is None:
            assert error is not None
            return _broken(record, rules, call, error)
        space = Space(workspace.scope, call.environment)
        time_ms = time_of(record, call.time_ms, self.limits)
        ignored = (*call.ignored, *far_off(record, call.time_ms, time_ms))
        kept, blocked = admit(call.identifiers, workspace.blocklist, workspace.normalizers)
        changes, kept_out = admit_changes(call.changes, workspace.blocklist, workspace.normalizers)
        request = IdentityRequest(
            action=call.request_type,  # type: ignore[arg-type]  # the codec lets known types through only
            identifiers=kept,
            refused=(*call.over_limit, *blocked, *kept_out),
            previous_mpid=call.previous_mpid,
            mpid=call.mpid,
            changes=changes,
            time_ms=time_ms,
            input=rules.name,
            seed=seed_of(record, space, self.key),
            may_create=rules.protection == "create_and_update",
            read_only=call.read_only or rules.protection == "read_only",
        )
        identifiers, mpids = reads(request, workspace.policy)
        ask = Ask(identifiers, mpids)
        content = Request(call)
        return Work(record, rules, space, ask, time_ms, content, request, call.request_id, ignored)


class Request(Struct, frozen=True, gc=False):
    """The content of a record that is an identity request."""

    call: IdentityCall

    def decide(self, work: Work, view: View, rules: FoldRules) -> Verdict:
        """Resolve the request; the reason of the outcome is the code of an error answer."""
        assert work.request is not None
        decision = resolve(work.request, view, rules.policy, rules.documents)
        return Verdict(decision, "answered", self._error_code(decision))

    def _error_code(self, decision: Decision) -> str | None:
        if isinstance(decision, Refused):
            return decision.code
        is_search = self.call.request_type == "search"
        return _NOT_FOUND[1] if is_search and isinstance(decision, NotFound) else None

    def output(self, decided: Decided, resolution: bytes | None) -> Output | None:
        """Return the answer."""
        del resolution  # it is part of the answer's body
        record, workspace = decided.work.record, decided.work.rules.workspace
        decision = decided.entry.decision
        assert decision is not None
        headers = output_headers(record)
        if decided.entry.mpid is not None:
            headers = (*headers, mpid_header(decided.entry.mpid))
        value = response(self.call, workspace.name, decision, workspace.error_envelope)
        return Output("responses", record.key, value, headers)


def _alias_error(policy: IdentityPolicy) -> tuple[int, str, str]:
    """Refuse an alias request: aliasing is not built yet."""
    if not policy.traits.can_alias:
        return 403, "FORBIDDEN", f"aliasing does not exist under {policy.strategy}"
    return 501, "NOT_IMPLEMENTED", "alias requests are not processed yet"


def _broken(
    record: Record, rules: InputRules, call: IdentityCall, error: tuple[int, str, str]
) -> Settled:
    """Answer a request that broke a rule before anything was looked up."""
    workspace = rules.workspace
    value = error_response(call, workspace.name, error, workspace.error_envelope)
    output = Output("responses", record.key, value, output_headers(record))
    return Settled(record, Outcome("answered", error[1]), output, resolution=UNDECIDED)


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

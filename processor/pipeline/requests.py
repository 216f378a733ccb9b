"""Identity requests: taken in, decided, and answered (docs/messages.md)."""

from collections.abc import Mapping

from msgspec import Struct

from processor.codecs.formats import Codecs
from processor.codecs.headers import mpid_header, output_headers
from processor.codecs.request import decode_request
from processor.computed.definition import Definitions
from processor.identity.decision import Decision, NotFound, Refused
from processor.identity.model import IdentityPolicy, IdentityRequest, Space
from processor.identity.normalize import admit, admit_changes
from processor.identity.resolve import resolve
from processor.identity.view import View
from processor.index.port import Ask
from processor.pipeline.aliasing import AliasContent, follow_link
from processor.pipeline.answers import NOT_FOUND, error_response, response
from processor.pipeline.memory import NO_MEMORY, Memory
from processor.pipeline.naming import asked_of
from processor.pipeline.publish import dead_letter
from processor.pipeline.work import (
    Decided,
    FoldRules,
    Settled,
    Taken,
    Verdict,
    Work,
    far_off,
    screened_request,
    seed_of,
    time_of,
)
from processor.records import DeadLetter, IdentityCall, Outcome, Output, Record
from processor.rules import Format, InputRules, Limits


class Requests(Struct, frozen=True):
    """The kind of identity requests; *key* keys the MPIDs (empty: they can be guessed)."""

    limits: Limits
    codecs: Codecs
    key: bytes
    memory: Memory = NO_MEMORY
    """Not used: a request is answered by what the index holds now."""
    definitions: Mapping[str, Definitions] = {}
    """Not used: a request has no events."""

    def take(self, record: Record, rules: InputRules, form: Format) -> Taken:
        """Decode *record*; a request that breaks a rule is answered with its error."""
        workspace = rules.workspace
        call = decode_request(record.value, workspace.keys, self.limits, self.codecs.requests[form])
        if isinstance(call, DeadLetter):
            return dead_letter(record, call)
        error = call.error
        if call.request_type == "alias":
            error = _no_aliasing(workspace.policy) or error
        if error is not None or call.environment is None:
            assert error is not None
            return _broken(record, rules, call, error)
        space = Space(workspace.scope, call.environment)
        time_ms = time_of(record, call.time_ms, self.limits)
        ignored = (*call.ignored, *far_off(record, call.time_ms, time_ms))
        read_only = call.read_only or rules.protection == "read_only"
        if (alias := call.alias) is not None:
            ask = Ask(mpids=(alias.source_mpid, alias.destination_mpid))
            wish = AliasContent(call, alias, read_only)
            return Work(record, rules, space, ask, time_ms, wish, None, call.request_id, ignored)
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
            read_only=read_only,
        )
        ask = Ask(*asked_of(request, workspace))
        content = Request(call)
        return Work(record, rules, space, ask, time_ms, content, request, call.request_id, ignored)


class Request(Struct, frozen=True, gc=False):
    """The content of a record that is an identity request."""

    call: IdentityCall

    def decide(self, work: Work, view: View, rules: FoldRules) -> Verdict:
        """Resolve the request; the reason of the outcome is the code of an error answer."""
        request = work.request
        assert request is not None
        passed = screened_request(work, request, view, rules.policy)
        if not isinstance(passed, IdentityRequest):
            return Verdict(passed, "answered", self._error_code(passed))
        decision = resolve(passed, view, rules.policy, rules.documents)
        follow_link(decision, work, view, rules)
        return Verdict(decision, "answered", self._error_code(decision))

    def _error_code(self, decision: Decision) -> str | None:
        if isinstance(decision, Refused):
            return decision.code
        is_search = self.call.request_type == "search"
        return NOT_FOUND[1] if is_search and isinstance(decision, NotFound) else None

    def output(self, decided: Decided) -> Output | None:
        """Return the answer."""
        record, workspace = decided.work.record, decided.work.rules.workspace
        decision = decided.entry.decision
        assert decision is not None
        headers = output_headers(record)
        if decided.entry.mpid is not None:
            headers = (*headers, mpid_header(decided.entry.mpid))
        value = response(self.call, workspace.name, decision, workspace.error_envelope)
        return Output("responses", record.key, value, headers)


def _no_aliasing(policy: IdentityPolicy) -> tuple[int, str, str] | None:
    """Refuse an alias request under a strategy that has no aliasing."""
    if policy.traits.can_alias:
        return None
    return 403, "FORBIDDEN", f"aliasing does not exist under {policy.strategy}"


def _broken(
    record: Record, rules: InputRules, call: IdentityCall, error: tuple[int, str, str]
) -> Settled:
    """Answer a request that broke a rule before anything was looked up."""
    workspace = rules.workspace
    value = error_response(call, workspace.name, error, workspace.error_envelope)
    output = Output("responses", record.key, value, output_headers(record))
    return Settled(record, Outcome("answered", error[1]), output)

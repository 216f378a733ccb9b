"""Requests under privacy law: taken in, decided, and told in receipts (docs/privacy.md)."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from processor.codecs.formats import Codecs
from processor.codecs.headers import output_headers
from processor.codecs.subject_request import SubjectRequest, read_subject_request
from processor.computed.definition import Definitions
from processor.identity.model import Identifier, Space
from processor.identity.normalize import admit
from processor.identity.view import View
from processor.index.port import Ask
from processor.pipeline.memory import NO_MEMORY, Memory
from processor.pipeline.publish import dead_letter
from processor.pipeline.work import Decided, FoldRules, Settled, Taken, Verdict, Work
from processor.privacy.case import about_identifier, about_of, case_number
from processor.privacy.deciding import Step, decide, refuse
from processor.privacy.erasing import Ground
from processor.records import DeadLetter, Outcome, Output, Record
from processor.rules import Format, InputRules, Limits, PrivacyRules, WorkspaceRules


class SubjectRequests(Struct, frozen=True):
    """The kind of requests under privacy law; *key* keys receipts, numbers and digests."""

    limits: Limits
    codecs: Codecs
    key: bytes
    memory: Memory = NO_MEMORY
    """Not used: a request is answered by what the index holds now."""
    definitions: Mapping[str, Definitions] = {}
    """Not used."""

    def take(self, record: Record, rules: InputRules, form: Format) -> Taken:
        """Decode *record*; a request that breaks a rule gets a receipt that says so."""
        workspace = rules.workspace
        if workspace.privacy is None:
            return dead_letter(record, DeadLetter("unknown_input", "[privacy] is not configured"))
        request = read_subject_request(
            record.value,
            workspace.policy,
            self.limits.max_record_bytes,
            self.codecs.subjects[form],
            self.key,
        )
        if isinstance(request, DeadLetter):
            return dead_letter(record, request)
        if not request.error and request.identifiers:
            request = _admitted(request, workspace)
        content = Subject(request, workspace.privacy, self.key)
        if request.error is not None:
            ground = _ground(workspace, workspace.privacy, self.key, record.timestamp_ms)
            return _refused(record, request, refuse(request, ground, *request.error))
        space = Space(workspace.scope, request.environment)
        ask = Ask(*_reads(request, workspace.name, self.key))
        time_ms = record.timestamp_ms
        return Work(record, rules, space, ask, time_ms, content, None, request.request_id)


class Subject(Struct, frozen=True, gc=False):
    """The content of a record that is a person's request."""

    request: SubjectRequest
    rules: PrivacyRules
    key: bytes

    def decide(self, work: Work, view: View, rules: FoldRules) -> Verdict:
        """Decide the request, and do at once what does not wait."""
        ground = replace(
            _ground(work.rules.workspace, self.rules, self.key, work.record.timestamp_ms),
            token=rules.token,
        )
        step = decide(self.request, view, ground, rules.residues(ground.now_ms))
        return Verdict(None, "answered", step.code, receipts=step.receipts)

    def output(self, decided: Decided) -> Output | None:
        """Return the receipt."""
        (receipt,) = decided.entry.receipts
        return receipt_output(receipt, self.request.request_id, decided.work.record)


def receipt_output(receipt: bytes, request_id: str, record: Record) -> Output:
    """Return what the topic of receipts gets."""
    return Output("receipts", request_id.encode(), receipt, output_headers(record))


def _no_token(_identifier: Identifier) -> bytes:
    return b""


def _ground(workspace: WorkspaceRules, rules: PrivacyRules, key: bytes, now_ms: int) -> Ground:
    return Ground(workspace.name, workspace.policy, rules, key, _no_token, now_ms)


def _reads(
    request: SubjectRequest, workspace: str, key: bytes
) -> tuple[tuple[Identifier, ...], tuple[int, ...]]:
    about = about_of(workspace, request.request_type, request.identifiers, request.mpid, key)
    number = case_number(request.request_id, workspace, key)
    named = request.mpids if request.mpid is None else (*request.mpids, request.mpid)
    return (*request.identifiers, about_identifier(about)), (number, *named)


def _admitted(request: SubjectRequest, workspace: WorkspaceRules) -> SubjectRequest:
    """Return *request* with its values in their normal form; blocked ones find nobody."""
    kept, _ = admit(request.identifiers, workspace.blocklist, workspace.normalizers)
    if kept:
        return replace(request, identifiers=kept)
    why = "subject_identities: every value of it is blocked in this workspace: it names nobody"
    return replace(request, error=(400, "INVALID_DATA", why))


def _refused(record: Record, request: SubjectRequest, step: Step) -> Settled:
    output = receipt_output(step.receipts[0], request.request_id, record)
    return Settled(record, Outcome("answered", step.code), output)

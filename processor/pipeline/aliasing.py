"""Alias requests, and the aliases that profile_link makes by itself (docs/aliasing.md)."""

from typing import Final

from msgspec import Struct

from processor.codecs.headers import output_headers
from processor.identity.alias import AliasRules, alias_link, resolve_alias
from processor.identity.decision import Created, Decision, Refused
from processor.identity.model import AliasRequest
from processor.identity.types import MP_DEVICEID_TYPE
from processor.identity.view import View
from processor.pipeline.answers import response
from processor.pipeline.work import Decided, FoldRules, Verdict, Work
from processor.records import IdentityCall, Output

DAY_MS: Final = 86_400_000


class AliasContent(Struct, frozen=True, gc=False):
    """The content of a record that is an alias request."""

    call: IdentityCall
    alias: AliasRequest
    read_only: bool

    def decide(self, work: Work, view: View, rules: FoldRules) -> Verdict:
        """Apply the alias, or say why not; the reason of the outcome is the code of an error."""
        decision = resolve_alias(
            self.alias,
            work.time_ms,
            view,
            _rules(work, rules),
            read_only=self.read_only,
        )
        reason = decision.code if isinstance(decision, Refused) else None
        return Verdict(decision, "answered", reason)

    def output(self, decided: Decided) -> Output | None:
        """Return the answer."""
        record, workspace = decided.work.record, decided.work.rules.workspace
        decision = decided.entry.decision
        assert decision is not None
        value = response(self.call, workspace.name, decision, workspace.error_envelope)
        return Output("responses", record.key, value, output_headers(record))


def follow_link(decision: Decision, work: Work, view: View, rules: FoldRules) -> None:
    """Alias to a new profile the anonymous one that it arose from, where the workspace says so."""
    if type(decision) is not Created or decision.source_mpid is None or work.request is None:
        return
    if work.rules.workspace.auto_alias == "off":
        return
    stamps = [i.value for i in work.request.identifiers if i.identity_type == MP_DEVICEID_TYPE]
    device = stamps[-1] if stamps else None
    alias_link(decision.mpid, device, work.time_ms, view, _rules(work, rules))


def _rules(work: Work, rules: FoldRules) -> AliasRules:
    limits = rules.limits
    return AliasRules(
        workspace=work.rules.workspace.name,
        most=limits.max_aliases,
        window_ms=limits.max_alias_window_days * DAY_MS,
        fits=rules.documents.fits,
    )

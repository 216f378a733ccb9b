"""Batches of known users whose decision is remembered, and what is kept of a decision.

Which decisions are remembered, and until when: ``lasting``.
"""

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from processor.codecs.envelope import Fields
from processor.codecs.headers import mpid_header, output_headers
from processor.codecs.resolution import resolution
from processor.computed.definition import Definitions
from processor.identity.profile import Profile
from processor.identity.view import Outdated, View
from processor.pipeline.enrichment import fields_over, lay_over
from processor.pipeline.memory import Made, Memo, Reads, Term, words_of
from processor.pipeline.showing import added_fields
from processor.pipeline.work import Decided, FoldRules, Taken, Verdict, Work
from processor.profiles.document import profile_key
from processor.records import EventBatch, Output

_encode = msgspec.json.Encoder().encode


class Known(Struct, frozen=True, gc=False):
    """The content of an event batch whose decision is remembered."""

    memo: Memo
    fields: Fields | bytes
    """As received; or the enriched batch, where native code has made it."""
    has_events: bool
    take_anew: Callable[[], Taken]
    """Decodes the record as if nothing were remembered."""

    def decide(self, work: Work, view: View, rules: FoldRules) -> Verdict:
        """Return what was decided.

        Raises Outdated where the index, or an earlier record, has changed what the decision read.
        """
        del rules
        memo = self.memo
        if not memo.is_current():
            raise Outdated(memo.reads.mpids)
        view.recall(memo.reads)
        return memo.verdicts[self.has_events or work.rules.workspace.forward_empty_batches]

    def output(self, decided: Decided) -> Output | None:
        """Return the enriched batch: the fields received, with those remembered laid over them."""
        if decided.entry.outcome != "forwarded":
            return None
        made, fields = self.memo.made, self.fields
        headers = (*output_headers(decided.work.record), *made.headers)
        value = fields if isinstance(fields, bytes) else lay_over(fields, made.fields, None)
        return Output("enriched", made.key, value, headers)

    def is_outdated(self, other: Outdated) -> bool:
        """Whether the decision is outdated, or read something of the same people as *other*."""
        return not (self.memo.is_current() and other.mpids.isdisjoint(self.memo.reads.mpids))


def memo_of(
    decided: Decided,
    batch: EventBatch,
    profile: Profile,
    reads: Reads,
    term: Term,
    definitions: Definitions | None,
) -> Memo:
    """Return what is kept of a decision that did nothing to *profile*.

    It read *reads*, and holds for *term*.
    """
    work, verdict, decision = decided.work, decided.verdict, decided.entry.decision
    assert verdict is not None
    assert decision is not None
    workspace = work.rules.workspace
    over = fields_over(batch, profile, workspace.name)
    over.update(added_fields(definitions, workspace, profile, batch, work.record))
    return Memo(
        work.space,
        tuple(None if raw is None else Raw(bytes(raw)) for raw in words_of(batch.fields)),
        reads,
        term,
        (
            replace(verdict, outcome="stored", answer=None, is_recalled=True),
            replace(verdict, outcome="forwarded", answer=None, is_recalled=True),
        ),
        Made(
            profile_key(profile.scope, profile.environment, profile.mpid),
            {name: Raw(_encode(value)) for name, value in over.items()},
            (mpid_header(profile.mpid), ("resolution", resolution(decision))),
            None if definitions is None else batch.device_info,
        ),
    )

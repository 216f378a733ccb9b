"""Batches of known users whose decision is remembered, and what of a decision may be remembered."""

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from processor.codecs.envelope import Fields
from processor.codecs.headers import mpid_header, output_headers
from processor.codecs.resolution import resolution
from processor.computed.definition import Definitions
from processor.identity.decision import Matched
from processor.identity.profile import NO_DATA, Profile
from processor.identity.view import Outdated, View
from processor.index.cache import Slots
from processor.pipeline.ageing import stored_ms
from processor.pipeline.enrichment import fields_over, lay_over
from processor.pipeline.memory import FOREVER_MS, Made, Memo, Reads, words_of
from processor.pipeline.naming import NEVER_MS, identity_ends
from processor.pipeline.showing import added_fields, holds_until
from processor.pipeline.work import Decided, FoldRules, Taken, Verdict, Work
from processor.profiles.attributes import renewed_until
from processor.profiles.consent import is_of_record
from processor.profiles.devices import last_known
from processor.profiles.document import profile_key
from processor.records import EventBatch, Output
from processor.rules import InputRules, Limits

_encode = msgspec.json.Encoder().encode


class Known(Struct, frozen=True, gc=False):
    """The content of an event batch whose decision is remembered."""

    memo: Memo
    fields: Fields
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
        made = self.memo.made
        headers = (*output_headers(decided.work.record), *made.headers)
        return Output("enriched", made.key, lay_over(self.fields, made.fields, None), headers)

    def is_outdated(self, other: Outdated) -> bool:
        """Whether the decision is outdated, or read something of the same people as *other*."""
        return not (self.memo.is_current() and other.mpids.isdisjoint(self.memo.reads.mpids))


def memo_of(
    decided: Decided,
    batch: EventBatch,
    slots: Slots,
    limits: Limits,
    definitions: Definitions | None = None,
) -> Memo | None:
    """Return what may be remembered of a batch that was decided; None where time could change it.

    The batch was matched, changed nothing and had nothing announced, and no earlier record of its
    poll batch had changed what it read.
    """
    work, verdict, profile = decided.work, decided.verdict, decided.profile
    if verdict is None or profile is None or decided.asked is None or work.ignored:
        return None
    if (
        type(verdict.decision) is not Matched
        or decided.entry.changes
        or verdict.notifications is not None
        or (decided.computed is not None and decided.computed.bounded)  # evaluated each time
    ):
        return None
    workspace, record_ms = work.rules.workspace.name, work.record.timestamp_ms
    until_ms = quiet_until(work, batch, profile, limits)
    if until_ms is None or is_of_record(batch.consent_state or {}, record_ms):
        return None
    over = fields_over(batch, profile, workspace)
    over.update(added_fields(definitions, work.rules.workspace, profile, batch, work.record))
    holds_until_ms = FOREVER_MS if decided.computed is None else holds_until(definitions, profile)
    if work.rules.workspace.lifetimes is not None:  # a later receipt has to be noted
        noted_ms = stored_ms(profile) + limits.receipt_resolution_ms
        holds_until_ms = min(holds_until_ms, noted_ms)
    if record_ms >= holds_until_ms:
        return None
    fields = {name: Raw(_encode(value)) for name, value in over.items()}
    key = profile_key(profile.scope, profile.environment, profile.mpid)
    memo = Memo(
        work.space,
        tuple(None if raw is None else Raw(bytes(raw)) for raw in words_of(batch.fields)),
        Reads(*decided.asked, slots),
        until_ms,
        (
            replace(verdict, outcome="stored", is_recalled=True),
            replace(verdict, outcome="forwarded", is_recalled=True),
        ),
        Made(
            profile.mpid,
            key,
            fields,
            (mpid_header(profile.mpid), ("resolution", resolution(verdict.decision))),
        ),
    )
    memo.holds_until_ms = holds_until_ms
    if definitions is not None:
        memo.device_info = batch.device_info
    return memo


def quiet_until(work: Work, batch: EventBatch, profile: Profile, limits: Limits) -> int | None:
    """Return until when the same batch changes nothing; None where that is uncertain.

    The profile already has all that the batch says of its user, and its device. So nothing is
    written until activity has to be renewed.
    """
    assert work.request is not None
    policy = work.rules.workspace.policy
    ends = [profile.last_seen_ms + policy.activity_resolution_ms]
    if profile.contested and not policy.traits.has_one_owner:
        ends.append(profile.last_seen_ms)
    ends += identity_ends(profile, work.request.identifiers, policy)
    ends += _data_ends(profile, work.rules, batch, limits.activity_resolution_s * 1000)
    return until_ms if (until_ms := min(ends)) >= work.time_ms else None


def _data_ends(
    profile: Profile, rules: InputRules, batch: EventBatch, resolution_ms: int
) -> Iterator[int]:
    """Yield until when attributes and device change nothing; ``NEVER_MS`` where uncertain."""
    data = profile.workspaces.get(rules.workspace.name, NO_DATA)
    if rules.workspace.policy.traits.newest_wins:
        renewed_ms = renewed_until(data.attributes, rules, batch, resolution_ms)
        yield NEVER_MS if renewed_ms is None else renewed_ms
    if batch.device_ids:
        seen_ms = last_known(data.devices, batch.device_ids, batch.device_info)
        yield NEVER_MS if seen_ms is None else seen_ms + resolution_ms

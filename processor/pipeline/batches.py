"""Event batches: taken in, attributed to a profile, stored there, forwarded with what it knows."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from processor.codecs.batch import Heads, changed_attributes, read_again, read_batch, read_heads
from processor.codecs.envelope import Fields
from processor.codecs.fault import Fault
from processor.codecs.fields import time_of as time_field
from processor.codecs.formats import Codecs
from processor.codecs.headers import mpid_header, output_headers
from processor.codecs.partners import FIELD, read_partner_identities
from processor.codecs.resolution import resolution
from processor.computed.definition import Definitions
from processor.computed.reading import Source, matches
from processor.computed.selector import Match
from processor.identity.decision import Decision, NotFound, Refused
from processor.identity.model import IdentityRequest, Space
from processor.identity.normalize import admit
from processor.identity.screening import ERASED
from processor.identity.view import View
from processor.index.port import Ask
from processor.pipeline.aliasing import follow_link
from processor.pipeline.enrichment import enrich, of_nobody
from processor.pipeline.known import Known
from processor.pipeline.memory import NO_MEMORY, Memo, Memory, Recall
from processor.pipeline.naming import Naming, asked_of, name, resolve_named
from processor.pipeline.native import recall
from processor.pipeline.publish import dead_letter
from processor.pipeline.showing import added_fields
from processor.pipeline.work import (
    NOBODY,
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
    use_of,
)
from processor.profiles.consent import cap_consent
from processor.profiles.document import profile_key
from processor.profiles.update import apply_batch
from processor.records import DeadLetter, EventBatch, Outcome, OutcomeName, Output, Record
from processor.rules import Format, InputRules, Limits, WorkspaceRules


class Batches(Struct, frozen=True):
    """The kind of event batches; *key* keys the MPIDs (empty: they can be guessed)."""

    limits: Limits
    codecs: Codecs
    key: bytes
    memory: Memory = NO_MEMORY
    """Remembered decisions of known users."""
    definitions: Mapping[str, Definitions] = {}
    """What is computed, by the name of the workspace."""
    recall: Recall | None = recall
    """Native code that recalls usual batches."""

    def take(self, record: Record, rules: InputRules, form: Format) -> Taken:
        """Take *record* in; one of a ``read_only`` input is forwarded as it came."""
        return self._at_once(record, rules, form) or self._take(record, rules, form, self.memory)

    def _take(self, record: Record, rules: InputRules, form: Format, memory: Memory) -> Taken:
        """Take *record* in with what *memory* holds."""
        workspace = rules.workspace
        opener = self.codecs.batch_opener(form, workspace.validation, workspace.keys.places)
        try:
            fields = opener(record.value, self.limits.max_record_bytes)
        except Fault as fault:
            return dead_letter(record, DeadLetter(fault.reason, fault.detail))
        found = memory.find(rules, fields)
        if isinstance(found, Memo):
            known = self._recall(record, rules, form, fields, found)
            return known or self._read(record, rules, form, fields)
        return self._read(record, rules, form, fields, found)

    def _at_once(self, record: Record, rules: InputRules, form: Format) -> Work | None:
        """Return work with a remembered decision, found by native code; None where Python reads."""
        workspace = rules.workspace
        is_plain = form == "json" and workspace.validation == "lenient"
        if self.recall is None or not is_plain or workspace.name in self.definitions:
            return None
        most = self.limits.max_record_bytes
        found = self.memory.recalled(self.recall, record.value, most, rules)
        if found is None:
            return None
        memo, has_events, time_ms, request_id, enriched = found
        take_anew = partial(self._take, record, rules, form, NO_MEMORY)
        content = Known(memo, enriched, has_events, take_anew)
        return self._known(record, rules, content, Heads(has_events, time_ms, request_id))

    def _recall(
        self, record: Record, rules: InputRules, form: Format, fields: Fields, memo: Memo
    ) -> Work | None:
        """Return work with the decision of *memo*; None where the batch must be decided anew."""
        heads = read_heads(fields)
        if heads is None:
            return None
        if self.definitions and self._could_count(record, rules, fields, memo):
            return None
        take_anew = partial(self._read, record, rules, form, fields)
        content = Known(memo, fields, heads.has_events, take_anew)
        return self._known(record, rules, content, heads)

    def _known(
        self, record: Record, rules: InputRules, content: Known, heads: Heads
    ) -> Work | None:
        """Return work with a remembered decision; None where its time is over."""
        memo = content.memo
        time_ms = time_of(record, heads.time_ms, self.limits)
        if not memo.term.covers(time_ms, record.timestamp_ms):
            return None
        use = use_of(record, rules, heads.source_request_id)
        ignored = () if heads.time_ms == time_ms else far_off(record, heads.time_ms, time_ms)
        return Work(record, rules, memo.space, Ask(use=use), time_ms, content, ignored=ignored)

    def _could_count(self, record: Record, rules: InputRules, fields: Fields, memo: Memo) -> bool:
        """Whether an event could change what is computed of the user."""
        definitions = self.definitions.get(rules.workspace.name)
        if definitions is None:
            return False
        return bool(_matches(definitions, record, rules, fields, memo.made.device_info))

    def _read(
        self,
        record: Record,
        rules: InputRules,
        form: Format,
        fields: Fields,
        naming: Naming | None = None,
    ) -> Taken:
        """Decode *fields* and say what they ask of the index.

        *naming* is whom they name, where that is remembered.
        """
        workspace = rules.workspace
        try:
            batch = self._batch_of(record, rules, fields, naming)
        except Fault as fault:
            return dead_letter(record, DeadLetter(fault.reason, fault.detail))
        if rules.protection == "read_only":
            return self._passed_on(record, rules, form, batch)
        use = use_of(record, rules, batch.source_request_id)
        time_ms = time_of(record, batch.time_ms, self.limits)
        ignored = far_off(record, batch.time_ms, time_ms)
        if batch.ignored:
            ignored = (*batch.ignored, *ignored)
        definitions = self.definitions.get(workspace.name)
        found: Sequence[Match] = ()
        if definitions is not None:
            found = _matches(definitions, record, rules, batch.fields, batch.device_info)
        if naming is None:
            naming = name(batch, workspace)
        space = naming.space
        request = IdentityRequest(
            "batch",
            naming.identifiers,
            naming.refused,
            mpid=batch.mpid,
            past_version=record.timestamp_ms - 1 if workspace.may_end else 0,
            time_ms=time_ms,
            input=rules.name,
            seed=seed_of(record, space, self.key),
            may_create=rules.protection == "create_and_update",
        )
        ask = Ask(*naming.asked, use)
        content = Batch(batch, form, definitions, found, naming)
        return Work(record, rules, space, ask, time_ms, content, request, ignored=ignored)

    def _batch_of(
        self, record: Record, rules: InputRules, fields: Fields, naming: Naming | None
    ) -> EventBatch:
        """Return the batch in *fields*, in so far as its input may say it; Fault if it may not."""
        batch = None if naming is None else read_again(fields, naming.batch)
        batch = _with_partners(batch or read_batch(fields, rules.workspace.keys), rules)
        if batch.consent_state:
            cap_consent(batch.consent_state, record.timestamp_ms, self.limits.max_future_ms)
        if rules.workspace.sdk_requires_change_events and rules.source == "sdk":
            batch = _announced(batch)
        return batch

    def _passed_on(
        self, record: Record, rules: InputRules, form: Format, batch: EventBatch
    ) -> Taken:
        """Take a batch in that is forwarded as it came, unless it is an erased person's."""
        workspace = rules.workspace
        space = Space(workspace.scope, batch.environment)
        use = use_of(record, rules, batch.source_request_id)
        asks = _screening(batch, workspace)
        if use is None and asks is None:
            return Settled(record, Outcome("forwarded"), _as_received(record, form))
        ask = Ask(use=use) if asks is None else Ask(*asked_of(asks, workspace), use)
        time_ms = time_of(record, batch.time_ms, self.limits)
        return Work(record, rules, space, ask, time_ms, Batch(batch, form), asks)


class Batch(Struct, frozen=True, gc=False):
    """The content of a record that is an event batch."""

    batch: EventBatch
    form: Format
    """What the value was read as."""
    definitions: Definitions | None = None
    """What is computed in its workspace, if anything."""
    matches: Sequence[Match] = ()
    """Its events that selectors want."""
    naming: Naming | None = None
    """Whom it names; None where nobody is to be resolved."""

    def decide(self, work: Work, view: View, rules: FoldRules) -> Verdict:
        """Attribute the batch to a profile, and store its data there."""
        request = work.request
        if request is None:
            return Verdict(None, "forwarded")
        batch = self.batch
        if work.rules.workspace.privacy is not None:
            passed = screened_request(work, request, view, rules.policy)
            if not isinstance(passed, IdentityRequest):
                return Verdict(passed, *self._outcome_of(passed, work.rules.workspace))
            batch = _on_other_devices(batch, passed)
            request = passed
        if request.read_only:
            return Verdict(None, "forwarded")
        naming = self.naming if request is work.request else None
        decision, answer = resolve_named(naming, request, view, rules.policy, rules.documents)
        follow_link(decision, work, view, rules)
        outcome, reason = self._outcome_of(decision, work.rules.workspace)
        if isinstance(decision, NOBODY):
            return Verdict(decision, outcome, reason)
        notifications, bounded = _store(batch, work, view, decision.mpid, rules.limits)
        return Verdict(
            decision, outcome, reason, notifications, bounded, matches=self.matches, answer=answer
        )

    def _outcome_of(
        self, decision: Decision, workspace: WorkspaceRules
    ) -> tuple[OutcomeName, str | None]:
        """Say what becomes of the batch for its decision."""
        if isinstance(decision, NotFound):
            return "dropped", decision.reason
        if isinstance(decision, Refused):
            return "dropped", "no_attachable_identity"
        if self.batch.has_events or workspace.forward_empty_batches:
            return "forwarded", None
        return "stored", None

    def output(self, decided: Decided) -> Output | None:
        """Return the enriched batch; as received where it was not attributed (``read_only``)."""
        work, entry = decided.work, decided.entry
        if entry.outcome != "forwarded":
            return None
        if entry.mpid is None:
            return _as_received(work.record, self.form)
        assert entry.decision is not None
        headers = (
            *output_headers(work.record),
            mpid_header(entry.mpid),
            ("resolution", resolution(entry.decision)),
        )
        key = profile_key(work.space.scope, work.space.environment, entry.mpid)
        return Output("enriched", key, self._enriched(decided, entry.mpid), headers)

    def _enriched(self, decided: Decided, mpid: int) -> bytes:
        work, profile = decided.work, decided.profile
        if profile is None:
            return of_nobody(self.batch, mpid)
        workspace = work.rules.workspace
        added = added_fields(self.definitions, workspace, profile, self.batch, work.record)
        notifications = decided.entry.notifications
        return enrich(self.batch, profile, workspace.name, notifications, added)


def _store(
    batch: EventBatch, work: Work, view: View, mpid: int, limits: Limits
) -> tuple[bytes | None, int]:
    """Write attributes, consent and device to the profile; return notifications, and bounded.

    Bounded are the attributes and devices that a limit kept out.
    """
    profile = view.exact(mpid)
    assert profile is not None
    applied = apply_batch(
        profile,
        work.rules,
        batch,
        received_ms=work.record.timestamp_ms,
        time_ms=work.time_ms,
        limits=limits,
    )
    after = applied.profile
    if after is not profile:
        if work.time_ms > after.last_seen_ms:
            after = replace(after, last_seen_ms=work.time_ms)
        view.put(after)
    return applied.notifications, applied.bounded + batch.bounded_attributes


def _screening(batch: EventBatch, workspace: WorkspaceRules) -> IdentityRequest | None:
    """Return what a batch that only passes through asks: whether it is an erased person's."""
    if workspace.privacy is None:
        return None
    kept, _ = admit(batch.identifiers, workspace.blocklist, workspace.normalizers)
    return IdentityRequest("batch", kept, mpid=batch.mpid, read_only=True)


def _on_other_devices(batch: EventBatch, request: IdentityRequest) -> EventBatch:
    """Return *batch* without the ids of devices that were an erased person's."""
    gone = [one for one, why in request.refused if why == ERASED]
    if not gone:
        return batch
    return replace(batch, device_ids=tuple(one for one in batch.device_ids if one not in gone))


def _with_partners(batch: EventBatch, rules: InputRules) -> EventBatch:
    """Return *batch* with its partner identities; Fault where it must not send one of them."""
    registered = rules.workspace.partner_identities
    if not registered or FIELD not in batch.fields:
        return batch
    is_feed = rules.source == "partner_feed"
    found = read_partner_identities(batch.fields, registered, rules.partner, is_feed=is_feed)
    return replace(batch, partner_identities=found)


def _matches(
    definitions: Definitions,
    record: Record,
    rules: InputRules,
    fields: Fields,
    device_info: Mapping[str, Any] | None,
) -> Sequence[Match]:
    """Return what selectors want of the events of a batch; none where they do not count."""
    events = fields.get("events")
    if events is None or not rules.compute or not definitions.uses:
        return ()
    return matches(definitions, events, source_of(record, rules, fields, device_info))


def source_of(
    record: Record, rules: InputRules, fields: Fields, device_info: Mapping[str, Any] | None
) -> Source:
    """Return what a batch says of its events."""
    batch_ms = time_field(fields, "timestamp_unixtime_ms")
    return Source(rules.name, record.timestamp_ms, batch_ms, device_info or {})


def _announced(batch: EventBatch) -> EventBatch:
    """Return *batch* with only those attributes that an event says have changed."""
    changed = changed_attributes(batch.fields)
    return replace(
        batch,
        user_attributes={n: v for n, v in batch.user_attributes.items() if n in changed},
        deleted_user_attributes=tuple(n for n in batch.deleted_user_attributes if n in changed),
    )


def _as_received(record: Record, form: Format) -> Output:
    """Return a ``read_only`` batch: byte for byte, under its own key."""
    kept = tuple(h for h in record.headers if h[0] == "content-type")
    headers = (*output_headers(record), *kept)
    return Output("enriched", record.key, record.value, headers, as_received=form)

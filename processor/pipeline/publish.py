"""From decisions to records on the output topics (docs/messages.md). Pure."""

from collections.abc import Sequence

from msgspec import Struct, field

from processor.codecs import output as encode
from processor.codecs.headers import (
    REPLAY_OF,
    RESERVED,
    attempts,
    dead_letter_headers,
    output_headers,
    place_headers,
    replayed_place,
    source_headers,
)
from processor.codecs.resolution import UNDECIDED, resolution
from processor.enrichment import enrich
from processor.identity.change import Change
from processor.identity.decision import Decision
from processor.identity.profile import Profile
from processor.pipeline.fold import Decided
from processor.pipeline.intake import Rejected, Taken, Unasked, Work
from processor.profiles.document import profile_key, to_json
from processor.records import IdentityCall, Outcome, Output, Record
from processor.rules import Format, WorkspaceRules


class Settled(Struct, gc=False):
    """What became of one record, and everything that is to be published for it."""

    record: Record
    outcome: Outcome
    output: Output | None
    """What the enriched, responses or dead-letters topic gets."""
    changes: list[Output] = field(default_factory=list)
    profiles: list[Output] = field(default_factory=list)
    resolution: bytes | None = None
    outcome_record: Output | None = None

    def add_outputs(self, outputs: list[Output]) -> None:
        """Append all outputs of the record."""
        if self.output is not None:
            outputs.append(self.output)
        if self.changes:
            outputs += self.changes
        if self.profiles:
            outputs += self.profiles
        if self.outcome_record is not None:
            outputs.append(self.outcome_record)


class Publisher(Struct, frozen=True):
    """Writes the outputs of records; the ``outcomes`` topic only where it is named."""

    with_outcomes: bool

    def outputs_of(self, taken: Taken, decided: Decided | None) -> Settled:
        """Return what becomes of a record and what is published for it, but for profiles."""
        if isinstance(taken, Rejected):
            settled = _dead_letter(taken)
        elif isinstance(taken, Unasked):
            settled = _unasked(taken)
        else:
            assert decided is not None
            settled = _decided(taken, decided)
        if self.with_outcomes:
            record = taken.record
            settled.outcome_record = Output(
                "outcomes",
                record.key,
                encode.outcome_record(settled.outcome),
                source_headers(record),
            )
        return settled

    def profile(self, profile: Profile, source: tuple[str, int, int]) -> Output:
        """Return a profile's record for the changelog.

        *source* is the topic, partition and offset of the record that caused its version; of a
        document published again, the last committed record of the row that owed it.
        """
        return Output(
            "profiles",
            profile_key(profile.scope, profile.environment, profile.mpid),
            to_json(profile),
            (*place_headers(*source), ("mpid", b"%d" % profile.mpid)),
        )


def _dead_letter(rejected: Rejected) -> Settled:
    record, letter = rejected.record, rejected.letter
    kept = tuple(header for header in record.headers if header[0] not in RESERVED)
    headers = (*kept, *dead_letter_headers(letter, record, attempts(record) + 1))
    first = replayed_place(record)
    if first is not None:
        headers = (*headers, (REPLAY_OF, first))
    settled = Settled(
        record,
        Outcome("dead_letter", letter.reason),
        Output("dead_letters", record.key, record.value, headers),
    )
    if rejected.decided is not None:
        work, entry = rejected.decided
        settled.changes += _changes(entry.changes, work)
    return settled


def _unasked(unasked: Unasked) -> Settled:
    record = unasked.record
    if unasked.call is None:
        return Settled(record, Outcome("forwarded"), _as_received(record, unasked.form))
    workspace = unasked.rules.workspace
    assert unasked.error is not None
    value = encode.error_response(
        unasked.call, workspace.name, unasked.error, workspace.error_envelope
    )
    output = Output("responses", record.key, value, output_headers(record))
    outcome = Outcome("answered", unasked.error[1])
    return Settled(record, outcome, output, resolution=UNDECIDED)


def _decided(work: Work, decided: Decided) -> Settled:
    entry, record, workspace = decided.entry, work.record, work.rules.workspace
    decision = entry.decision
    settled = Settled(
        record,
        Outcome(entry.outcome, entry.reason, entry.mpid, entry.seq, entry.position),  # type: ignore[arg-type]  # the journal holds the names as text
        None,
        _changes(entry.changes, work),
        resolution=None if decision is None else resolution(decision),
    )
    if work.call is not None and decision is not None:
        settled.output = _response(work.call, decision, workspace, decided)
    elif entry.outcome == "forwarded":
        settled.output = _forwarded(work, decided, settled.resolution)
        if decision is None:  # read_only: nothing of it was asked of the index
            settled.outcome = Outcome("forwarded")
    return settled


def _response(
    call: IdentityCall, decision: Decision, workspace: WorkspaceRules, decided: Decided
) -> Output:
    record = decided.work.record
    headers = output_headers(record)
    if decided.entry.mpid is not None:
        headers = (*headers, ("mpid", b"%d" % decided.entry.mpid))
    value = encode.response(call, workspace.name, decision, workspace.error_envelope)
    return Output("responses", record.key, value, headers)


def _forwarded(work: Work, decided: Decided, resolution: bytes | None) -> Output:
    record, profile = work.record, decided.profile
    if profile is None:
        return _as_received(record, work.form)
    assert work.batch is not None
    assert resolution is not None
    headers = (
        *output_headers(record),
        ("mpid", b"%d" % profile.mpid),
        ("resolution", resolution),
    )
    return Output(
        "enriched",
        profile_key(profile.scope, profile.environment, profile.mpid),
        enrich(work.batch, profile, work.rules.workspace.name, decided.entry.notifications),
        headers,
    )


def _as_received(record: Record, form: Format) -> Output:
    """Return a read_only batch: byte for byte, under its own key (semantics §8)."""
    kept = tuple(h for h in record.headers if h[0] == "content-type")
    headers = (*output_headers(record), *kept)
    return Output("enriched", record.key, record.value, headers, as_received=form)


def _changes(changes: Sequence[Change], work: Work) -> list[Output]:
    """Return what the changes topic gets of one record."""
    if not changes:
        return []
    record, space = work.record, work.space
    cause = encode.Cause(
        workspace=work.rules.workspace.name,
        environment=space.environment,
        timestamp_ms=work.time_ms,
        place=(record.topic, record.partition, record.offset),
        request_id=None if work.call is None else work.call.request_id,
    )
    headers = source_headers(record)
    outputs = []
    for change in changes:
        value, mpid = encode.identity_change(change, cause), change.mpid
        if mpid is None:
            outputs.append(Output("changes", record.key, value, headers))
            continue
        key = profile_key(space.scope, space.environment, mpid)
        outputs.append(Output("changes", key, value, (*headers, ("mpid", b"%d" % mpid))))
    return outputs

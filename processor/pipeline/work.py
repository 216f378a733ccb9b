"""What a record is on its way through the pipeline: work, what was decided of it, what comes out.

A kind of record (event batches, identity requests) has a room of its own and three things to say
there, in this order:

1. ``Kind.take``: what a record asks of the index, or what becomes of it without asking.
2. ``Content.decide``: what is decided for it over the view of the index, and what it does there.
3. ``Content.output``: what its topic gets.

Everything else (journal, commit, change events, the ``profiles`` topic, metrics) is the same for
all kinds.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct

from processor.codecs.headers import first_place, first_received
from processor.codecs.resolution import UNDECIDED, resolution
from processor.computed.message import AudienceChange
from processor.computed.selector import Match
from processor.identity.decision import Aliased, Decision, NotFound, Refused
from processor.identity.ending import have_read
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Identifier, IdentityPolicy, IdentityRequest, Seed, Space
from processor.identity.profile import Profile
from processor.identity.question import DocumentRules
from processor.identity.screening import Screen, screened
from processor.identity.view import Asked, View
from processor.index.port import Ask, Use
from processor.pipeline.journal import Entry
from processor.pipeline.naming import Answer
from processor.privacy.receipt import Residues, no_residues
from processor.records import Ignored, Outcome, OutcomeName, Output, Record
from processor.rules import Format, InputRules, Limits

NOBODY: Final = (NotFound, Refused, Aliased)
"""Decisions that attribute a record to no profile."""


class FoldRules(Struct, frozen=True):
    """What decisions of one space depend on, besides the record and the view."""

    policy: IdentityPolicy
    limits: Limits
    documents: DocumentRules
    token: Callable[[Identifier], bytes] = lambda _identifier: b""
    """What stands for an identifier in keys."""
    residues: Residues = no_residues
    """Where a person's data still is beside the index."""


class Computation(Struct, gc=False):
    """What was computed for a record, beside what stands in the profiles now."""

    messages: tuple[AudienceChange, ...] = ()
    """In the order in which they are published."""
    bounded: int = 0
    """Values, news of definitions and contents of messages that a bound kept out."""
    wrote: frozenset[str] = frozenset()
    """The selectors whose events changed something."""
    hidden: int = 0
    """User attributes that were written under the name of a calculated attribute."""


class Verdict(Struct, frozen=True, gc=False):
    """What a record's kind decided for it."""

    decision: Decision | None
    """None where nobody was to be resolved."""
    outcome: OutcomeName
    reason: str | None = None
    notifications: bytes | None = None
    """The JSON of ``system_notifications``, for the enriched batch."""
    bounded: int = 0
    """Attributes and devices of the record that a limit kept out."""
    is_recalled: bool = False
    """Whether the decision was remembered: then nothing was read or written for it now."""
    matches: Sequence[Match] = ()
    """The events of the record that selectors want; they count for its profile."""
    receipts: tuple[bytes, ...] = ()
    """What is told of a person's request."""
    answer: Answer | None = None
    """How it was resolved, where that may be remembered for the user's next batch."""

    @property
    def mpid(self) -> int | None:
        """The profile that the record is attributed to."""
        decision = self.decision
        return None if decision is None or isinstance(decision, NOBODY) else decision.mpid


class Content(Protocol):
    """What a kind knows of a record of its own. Pure."""

    def decide(self, work: "Work", view: View, rules: FoldRules) -> Verdict:
        """Decide over *view* and write to it; raises Unread where more must be read first."""
        ...

    def output(self, decided: "Decided") -> Output | None:
        """Return what the record's topic gets, if anything."""
        ...


class Work(Struct, gc=False):
    """A decoded record that asks something of the index of one space."""

    record: Record
    rules: InputRules
    space: Space
    ask: Ask
    time_ms: int
    """The record's time: what its client says, where that can be."""
    content: Content
    request: IdentityRequest | None = None
    """Who is to be resolved; None: only a ``source_request_id`` is asked about."""
    request_id: str | None = None
    """The caller's own id of the record, told in change events."""
    ignored: tuple[Ignored, ...] = ()
    """What was left out of the record because it is odd."""


class Decided(Struct, gc=False):
    """A record with its journal entry, and its profile as it stands after its own effect."""

    work: Work
    entry: Entry
    profile: Profile | None
    documents: tuple[Profile | Grave | Filed, ...] = ()
    """The profiles that the record changed or ended, as they stand after it: to be published."""
    bounded: int = 0
    """Attributes and devices of the record that a limit kept out."""
    verdict: Verdict | None = None
    """What its kind decided; None where it is replayed, or nobody was to be resolved."""
    asked: Asked | None = None
    """What it read; None where it wrote, or where an earlier record had changed some of it."""
    computed: Computation | None = None
    """What was computed for it; None where its scope defines nothing, and where it is replayed."""

    @property
    def is_recalled(self) -> bool:
        """Whether the decision was remembered."""
        return self.verdict is not None and self.verdict.is_recalled


class Settled(Struct, gc=False):
    """What became of one record, and everything that is to be published for it."""

    record: Record
    outcome: Outcome
    output: Output | None
    """What the enriched, responses or dead-letters topic gets."""
    changes: Sequence[Output] = ()
    audience_changes: Sequence[Output] = ()
    profiles: Sequence[Output] = ()
    decision: Decision | None = None
    outcome_record: Output | None = None
    receipts: Sequence[Output] = ()
    """Of requests under privacy law that were waiting."""

    @property
    def resolution(self) -> bytes | None:
        """Why the record was attributed as it was; None where nobody was to be resolved."""
        if self.decision is not None:
            return resolution(self.decision)
        is_answer = self.outcome.name == "answered"
        return UNDECIDED if is_answer and not self.is_receipt else None

    @property
    def is_receipt(self) -> bool:
        """Whether what the record's topic gets is a receipt: then nobody was to be resolved."""
        return self.output is not None and self.output.role == "receipts"

    def add_outputs(self, outputs: list[Output]) -> None:
        """Append all outputs of the record."""
        if self.output is not None:
            outputs.append(self.output)
        if self.changes:
            outputs += self.changes
        if self.audience_changes:
            outputs += self.audience_changes
        if self.profiles:
            outputs += self.profiles
        if self.receipts:
            outputs += self.receipts
        if self.outcome_record is not None:
            outputs.append(self.outcome_record)


Taken = Work | Settled
"""A record taken in: work for the index, or settled without it."""


class Kind(Protocol):
    """A kind of record: how one is taken in."""

    def take(self, record: Record, rules: InputRules, form: Format) -> Taken:
        """Decode *record*, written in *form*, and say what it asks of the index.

        Bad input is settled as a dead letter or an answer. Raises RegistryUnavailable where a
        schema has to be asked for, and cannot be.
        """
        ...


def time_of(record: Record, claimed_ms: int | None, limits: Limits) -> int:
    """Return the time of *record*: its client's, unless that is too far from Kafka's.

    One that fits as seconds, micro- or nanoseconds is taken as such.
    """
    now = record.timestamp_ms
    if claimed_ms is None:
        return now
    first, last = now - limits.max_past_ms, now + limits.max_future_ms
    if first <= claimed_ms <= last:
        return claimed_ms
    for time_ms in (claimed_ms * 1000, claimed_ms // 1000, claimed_ms // 1_000_000):
        if first <= time_ms <= last:
            return time_ms
    return now


def screened_request(
    work: Work, request: IdentityRequest, view: View, policy: IdentityPolicy
) -> IdentityRequest | Decision:
    """Return *request* without what is an erased person's, or what becomes of it as a whole.

    Whose a record is hangs on the markers and graves of everybody whom it names, also where nobody
    looks them up. So all of them are asked of the view: the commit checks them, and what is
    remembered hangs on them.
    """
    privacy = work.rules.workspace.privacy
    if privacy is None:
        return request
    have_read(view, work.ask.identifiers, work.ask.mpids)
    if not view.files.is_marked:
        return request
    at_ms = first_received(work.record)
    if privacy.compare == "event_time":
        at_ms = min(at_ms, work.time_ms)
    return screened(request, view, policy, Screen(at_ms, privacy.mark))


def far_off(record: Record, claimed_ms: int | None, time_ms: int) -> tuple[Ignored, ...]:
    """Return the note that *time_ms*, from ``time_of``, is not the client's but the record's."""
    if claimed_ms is None or time_ms == claimed_ms or time_ms != record.timestamp_ms:
        return ()
    return (Ignored("time", "far_past" if claimed_ms < time_ms else "far_future"),)


def seed_of(record: Record, space: Space, key: bytes) -> Seed:
    """Return what a new MPID is derived from: the record's place, time and bytes, keyed."""
    topic, partition, offset, time_ms, _, value, _ = record
    return key, space.name, topic, partition, offset, time_ms, value or b""


def use_of(record: Record, rules: InputRules, request_id: str | None) -> Use | None:
    """Return the use of a batch's ``source_request_id``; None where none is to be noted."""
    if request_id is None or rules.dedup_window_ms <= 0:
        return None
    token = f"{rules.workspace.name}\x00{rules.name}\x00{request_id}"
    return Use(
        token=token.encode("utf-8", "surrogatepass"),
        time_ms=record.timestamp_ms,
        window_ms=rules.dedup_window_ms,
        coordinates=first_place(record),
    )

"""What is counted of a transaction: plain numbers, handed to the metrics once it has committed."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, Protocol

from msgspec import Struct, field

from processor.computed.message import AudienceChange
from processor.computed.selector import Match
from processor.identity.change import Change
from processor.identity.decision import KINDS, Aliased, Created, Decision, Matched
from processor.pipeline.work import Computation
from processor.records import Ignored, Outcome
from processor.rules import InputRules

CacheName = Literal["index", "decisions", "profiles", "avro"]
"""What a process remembers: of the index, decisions over that, the JSON of published profiles."""


class Cache(Protocol):
    """What a process remembers of one kind."""

    @property
    def bytes(self) -> int:
        """How many bytes it takes, estimated."""

    @property
    def evicted(self) -> int:
        """How many values were forgotten for want of room, since the process started."""


class Tally(Struct):
    """Counts of one transaction. Labels come from bounded sets only: topics, types, reasons."""

    records: Counter[tuple[str, str, str, str, str]] = field(default_factory=Counter)
    """By topic, workspace, input, outcome and reason ('' where there is none)."""
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By strategy and the decision's kind."""
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Identities that were not added, by type and reason."""
    violations: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Violations of a limit or a block list, by type and reason."""
    ignored: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Odd values that were left out, by input, field and reason."""
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Records that were dropped, by input and reason."""
    bounded: int = 0
    """Attributes and devices that a limit kept out."""
    aliases: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By outcome and the reason of those that were ignored ('' where applied)."""
    audience_changes: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """By workspace, audience, change and reason."""
    selector_matches: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Events that a selector wanted, by workspace and selector."""
    computed_writes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Records of which such an event changed something, by workspace and selector."""
    computed_bounded: Counter[tuple[str]] = field(default_factory=Counter)
    """By workspace, what a bound kept out of what is computed or told."""
    hidden: Counter[tuple[str]] = field(default_factory=Counter)
    """By workspace, attributes that were written under the name of a calculated one."""
    swept: Counter[str] = field(default_factory=Counter)
    """Entries of the wheel, by what became of them."""
    set_aside: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Profiles whom no sweep comes to any more, by space and shard."""
    profiles_created: int = 0
    recalled: int = 0
    """Batches whose decision was remembered."""
    cache_bytes: dict[CacheName, int] = field(default_factory=dict)
    """How many bytes caches took after the last poll batch, estimated."""
    evicted: dict[CacheName, int] = field(default_factory=dict)
    """How many values they had forgotten by then for want of room, since the process started."""
    conflicts: int = 0
    """Commits that found something changed."""
    redecisions: int = 0
    """Folds made again, for a conflict or for something that had to be read first."""
    batches: list[int] = field(default_factory=list)
    """How many records each poll batch had."""
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """By phase, the seconds of each poll batch."""

    def note_records(self, records: Iterable[tuple[str, InputRules | None, Outcome]]) -> None:
        """Count outcomes of records of topics; rules are None where no input of it was named."""
        self.records.update(
            [
                (topic, "", "", outcome.name, outcome.reason or "")
                if rules is None
                else (topic, rules.workspace.name, rules.name, outcome.name, outcome.reason or "")
                for topic, rules, outcome in records
            ]
        )

    def note_input(
        self, name: str, ignored: Iterable[Ignored], outcome: str, reason: str | None
    ) -> None:
        """Count a record's odd values that were left out, and the record where it was dropped."""
        for field_, why, _ in ignored:
            self.ignored[name, field_, why] += 1
        if outcome == "dropped":
            self.dropped[name, reason or ""] += 1

    def note_decision(
        self, strategy: str, decision: Decision | None, changes: Collection[Change], bounded: int
    ) -> None:
        """Count a decision, what it skipped, and the violations among its changes."""
        self.bounded += bounded
        if decision is None:
            return
        kind = type(decision)
        self.decisions[strategy, KINDS[kind]] += 1
        if changes or kind is not Matched or decision.skipped:  # hardly any
            self._note_more(decision, changes)

    def _note_more(self, decision: Decision, changes: Iterable[Change]) -> None:
        kind = type(decision)
        if kind is Created:
            self.profiles_created += 1
        if isinstance(decision, Aliased) and decision.reason is not None:
            self.aliases["ignored", decision.reason] += 1
        for skip in decision.skipped:
            self.skipped[skip.identity_type, skip.reason] += 1
        for change in changes:
            if change.change == "violation":
                self.violations[change.identity_type or "", change.reason or ""] += 1
            elif change.alias is not None and change.alias.role == "destination":
                self.aliases["applied", ""] += 1

    def note_computed(
        self, workspace: str, matches: Iterable[Match], computation: Computation
    ) -> None:
        """Count what was computed for a record of *workspace*."""
        for match in matches:
            self.selector_matches[workspace, match.selector] += 1
        for selector in computation.wrote:
            self.computed_writes[workspace, selector] += 1
        if computation.bounded:
            self.computed_bounded[(workspace,)] += computation.bounded
        if computation.hidden:
            self.hidden[(workspace,)] += computation.hidden
        self.note_messages(computation.messages)

    def note_messages(self, messages: Iterable[AudienceChange]) -> None:
        """Count what was told of audiences."""
        for one in messages:
            self.audience_changes[one.workspace, one.audience, one.change, one.reason] += 1

    def note_phase(self, phase: str, seconds: float) -> None:
        """Note how long a phase of a poll batch took."""
        self.seconds.setdefault(phase, []).append(seconds)

    def note_caches(self, caches: Mapping[CacheName, Cache]) -> None:
        """Note what the process remembers now."""
        self.cache_bytes = {name: one.bytes for name, one in caches.items()}
        self.evicted = {name: one.evicted for name, one in caches.items()}

    def note_batch(self, records: int) -> None:
        """Note the size of a poll batch."""
        self.batches.append(records)

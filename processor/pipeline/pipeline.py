"""What happens to a record: a poll batch in, one outcome per record and its outputs out.

    take in ▸ read ▸ fold ▸ commit ▸ publish
    intake    ─────── round ──────   publish

``intake`` hands each record to its kind (``batches``, ``requests``), where its whole life is.
``round`` does the three in the middle, for one space; ``takeover`` says whether a partition may be
taken up.

Redis first, Kafka second: the outputs are handed back to the Kafka loop, which publishes them and
commits the offsets with :meth:`Pipeline.metadata`. A crash in between replays the records, and
their decisions come from the journal (docs/architecture.md).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from time import perf_counter

from msgspec import Struct, field
from msgspec.structs import replace

from processor.codecs.formats import Codecs
from processor.computed.definition import Scope
from processor.identity.model import Space
from processor.index.cache import CachedIndex
from processor.index.port import Assignment, Index
from processor.pipeline.changelog import add_profiles, changed_by, republished
from processor.pipeline.computing import definitions_of
from processor.pipeline.fold import Fold, fold_of
from processor.pipeline.intake import Intake
from processor.pipeline.known import Known
from processor.pipeline.lasting import remember
from processor.pipeline.lots import lots_of, rules_apart
from processor.pipeline.memory import NO_MEMORY, Memory
from processor.pipeline.pacing import SweepPace
from processor.pipeline.publish import dead_letter, outcome_output, settle
from processor.pipeline.quarantine import POISON, Lots, Quarantine
from processor.pipeline.round import ROUNDS, Rounds
from processor.pipeline.session import Sessions, SpaceSession
from processor.pipeline.sweeping import Sweep, ends_in, sweeps_last
from processor.pipeline.sweeps import Carried, Clockwork, Sweeps
from processor.pipeline.takeover import Takeover
from processor.pipeline.tally import Cache, CacheName, Tally
from processor.pipeline.witness import Offset, Witness, carry_witnesses
from processor.pipeline.work import Decided, Settled, Taken, Work
from processor.privacy.receipt import Residues, no_residues
from processor.profiles.sections import PART, Sections
from processor.records import Output, Record, RowKey, last_of_rows
from processor.rules import Rules, SpaceRules


class Parts(Struct, frozen=True):
    """What a pipeline needs from the composition root."""

    rules: Rules
    spaces: tuple[SpaceRules, ...]
    index: Index
    owner: str
    """Consumer group and Kafka cluster: what the spaces are bound to."""
    key: bytes = b""
    """Keys the MPIDs; the index has its own copy for the tokens."""
    codecs: Codecs = field(default_factory=Codecs)
    computed: Mapping[str, Scope] = {}
    """What identity scopes define to be computed, by their name."""
    with_outcomes: bool = False
    accept_offsets: bool = False
    memory_bytes: int = 0
    """For decisions of known users, where the index remembers what they read (``CachedIndex``)."""
    residues: Residues = no_residues
    """Where else data of the people is who ask for an erasure."""
    pace: SweepPace = field(default_factory=SweepPace)
    """Of sweeps."""
    rounds: int = ROUNDS
    """How often a batch may meet a conflict before it is cut."""
    wait: Callable[[float], None] = lambda _seconds: None
    reach: Callable[[str], None] = lambda _point: None
    look: Callable[[Sequence[Record]], None] = lambda _records: None
    """Sees the records of a poll batch before they are decoded; for tests."""
    counted: Callable[[Tally], None] = lambda _tally: None
    """Is handed the tally of a transaction once it has committed."""


class Pipeline:
    """Processes poll batches for the partitions it was assigned. One thread uses it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._cache = parts.index if isinstance(parts.index, CachedIndex) else None
        self._memory = NO_MEMORY if self._cache is None else Memory(parts.memory_bytes)
        self._sections = Sections(0 if self._cache is None else parts.memory_bytes // PART)
        self._caches = _caches(parts, self._memory, self._sections)
        definitions = definitions_of(parts.computed)
        self._intake = Intake(parts.rules, parts.key, parts.codecs, self._memory, definitions)
        self._folds = {
            its.space: fold_of(its, parts.rules, parts.computed, parts.index.token, parts.residues)
            for its in parts.spaces
        }
        self._apart = rules_apart(parts.rules)
        self.sweeps = Sweeps(_clockwork(parts, self._folds))
        self._sessions: dict[Space, SpaceSession] = {}
        self._positions: dict[RowKey, int] = {}
        """The offset of the next record of each partition."""
        self._carried: dict[RowKey, dict[str, Witness]] = {}
        """Witnesses of spaces that the configuration leaves out, as they were."""
        self._tally = Tally()
        """Counts the open transaction."""
        self._takeover = Takeover(parts.index, parts.owner, parts.accept_offsets)
        self._quarantine = Quarantine(parts.rules.limits.max_deaths)
        self.forget()

    # ---- what happens to a record -----------------------------------------------------------

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Process a poll batch and return what is to be published for it, in order."""
        outputs: list[Output] = []
        for settled in self.settle(records):
            settled.add_outputs(outputs)
        outputs += republished(self._sessions)
        return [*self._parts.codecs.written(outputs), *self.sweeps.following()]

    def settle(self, records: Sequence[Record]) -> list[Settled]:
        """Process a poll batch and return what became of each record, sweeps after all others."""
        records = sweeps_last(sweeps_last(records, self._apart), self.sweeps.topics)
        started = perf_counter()
        taken = self._take_in(records)
        taken_in = perf_counter()
        decided = self._decide(taken)
        carried = self.sweeps.carry_out(taken, self._sessions, self._tally)
        resolved = perf_counter()
        settled = [_settled(one, n, decided, carried) for n, one in enumerate(taken)]
        add_profiles(settled, changed_by(decided, carried), self._sessions, self._sections.encoded)
        if self._cache is not None:
            remember(self._memory, decided.values(), self._parts.rules.limits, self._cache.slots)
        if self._parts.with_outcomes:
            for one in settled:
                one.outcome_record = outcome_output(one)
        last = last_of_rows(records)
        self._positions.update({row: record.offset + 1 for row, record in last.items()})
        tally = self._tally
        tally.note_phase("take_in", taken_in - started)
        tally.note_phase("resolve", resolved - taken_in)
        tally.note_phase("encode", perf_counter() - resolved)
        tally.note_batch(len(records))
        tally.note_caches(self._caches)
        _count(self._intake, settled, decided, tally)
        return settled

    def _take_in(self, records: Sequence[Record]) -> list[Taken | Sweep]:
        """Decode a poll batch.

        Suspect records are marked in the index first; a record that has ended the process
        ``max_deaths`` times is set aside undecoded.
        """
        if self._quarantine.is_poison(records):
            return [self._poisoned(record) for record in records]
        marks = self._quarantine.marks(records)
        if marks:
            self._first.mark(marks)
        self._parts.look(records)
        take = self._take if ends_in(records, self.sweeps.topics) else self._intake.take
        taken: list[Taken | Sweep] = [take(record) for record in records]
        if any(session.is_behind(self._positions) for session in self._sessions.values()):
            taken = [_decoded(one) for one in taken]
            return [_as_before(one, self._intake, self._sessions) for one in taken]
        return taken

    def _take(self, record: Record) -> Taken | Sweep:
        if record.topic not in self.sweeps.topics:
            return self._intake.take(record)
        found = self.sweeps.take(record)
        is_alone = isinstance(found, Sweep) and self._quarantine.is_suspect(record)
        return replace(found, most=1) if is_alone else found

    def _poisoned(self, record: Record) -> Taken | Sweep:
        """Return what becomes of a record that ends processes."""
        found = self._take(record) if record.topic in self.sweeps.topics else None
        if isinstance(found, Sweep):
            return found if found.is_to_be_cut else replace(found, is_poison=True)
        return _set_aside(record, self._intake, self._sessions)

    def _decide(self, taken: Sequence[Taken | Sweep]) -> dict[int, Decided]:
        """Decide what needs the index, space by space; return decisions by number in the batch."""
        works: dict[Space, dict[int, Work]] = {}
        for number, one in enumerate(taken):
            if isinstance(one, Work):
                works.setdefault(one.space, {})[number] = one
        decided: dict[int, Decided] = {}
        for space, its in lots_of(works, self._apart):
            session, fold = self._sessions[space], self._folds[space]
            rounds = Rounds(session, fold, self._parts.wait, self._parts.rounds)
            decided.update(zip(its, rounds.decide(tuple(its.values()), self._tally), strict=True))
        return decided

    # ---- what else the loop asks ------------------------------------------------------------

    def lots(self, records: Sequence[Record]) -> Lots:
        """Return *records* in lots that are to be committed one by one; () where there is no need.

        So it is while a record is suspected of having killed a process (``quarantine``).
        """
        return self._quarantine.lots(records)

    def idle(self) -> list[Output]:
        """Trim journals and notice lost writes; return documents to publish again."""
        for session in self._sessions.values():
            session.check()
        return self._parts.codecs.written(republished(self._sessions))

    # ---- the transaction --------------------------------------------------------------------

    def metadata(self, topic: str, partition: int) -> str:
        """Return the witnesses for the next committed offset of a partition."""
        key = RowKey(topic, partition)
        ours = {space.name: session.witness(key) for space, session in self._sessions.items()}
        return carry_witnesses(self._carried.get(key, {}), ours)

    def committed(self) -> None:
        """Count the records of the transaction that has committed; let journals be trimmed."""
        for session in self._sessions.values():
            session.committed(self._positions)
        self._quarantine.committed(self._positions)
        tally, self._tally = self._tally, Tally()
        self._parts.counted(tally)

    # ---- partitions -------------------------------------------------------------------------

    def assign(self, partitions: Sequence[Assignment], others: Sequence[Assignment]) -> None:
        """Claim the rows of *partitions* in every space; *others* lend their witnesses.

        Raises LostWrites and NoStart where they may not start (``takeover``), Fenced and
        IndexUnavailable as the index does.
        """
        own, lent = [Offset.of(p) for p in partitions], [Offset.of(p) for p in others]
        self.sweeps.handed_over({p.partition for p in partitions if p.topic in self.sweeps.topics})
        self._parts.reach("before_claim")
        for rules in self._parts.spaces:
            session = self._sessions[rules.space]
            for start in self._takeover.starts(rules, own, lent):
                session.claimed(start.state, start.position, start.seq)
                if session is self._first:
                    self._quarantine.claimed(start.state, start.position)
        served = {space.name for space in self._folds}
        for offset in own:
            self._positions[offset.row] = offset.position
            told = (offset.witnesses or {}).items()
            self._carried[offset.row] = {name: one for name, one in told if name not in served}
        self._parts.reach("after_claim")

    def revoke(self, partitions: Collection[tuple[str, int]]) -> None:
        """Give partitions up, after the last commit."""
        self.sweeps.handed_over({n for topic, n in partitions if topic in self.sweeps.topics})
        for topic, partition in partitions:
            key = RowKey(topic, partition)
            self._positions.pop(key, None)
            self._quarantine.released(key)
            for session in self._sessions.values():
                session.released(key)

    def forget(self) -> None:
        """Forget everything: the open transaction was aborted, partitions are assigned again."""
        self._sessions = {
            space: SpaceSession(space, self._parts.index, self._parts.reach)
            for space in self._folds
        }
        self._positions = {}
        self._tally = Tally()
        self.sweeps.forget()

    def excuse(self) -> None:
        """Remove the marks of records in hand: the process ends, and no record is the cause."""
        first = self._first
        marks = [mark for mark in self._quarantine.excuses() if mark.row in first.rows]
        if marks:
            first.mark(marks)

    @property
    def _first(self) -> SpaceSession:
        """The first space: marks of records in hand are kept in its rows."""
        return self._sessions[self._parts.spaces[0].space]


def _caches(parts: Parts, memory: Memory, sections: Sections) -> Mapping[CacheName, Cache]:
    if not isinstance(parts.index, CachedIndex) or not parts.memory_bytes:
        return {}  # what is to be forgotten at once is no cache that is too small
    caches: dict[CacheName, Cache] = {
        "index": parts.index,
        "decisions": memory,
        "profiles": sections,
    }
    return caches if parts.codecs.repeats is None else {**caches, "avro": parts.codecs.repeats}


def _clockwork(parts: Parts, folds: Mapping[Space, Fold]) -> Clockwork:
    topics = frozenset(name for name, role in parts.rules.roles.items() if role == "clock")
    rules = {space: fold.time_rules(parts.rules, parts.key) for space, fold in folds.items()}
    return Clockwork(parts.index, rules, topics, parts.pace, parts.wait)


def _decoded(one: Taken | Sweep) -> Taken | Sweep:
    """Return a record as it reads, not as it is remembered: what a journal says goes with that."""
    if isinstance(one, Work) and isinstance(one.content, Known):
        return one.content.take_anew()
    return one


def _as_before(one: Taken | Sweep, intake: Intake, sessions: Sessions) -> Taken | Sweep:
    """Keep a replayed record the dead letter it was.

    Its schema is known now, but when the journal was written it was not, so there is no decision to
    take.
    """
    if not isinstance(one, Work):
        return one
    key, offset = one.record.row, one.record.offset
    if not sessions[one.space].rows[key].is_undecided(offset):
        return one
    if any(offset in session.rows[key].replay for session in sessions.values()):
        return one  # decided in another space: by another configuration, which must not go on
    return intake.unknown(one) or one


def _set_aside(record: Record, intake: Intake, sessions: Sessions) -> Settled:
    """Set a record aside undecoded, with what was decided of it before it ended a process."""
    for session in sessions.values():
        entry = session.rows[record.row].replay.get(record.offset)
        if entry is not None:
            return intake.unread(record, POISON, entry, session.space)
    return dead_letter(record, POISON)


def _settled(
    one: Taken | Sweep, number: int, decided: Mapping[int, Decided], carried: Mapping[int, Carried]
) -> Settled:
    if isinstance(one, Settled):
        return one
    return settle(decided[number]) if isinstance(one, Work) else carried[number].settled()


def _count(
    intake: Intake, settled: Sequence[Settled], decided: Mapping[int, Decided], tally: Tally
) -> None:
    found = [decided.get(number) for number in range(len(settled))]
    tally.note_records(
        [
            (
                one.record.topic,
                intake.rules_of(one.record) if its is None else its.work.rules,
                one.outcome,
            )
            for one, its in zip(settled, found, strict=True)
        ]
    )
    for its in decided.values():
        work, entry = its.work, its.entry
        if work.ignored or entry.outcome == "dropped":
            tally.note_input(work.rules.name, work.ignored, entry.outcome, entry.reason)
        tally.recalled += its.is_recalled
        strategy = work.rules.workspace.policy.strategy
        tally.note_decision(strategy, entry.decision, entry.changes, its.bounded)
        if its.computed is not None and its.verdict is not None:
            tally.note_computed(work.rules.workspace.name, its.verdict.matches, its.computed)

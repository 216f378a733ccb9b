"""What happens to a record: a poll batch in, one outcome per record and its outputs out.

    take in ▸ read ▸ decide ▸ commit ▸ publish
    intake    index  decide   index    publish

``session`` does the three in the middle, for one space; ``starting`` says whether a partition may
be taken up.

Redis first, Kafka second: the outputs are handed back to the Kafka loop, which publishes them and
commits the offsets with :meth:`Pipeline.metadata`. A crash in between replays the records, and
their decisions come from the journal (docs/architecture.md).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from time import perf_counter

from msgspec import Struct, field

from processor.codecs.formats import Codecs
from processor.identity.model import Space
from processor.index.port import Assigned, Index
from processor.pipeline.fold import Decided, Folder
from processor.pipeline.intake import Intake, Rejected, Taken, Work
from processor.pipeline.publish import Publisher, Settled
from processor.pipeline.quarantine import POISON, Lots, Quarantine
from processor.pipeline.session import ROUNDS, Env, SpaceSession
from processor.pipeline.takeover import Starting
from processor.pipeline.tally import Tally
from processor.pipeline.witness import Offset, Witness, carry_witnesses
from processor.records import Output, Record, RowKey
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
    with_outcomes: bool = False
    accept_offsets: bool = False
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
        self._intake = Intake(parts.rules, parts.key, parts.codecs)
        self._publisher = Publisher(parts.with_outcomes)
        self._envs = {
            s.space: Env(
                index=parts.index,
                folder=Folder(s.space, s.policy, parts.rules.limits, parts.index.token),
                wait=parts.wait,
                reach=parts.reach,
                rounds=parts.rounds,
            )
            for s in parts.spaces
        }
        self._sessions: dict[Space, SpaceSession] = {}
        self._positions: dict[RowKey, int] = {}
        """The offset of the next record of each partition."""
        self._carried: dict[RowKey, dict[str, Witness]] = {}
        """Witnesses of spaces that the configuration leaves out, as they were."""
        self._tally = Tally()
        """Counts the open transaction."""
        self._starting = Starting(parts.index, parts.owner, parts.accept_offsets)
        self._quarantine = Quarantine(parts.rules.limits.max_deaths)
        self.forget()

    # ---- what happens to a record -----------------------------------------------------------

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Process a poll batch and return what is to be published for it, in order."""
        outputs: list[Output] = []
        for settled in self.settle(records):
            settled.add_outputs(outputs)
        outputs += self._republished()
        return self._parts.codecs.written(outputs)

    def settle(self, records: Sequence[Record]) -> list[Settled]:
        """Process a poll batch and return what became of each record, in order."""
        started = perf_counter()
        taken = self._take_in(records)
        taken_in = perf_counter()
        decided = self._decide(taken)
        resolved = perf_counter()
        settled = [
            self._publisher.outputs_of(one, decided.get(place)) for place, one in enumerate(taken)
        ]
        self._add_profiles(settled, decided)
        self._positions.update(_positions_after(records))
        tally = self._tally
        tally.note_phase("take_in", taken_in - started)
        tally.note_phase("resolve", resolved - taken_in)
        tally.note_phase("encode", perf_counter() - resolved)
        tally.note_batch(len(records))
        _count(settled, decided, tally)
        return settled

    def _take_in(self, records: Sequence[Record]) -> list[Taken]:
        """Take records in; what may kill us is marked before, what did so too often is not read."""
        if self._quarantine.is_poison(records):
            return [self._poison(record) for record in records]
        marks = self._quarantine.marks(records)
        if marks:
            self._first.mark(marks)
        self._parts.look(records)
        taken = [self._intake.take(record) for record in records]
        if any(session.is_behind(self._positions) for session in self._sessions.values()):
            return [self._as_before(one) for one in taken]
        return taken

    def _as_before(self, one: Taken) -> Taken:
        """Set a record aside as the first time, where its schema became known only after that."""
        if not isinstance(one, Work) or not self._sessions[one.space].is_undecided(one):
            return one
        key, offset = RowKey(one.record.topic, one.record.partition), one.record.offset
        if any(offset in session.rows[key].replay for session in self._sessions.values()):
            return one  # decided in another space: by another configuration, which must not go on
        return self._intake.unknown(one) or one

    def _poison(self, record: Record) -> Rejected:
        """Return a record that is not read, with what was decided of it before it killed."""
        key = RowKey(record.topic, record.partition)
        for session in self._sessions.values():
            entry = session.rows[key].replay.get(record.offset)
            if entry is not None:
                return self._intake.unread(record, POISON, entry, session.space)
        return Rejected(record, POISON)

    def _decide(self, taken: Sequence[Taken]) -> dict[int, Decided]:
        """Decide what needs the index, space by space; return decisions by place."""
        places: dict[Space, list[int]] = {}
        for place, one in enumerate(taken):
            if isinstance(one, Work):
                places.setdefault(one.space, []).append(place)
        decided: dict[int, Decided] = {}
        for space, mine in places.items():
            works = [one for place in mine if isinstance(one := taken[place], Work)]
            decided.update(zip(mine, self._sessions[space].decide(works, self._tally), strict=True))
        return decided

    def _add_profiles(self, settled: Sequence[Settled], decided: Mapping[int, Decided]) -> None:
        """Hand each changed profile to the last record that changed it."""
        last = _last_changes(decided)
        for place, one in decided.items():
            space = one.work.space
            for document in one.documents:
                if last[space, document.mpid] == place:
                    record = settled[place].record
                    source = record.topic, record.partition, record.offset
                    settled[place].profiles.append(self._publisher.profile(document, source))
                    self._sessions[space].note_published(document)

    def _republished(self) -> list[Output]:
        return [
            self._publisher.profile(owed.profile, (owed.row.topic, owed.row.partition, owed.offset))
            for session in self._sessions.values()
            for owed in session.owed()
        ]

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
        return self._parts.codecs.written(self._republished())

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

    def assign(self, partitions: Sequence[Assigned], others: Sequence[Assigned]) -> None:
        """Claim the rows of *partitions* in every space; *others* lend their witnesses.

        Raises LostWrites and NoStart where they may not start (``starting``), Fenced and
        IndexUnavailable as the index does.
        """
        own, lent = [Offset.of(p) for p in partitions], [Offset.of(p) for p in others]
        self._parts.reach("before_claim")
        for rules in self._parts.spaces:
            session = self._sessions[rules.space]
            for start in self._starting.starts(rules, own, lent):
                session.claimed(start.state, start.position, start.seq)
                if session is self._first:
                    self._quarantine.claimed(start.state, start.position)
        served = {space.name for space in self._envs}
        for offset in own:
            self._positions[offset.row] = offset.position
            told = (offset.witnesses or {}).items()
            self._carried[offset.row] = {name: one for name, one in told if name not in served}
        self._parts.reach("after_claim")

    def revoke(self, partitions: Collection[tuple[str, int]]) -> None:
        """Give partitions up, after the last commit."""
        for topic, partition in partitions:
            key = RowKey(topic, partition)
            self._positions.pop(key, None)
            self._quarantine.released(key)
            for session in self._sessions.values():
                session.released(key)

    def forget(self) -> None:
        """Forget everything: the open transaction was aborted, partitions are assigned again."""
        self._sessions = {space: SpaceSession(space, env) for space, env in self._envs.items()}
        self._positions = {}
        self._tally = Tally()

    def excuse(self) -> None:
        """Take the marks of records in hand back: the process ends, and none is to blame."""
        first = self._first
        marks = [mark for mark in self._quarantine.excuses() if mark.row in first.rows]
        if marks:
            first.mark(marks)

    @property
    def _first(self) -> SpaceSession:
        """The first space: marks of records in hand are kept in its rows."""
        return self._sessions[self._parts.spaces[0].space]


def _positions_after(records: Sequence[Record]) -> dict[RowKey, int]:
    ends = {(record.topic, record.partition): record.offset + 1 for record in records}
    return {RowKey(*partition): end for partition, end in ends.items()}


def _last_changes(decided: Mapping[int, Decided]) -> dict[tuple[Space, int], int]:
    """Return for each changed profile the place of the record that changed it last."""
    return {
        (one.work.space, document.mpid): place
        for place, one in decided.items()
        for document in one.documents
    }


def _count(settled: Sequence[Settled], decided: Mapping[int, Decided], tally: Tally) -> None:
    for one in settled:
        tally.note_record(one.record.topic, one.outcome.name, one.outcome.reason)
    for its in decided.values():
        strategy = its.work.rules.workspace.policy.strategy
        tally.note_decision(strategy, its.entry.decision, its.entry.changes, its.bounded)

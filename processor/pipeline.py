"""What happens to a record: a poll batch in, one outcome a record and its outputs out.

    take in ▸ read ▸ decide ▸ commit ▸ publish
    intake    index  decide   index    publish

Redis first, Kafka second: the outputs are handed back to the Kafka loop, which publishes them and
commits the offsets with :meth:`Pipeline.metadata`. A crash in between replays the records, and
their decisions come from the journal (docs/architecture.md).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from time import perf_counter

from msgspec import Struct, field

from processor.codecs.formats import Codecs
from processor.decide import Decided, Folder
from processor.identity.model import Space
from processor.intake import Intake, Rejected, Taken, Work
from processor.journal import MOST_METADATA, Witness, read_witnesses, write_witnesses
from processor.outcome import Output, Record
from processor.publish import Publisher, Settled
from processor.quarantine import POISON, Lots, Quarantine
from processor.rules import Rules, SpaceRules
from processor.session import Env, SpaceSession
from processor.space import (
    Assigned,
    Index,
    LostWrites,
    NoStart,
    RowClaim,
    RowKey,
    RowState,
    shape,
    unfinished,
)
from processor.tally import Tally

RESTORE = "Run `idstream restore` to rebuild the index from the profiles topic"
ACCEPT = "`idstream run --accept-offsets` to go on from the committed offsets as they are"


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
            )
            for s in parts.spaces
        }
        self._sessions: dict[Space, SpaceSession] = {}
        self._positions: dict[RowKey, int] = {}
        self._carried: dict[RowKey, dict[str, Witness]] = {}
        """Witnesses of spaces that the configuration does not have, at present."""
        self._tally = Tally()
        self._quarantine = Quarantine(parts.rules.limits.max_deaths)
        self.forget()

    # ---- partitions -------------------------------------------------------------------------

    def assign(self, partitions: Sequence[Assigned], others: Sequence[Assigned]) -> None:
        """Claim the rows of *partitions* in every space; *others* lend their witnesses.

        Raises LostWrites where the index is behind a witness, NoStart where there is no safe place
        to start from, Fenced and IndexUnavailable as the index does.
        """
        witnesses = {RowKey(p.topic, p.partition): read_witnesses(p.metadata) for p in partitions}
        foreign = [read_witnesses(p.metadata) for p in others]
        self._parts.reach("before_claim")
        for rules in self._parts.spaces:
            found = (w.get(rules.space.name) for w in (*witnesses.values(), *foreign) if w)
            seen = max((witness.seq for witness in found if witness), default=0)
            self._claim(rules, partitions, witnesses, seen)
        served = {space.name for space in self._envs}
        for partition in partitions:
            key = RowKey(partition.topic, partition.partition)
            self._positions[key] = partition.committed or 0
            told = (witnesses[key] or {}).items()
            self._carried[key] = {name: one for name, one in told if name not in served}
        self._parts.reach("after_claim")

    def _claim(
        self,
        rules: SpaceRules,
        partitions: Sequence[Assigned],
        witnesses: Mapping[RowKey, Mapping[str, Witness] | None],
        seen: int,
    ) -> None:
        """Claim the rows of *partitions* in one space, of which offsets have *seen* so many seq."""
        space, policy = rules.space, rules.policy
        claims = [RowClaim(RowKey(p.topic, p.partition), p.topic_id, seen) for p in partitions]
        claimed = self._parts.index.claim(
            space, self._parts.owner, rules.fingerprint, claims, shape(policy)
        )
        _check_shape(rules, claimed.shape)
        states = {state.row: state for state in claimed.rows}
        for partition in partitions:
            key = RowKey(partition.topic, partition.partition)
            state, committed = states[key], partition.committed or 0
            self._check_row(space, state, partition, witnesses[key])
            self._check_config(rules, state, committed)
            is_foreign = partition.committed is None or witnesses[key] is None
            replay_end = 0 if is_foreign else state.cursor or 0
            self._sessions[space].claimed(state, committed, replay_end, claimed.seq)
            if rules is self._parts.spaces[0]:
                self._quarantine.claimed(state, committed)

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
        session = self._sessions[self._parts.spaces[0].space]
        marks = [mark for mark in self._quarantine.excuses() if mark.row in session.rows]
        if marks:
            session.mark(marks)

    # ---- records ----------------------------------------------------------------------------

    def process(self, records: Sequence[Record]) -> list[Output]:
        """Process a poll batch and return what is to be published for it, in order."""
        outputs: list[Output] = []
        for settled in self.settle(records):
            settled.add_outputs(outputs)
        outputs += self._republished()
        return self._parts.codecs.written(outputs)

    def lots(self, records: Sequence[Record]) -> Lots:
        """Return *records* in lots that are to be committed one by one; () where there is no need.

        So it is while a record is suspected of having killed a process (``quarantine``).
        """
        return self._quarantine.lots(records)

    def settle(self, records: Sequence[Record]) -> list[Settled]:
        """Process a poll batch and return what became of each record, in order."""
        started = perf_counter()
        taken = self._taken(records)
        decoded = perf_counter()
        decided = self._decide(taken)
        done = perf_counter()
        settled = [
            self._publisher.outputs_of(one, decided.get(place)) for place, one in enumerate(taken)
        ]
        self._publish_profiles(settled, decided)
        ends = {(record.topic, record.partition): record.offset + 1 for record in records}
        self._positions.update((RowKey(*place), end) for place, end in ends.items())
        tally = self._tally
        tally.note_phase("take_in", decoded - started)
        tally.note_phase("resolve", done - decoded)
        tally.note_phase("encode", perf_counter() - done)
        tally.note_batch(len(records))
        self._count(settled, decided)
        return settled

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
        text = write_witnesses({**self._carried.get(key, {}), **ours})
        return text if len(text) <= MOST_METADATA else write_witnesses(ours)

    def committed(self) -> None:
        """Count the records of the transaction that has committed; let journals be trimmed."""
        for session in self._sessions.values():
            session.committed(self._positions)
        self._quarantine.committed(self._positions)
        tally, self._tally = self._tally, Tally()
        self._parts.counted(tally)

    # ---- inside -----------------------------------------------------------------------------

    def _taken(self, records: Sequence[Record]) -> list[Taken]:
        """Take records in; what may kill us is marked before, what did so too often is not read."""
        if self._quarantine.is_poison(records):
            return [self._poison(record) for record in records]
        marks = self._quarantine.marks(records)
        if marks:
            self._sessions[self._parts.spaces[0].space].mark(marks)
        self._parts.look(records)
        taken = [self._intake.take(record) for record in records]
        if any(session.is_behind(self._positions) for session in self._sessions.values()):
            return [self._as_before(one) for one in taken]
        return taken

    def _as_before(self, one: Taken) -> Taken:
        """Set a record aside again whose schema became known only after it was passed by."""
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

    def _publish_profiles(self, settled: Sequence[Settled], decided: Mapping[int, Decided]) -> None:
        """Hand each changed profile to the last record that changed it."""
        last: dict[tuple[Space, int], int] = {}
        for place, one in decided.items():
            for document in one.documents:
                last[one.work.space, document.mpid] = place
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

    def _count(self, settled: Sequence[Settled], decided: Mapping[int, Decided]) -> None:
        tally = self._tally
        for one in settled:
            tally.note_record(one.record.topic, one.outcome.name, one.outcome.reason)
        for its in decided.values():
            strategy = its.work.rules.workspace.policy.strategy
            tally.note_decision(strategy, its.entry.decision, its.entry.changes, its.bounded)

    def _check_row(
        self,
        space: Space,
        state: RowState,
        partition: Assigned,
        witnesses: Mapping[str, Witness] | None,
    ) -> None:
        """Compare a row with its partition's committed offset (architecture, "Starting points")."""
        name = f"{partition.topic}/{partition.partition} in space {space.name}"
        witness = (witnesses or {}).get(space.name)
        if witness is not None and (state.cursor or 0) < (witness.cursor or 0):
            message = f"the index has lost acknowledged writes: {name} is behind. {RESTORE}"
            raise LostWrites(message)
        if self._parts.accept_offsets:
            return
        if partition.committed is None and state.cursor is not None:
            message = (
                f"the index knows records of {name}, but the group has no offset there."
                " Both ways out begin at the earliest record that is left, and process all again"
            )
            raise NoStart(f"{message}. {RESTORE}, or {ACCEPT}")
        if partition.committed is not None and witnesses is None:
            message = f"the committed offset of {name} was not written by idstream."
            raise NoStart(f"{message} {RESTORE}, or {ACCEPT}")

    def _check_config(self, rules: SpaceRules, state: RowState, committed: int) -> None:
        """Refuse to replay decisions that were taken under other identity settings."""
        is_behind = state.cursor is not None and state.cursor > committed
        if is_behind and state.config and state.config != rules.fingerprint:
            message = (
                f"the identity settings of scope {rules.space.scope} changed"
                " while records were under way."
                " Start once with the settings as they were, stop, then change them;"
                f" or {ACCEPT}"
            )
            raise NoStart(message)


def _check_shape(rules: SpaceRules, held: str) -> None:
    """Refuse index entries that were derived by other settings than these."""
    wanted = shape(rules.policy)
    if (way_out := unfinished(rules.space, held)) is not None:
        raise NoStart(way_out)
    if held != wanted:
        message = (
            f"the index of space {rules.space.name} was built under other identity settings"
            f" ({held}) than these ({wanted}). Stop every process of this group and run"
            " `idstream restore --reindex`, or change the settings back"
        )
        raise NoStart(message)

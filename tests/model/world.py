"""Several processors over one index and one Kafka, every step of which waits to be let go.

A *run* is a pure function of a :class:`Plan`: bytes say which processor takes its next step, where
one dies, whose request is lost, answered late or applied after its sender's death. The loop, the
pipeline, the journal and the index are the real ones; each processor is a thread, but only one of
them ever runs.
"""

import copy
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException

from processor.clock.bucket import DAY_MS, bucket_of
from processor.clock.wheel import Entry, Moves
from processor.commands.restore.reader import ChangelogReader
from processor.identity.grave import Grave
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.index.cache import CachedIndex
from processor.index.derivation import IsLookup, Tombstone
from processor.index.errors import Fenced, IndexUnavailable, LostWrites, NoStart
from processor.index.memory import MAX_KEYS, MemoryIndex, _Row
from processor.index.port import Ask, Commit, Reading
from processor.kafka.asking import topic_names
from processor.kafka.clock import Clock
from processor.kafka.loop.horizon import Horizon, HorizonPace
from processor.kafka.loop.interval import Interval, Pace
from processor.kafka.loop.loop import Loop
from processor.kafka.loop.positions import Positions
from processor.kafka.loop.starting import LoopParts
from processor.kafka.loop.sweeping import Sweeping, SweepParts
from processor.kafka.loop.transactions import Producers, Transactions
from processor.pipeline.pacing import SweepPace
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.round import ROUNDS
from processor.pipeline.tally import Tally
from processor.records import Record, RowKey
from tests.kafka.deaf import Deaf
from tests.model.kafka import Cluster, PlayedConsumer, PlayedInputs, PlayedProducer, failure
from tests.model.people import CLOCK, INPUTS, LATEST_MS

T = TypeVar("T")
OUTPUTS = (
    "enriched",
    "responses",
    "changes",
    "profiles",
    "dead_letters",
    "outcomes",
    "audience_changes",
)
MOST_PROCESSORS = 3
SETTLING_STEPS = 20_000
"""How many steps the healed world may need to finish: more means that it never would."""
CALM = frozenset({"rebalances", "newcomers"})
"""Faults that nobody may end of: a partition is given up before another processor has it."""
NO_TIME = Clock(now=lambda: 0.0, sleep=lambda _seconds: None)
"""No time passes: what times out does so because the schedule says so."""
SECOND_MS = 1000
LEAPS_MS = {77: 7_200_000, 78: 93_600_000}
"""At some steps of so many much time passes, as over a night, or over what keeps graves."""
LOOKS = 40
"""Steps of a healed world between two leaps of time."""
RESTORES = 400
"""Steps of a healed world between two restores, at least."""
FIRST_SWITCH, FIRST_FAULT = 150, 232
"""Below the first the same processor goes on, below the second another one does."""


class Killed(BaseException):
    """The process died here."""


@dataclass(frozen=True, repr=False)
class Plan:
    """All that makes a run what it is."""

    setting: str
    history: bytes
    schedule: bytes
    static: bool = False
    per_transaction: int = 1
    faults: tuple[str, ...] = ()
    """Which kinds of faults there are: few kinds at a time find more than all at once."""
    rounds: int = ROUNDS
    """How often a batch may meet a conflict before it is cut."""
    max_keys: int = MAX_KEYS
    """How many keys end a read of the index."""
    restores: bool = False
    """Whether the index is restored now and then, when nothing is under way."""

    @property
    def is_calm(self) -> bool:
        """Whether nothing dies, fails, hangs or comes late."""
        return CALM.issuperset(self.faults)

    def __repr__(self) -> str:
        return (
            f"Plan({self.setting!r}, bytes.fromhex({self.history.hex()!r}),"
            f" bytes.fromhex({self.schedule.hex()!r}), {self.static}, {self.per_transaction},"
            f" {self.faults}, {self.rounds}, {self.max_keys}, {self.restores})"
        )


@dataclass(eq=False)
class Ghost:
    """A request whose sender is gone, or has given up on it: it may still arrive."""

    name: str
    apply: Callable[[], object]


class Processor:
    """One process: the real loop and pipeline in a thread that waits at every step."""

    def __init__(self, world: "World", slot: int, life: int) -> None:
        self.name = f"p{slot}"
        self.life = life
        self.at = "start"
        self.ended: BaseException | str | None = None
        self.is_frozen = False
        self.is_cut_off = False
        """Its connection to the index has ended: its next request finds that out."""
        self._world = world
        self._number = 0
        self._raise: BaseException | None = None
        self._underway: Ghost | None = None
        self._is_dead = False
        self._go = threading.Semaphore(0)
        self._waits = threading.Semaphore(0)
        self.stop = threading.Event()
        self.consumer: PlayedConsumer | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._waits.acquire()

    # ---- what the schedule does ---------------------------------------------------------------

    def step(self, number: int) -> None:
        """Let it go on to its next step."""
        self._number = number
        self._go.release()
        self._waits.acquire()

    def kill(self, *, leaves_ghost: bool) -> None:
        """End it where it stands; its request may be under way already."""
        self._is_dead = True
        if leaves_ghost and self._underway is not None:
            self._world.ghosts.append(self._underway)
        while self.ended is None:
            self.step(0)
        self._thread.join()

    def fail_request(self, *, leaves_ghost: bool) -> bool:
        """Answer its request with an error, whatever became of it; False where it has none."""
        if self._underway is None:
            return False
        if leaves_ghost:
            self._world.ghosts.append(self._underway)
        is_index = self._underway.name.startswith("index")
        self._raise = IndexUnavailable("played") if is_index else failure(KafkaError._TIMED_OUT)
        self.step(0)
        return True

    # ---- what happens inside ------------------------------------------------------------------

    def _run(self) -> None:
        self._waits.release()
        self._go.acquire()
        try:
            self._build().run(self.stop)
            self.ended = "stopped"
        except Killed:
            self.ended = "killed"
        except (LostWrites, Fenced, NoStart, KafkaException) as end:
            self.ended = end
        except BaseException as end:  # noqa: BLE001 - the run tells it
            self.ended = end
            self._world.broken.append(end)
        self._waits.release()

    def pause(self, at: str) -> int:
        """Wait to be let go on; die or fail here if the schedule says so."""
        if self._is_dead:
            raise Killed
        self.at = at
        self._waits.release()
        self._go.acquire()
        if self._is_dead:
            raise Killed
        return self._number

    def request(self, name: str, apply: Callable[[], T]) -> T:
        """Send a request: it may be held before it is applied, and its answer after."""
        ghost = Ghost(name, apply)
        self._underway = ghost
        try:
            self.pause(f"{name}: sent")
            self._check()
            self._underway = None
            result = apply()
            self._underway = Ghost(f"{name} (applied)", lambda: None)
            self.pause(f"{name}: answered")
            self._check()
            return result
        finally:
            self._underway = None

    def _check(self) -> None:
        error, self._raise = self._raise, None
        if error is not None:
            raise error

    def _build(self) -> Loop:
        world = self._world
        index = CachedIndex(_Client(self, world), ROOM)
        step = Pipeline(
            Parts(
                rules=world.setting.rules,
                spaces=world.setting.spaces,
                computed=world.setting.settings.computed,
                pace=SweepPace(1_000_000),
                index=index,
                memory_bytes=ROOM,
                owner="model",
                with_outcomes=True,
                reach=self.pause,
                rounds=world.plan.rounds,
                wait=lambda _seconds: world.met.update(["out of rounds"]),
                counted=world.note_met,
            )
        )
        self.consumer = consumer = PlayedConsumer(
            world.cluster, self.name, self.pause, static=world.plan.static
        )
        transactional_id = self.name if world.plan.static else f"{self.name}.{self.life}"
        committer = Transactions(
            Producers(
                lambda _delivered: PlayedProducer(world.cluster, transactional_id, self.request),  # type: ignore[arg-type,return-value]
                transaction_s=10.0,
            ),
            consumer,  # type: ignore[arg-type]
            {**{role: role for role in OUTPUTS}, "clock": CLOCK[0][0]},
            self.pause,
            NO_TIME,
            lambda call, _seconds, _name: call(),
        )
        pace = Pace(
            interval_s=1e9, records=world.plan.per_transaction, quiet_s=0.0, backoff_s=(0.0, 0.0)
        )
        inputs = sorted({topic for topic, _ in world.cluster.inputs})
        parts = LoopParts(
            consumer=consumer,  # type: ignore[arg-type]
            leave=consumer.close,
            committer=committer,
            interval=Interval(committer, step, Deaf(), self.pause, pace, NO_TIME),
            positions=Positions(consumer, inputs, topic_names, NO_TIME, accept_offsets=False),  # type: ignore[arg-type]
            step=step,
            observer=Deaf(),
            reach=self.pause,
            pace=pace,
            clock=NO_TIME,
            sweeping=self._sweeping(consumer, step) if world.is_timed else None,
        )
        return Loop(parts, inputs, 4, 0.0)

    def _sweeping(self, consumer: PlayedConsumer, step: Pipeline) -> Sweeping:
        """Return the clock of the process: the time is the world's, and it looks now and then."""
        cluster, turns = self._world.cluster, count()
        clock = Clock(
            now=lambda: next(turns) / 3,
            sleep=lambda _seconds: None,
            wall=lambda: cluster.now_ms / 1000,
        )
        asked = PlayedInputs(cluster, INPUTS, self.pause)
        horizon = Horizon(asked, HorizonPace(grace_s=0, max_silence_s=0), clock)
        topic = CLOCK[0][0]
        return Sweeping(SweepParts(consumer, topic, horizon, step.sweeps, Deaf(), clock))  # type: ignore[arg-type]


ROOM = 1_000_000
"""Bytes that one process may remember."""


class _Client:
    """The index as one process sees it: over a network, and with a memory for the highest seq."""

    def __init__(self, processor: Processor, world: "World") -> None:
        self._processor = processor
        self._world = world
        self._seen: dict[Space, int] = {}

    def token(self, identifier: Identifier) -> bytes:
        return self._world.index.token(identifier)

    def claim(self, space: Space, *rest: Any) -> Any:
        return self._ask("claim", space, rest)

    def visit(self, space: Space, *rest: Any) -> Any:
        return self._ask("visit", space, rest)

    def commit(self, space: Space, *rest: Any) -> Any:
        return self._ask("commit", space, rest)

    def openings(self, space: Space, *rest: Any) -> Any:
        self._processor.pause("index openings")
        return self._world.index.openings(space, *rest)

    def _ask(self, name: str, space: Space, rest: tuple[Any, ...]) -> Any:
        # A copy: what a late request says is what was sent, not what its sender has made of it.
        if self._processor.is_cut_off:
            self._processor.is_cut_off = False
            raise IndexUnavailable("played")
        rest = tuple(dict(one) if isinstance(one, dict) else one for one in rest)

        def apply() -> Any:
            if self._world.index.seq(space) < self._seen.get(space, 0):
                raise LostWrites("played: the space is behind what this process saw")
            return getattr(self._world.index, name)(space, *rest)

        reply = self._processor.request(f"index {name}", apply)
        self._seen[space] = reply.seq
        return reply


class SharedIndex(MemoryIndex):
    """The index in memory, which can lose what it acknowledged."""

    def seq(self, space: Space) -> int:
        return self._space(space).seq

    def __init__(self, remembers: int, max_keys: int) -> None:
        super().__init__(max_keys=max_keys)
        self._before: deque[Any] = deque(maxlen=remembers)
        self.bounded_reads = 0
        self.swept: dict[tuple[str, int, int], Sequence[Entry]] = {}
        """What each sweep took, for the reference: who only moved need not be published."""

    def visit(self, space: Space, epochs: Any, asks: Sequence[Ask], *rest: Any) -> Reading:
        reading = super().visit(space, epochs, asks, *rest)
        self.bounded_reads += reading.covered < len(asks)
        return reading

    def commit(self, space: Space, *rest: Any) -> Any:
        if self._before.maxlen:
            self._before.append(copy.deepcopy(self._spaces))
        result = super().commit(space, *rest)
        effects, advances, *_ = rest
        if isinstance(result, Commit) and effects.moves.taken:
            (advance,) = advances
            source = advance.row.topic, advance.row.partition, advance.cursor - 1
            self.swept[source] = effects.moves.taken
        return result

    def lose(self, commits: int) -> bool:
        """Go back to before one of the last commits; False where none is remembered."""
        if not self._before:
            return False
        self._spaces = self._before[-1 - commits % len(self._before)]
        self._before.clear()
        return True

    def restore(
        self,
        records: Sequence[Profile | Tombstone],
        lookups: Mapping[str, IsLookup],
        offsets: Mapping[RowKey, int],
    ) -> None:
        """Do what ``idstream restore`` does, in memory; uses of request ids are kept.

        They are not in the topic, and the reference that runs are held against knows no restore.
        """
        before, self._spaces = self._spaces, {}
        self._before.clear()
        for space, lost in before.items():
            held = self._space(space)
            held.seq, held.used = lost.seq + 1_000_000, lost.used
            held.rows = {
                row: _Row(cursor=offset, topic_id=row.topic) for row, offset in offsets.items()
            }
        self.load(records, lookups)  # type: ignore[arg-type]  # it derives from tombstones as well
        for one in records:
            held = self._space(Space(one.scope, one.environment))
            if isinstance(one, Tombstone) and one.mpid not in held.profiles:
                grave = Grave(one.mpid, one.version, one.time_ms, one.why)
                known = held.graves.get(one.mpid)
                if known is None or known.version < grave.version:
                    held.graves[one.mpid] = grave
        for space in before:
            held = self._space(space)
            held.wheel.move(Moves(entered=[_of_grave(one) for one in held.graves.values()]))

    def holders(self, space: Space) -> dict[Identifier, tuple[int, ...]]:
        return dict(self._space(space).holders)


def _of_grave(grave: Grave) -> Entry:
    due_ms = grave.time_ms + DAY_MS
    return Entry(bucket_of(due_ms, grave.time_ms).name, grave.mpid)


@dataclass
class World:
    """A run under way."""

    plan: Plan
    setting: Any
    inputs: dict[tuple[str, int], list[Record]]
    ghosts: list[Ghost] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    ends: list[BaseException] = field(default_factory=list)
    steps: int = 0
    has_lost: bool = False
    met: Counter[str] = field(default_factory=Counter)
    """How often what is rare was met."""

    def __post_init__(self) -> None:
        self.is_timed = CLOCK[0] in self.inputs
        times = [one.timestamp_ms for of in self.inputs.values() for one in of] or [0]
        self._last_ms = max(times)
        remembers = 8 if "losses" in self.plan.faults else 0
        self.index = SharedIndex(remembers, self.plan.max_keys)
        self.cluster = Cluster(self.inputs, self._note)
        if self.is_timed:
            self.cluster.now_ms = min(times)
        self.processors: list[Processor] = []
        self._lives = 0
        self._current = 0

    def note_met(self, tally: Tally) -> None:
        """Note what a committed transaction has met."""
        self.met["conflict"] += tally.conflicts
        self.met["unread"] += tally.redecisions - tally.conflicts
        self.met["recalled"] += tally.recalled
        self.met["bounded read"] += self.index.bounded_reads
        self.index.bounded_reads = 0

    # ---- the run ----------------------------------------------------------------------------

    def run(self) -> None:
        """Follow the schedule, then heal everything and let the processors finish."""
        self._start(0)
        self._start(1)
        try:
            schedule = self.plan.schedule
            for action, number in zip(schedule[::2], schedule[1::2], strict=False):
                self._act(action, number)
                self._bury()
                if self.broken:
                    return
            self._heal()
        finally:
            for processor in self.processors:
                if processor.ended is None:
                    processor.kill(leaves_ghost=False)

    def _act(self, action: int, number: int) -> None:
        """Do what the next two bytes of the schedule say: mostly a step, at times a fault."""
        if action >= FIRST_FAULT:
            if kinds := self.plan.faults:
                FAULTS[kinds[action % len(kinds)]](self, number)
            return
        if action >= FIRST_SWITCH:
            self._current = number
        if self.is_timed:
            self.cluster.now_ms += self._passing_ms(number)
        self._step(self._pick(self._current), number)

    def _passing_ms(self, number: int) -> int:
        """Return how much time passes at a step; a leap ends with the next record that comes."""
        leap_ms = LEAPS_MS.get(number)
        if leap_ms is None:
            return SECOND_MS * (number % 8)
        now_ms = self.cluster.now_ms
        coming = (one.timestamp_ms for its in self.inputs.values() for one in its)
        return min([leap_ms, *(at_ms - now_ms for at_ms in coming if at_ms > now_ms)])

    def _step(self, processor: Processor | None, number: int) -> None:
        if processor is not None and not processor.is_frozen:
            self.steps += 1
            self._note(f"{processor.name} goes on from {processor.at} ({number % 5})")
            processor.step(number)

    def _heal(self) -> None:
        """Nothing fails any more: late requests arrive, the dead are replaced, all ends well."""
        for ghost in self.ghosts:
            self._note(f"late: {ghost.name}")
            self._arrive(ghost)
        self.ghosts = []
        for processor in self.processors:
            processor.is_frozen = False
        is_last_look, is_to_restore = not self.has_lost, False
        for turn in range(SETTLING_STEPS):
            self._bury()
            if self.broken:
                return
            # Not to the end: who is due is swept anew after each, and might never be done.
            is_early = turn < SETTLING_STEPS // 2
            if self.plan.restores and is_early and turn % RESTORES == RESTORES - 1:
                is_to_restore = not self.has_lost
            if is_to_restore and self._is_quiet():
                self._restore()
                is_to_restore = False
            if self._is_over():
                if is_last_look:
                    return
                # What was lost is noticed at the next assignment at the latest.
                is_last_look = True
                self._replace_all()
            if turn % 200 == 199 and not self.plan.is_calm:
                self._time_out(turn)
            while len(self.processors) < 2:
                self._start(self._free_slot())
            if self.is_timed and turn % LOOKS == 0:
                self._pass_time()
            self._step(self.processors[turn // 3 % len(self.processors)], 4)
        self.broken.append(AssertionError(f"no end: {[p.at for p in self.processors]}"))

    def _is_over(self) -> bool:
        """Whether all is committed and published, or the run has ended in a refusal to go on."""
        if self.has_lost and any(isinstance(end, LostWrites) for end in self.ends):
            return True
        cluster = self.cluster
        done = all(
            cluster.offsets.get(key, (-1, ""))[0] == len(records)
            for key, records in cluster.inputs.items()
        )
        is_open = any(owner.open for owner in cluster.owners.values())
        are_started = set().union(*(p.consumer.started for p in self.processors if p.consumer))
        is_whole = are_started == cluster.inputs.keys()
        return done and not is_open and is_whole and self.index_is_tidy() and self._is_late()

    def _is_quiet(self) -> bool:
        """Whether all that there is by now is committed and published."""
        cluster = self.cluster
        done = all(
            cluster.offsets.get(key, (0, ""))[0] == cluster.end(key) for key in cluster.inputs
        )
        is_open = any(owner.open for owner in cluster.owners.values())
        return done and not is_open and self.index_is_tidy()

    def _restore(self) -> None:
        """End all processors, and make the index anew of what the changelog holds."""
        self._note("the index is restored")
        self.met["restored"] += 1
        for processor in self.processors:
            processor.kill(leaves_ghost=False)
        spaces = {one.space.scope: one.policy for one in self.setting.spaces}
        lookups = {scope: frozenset(its.priority).__contains__ for scope, its in spaces.items()}
        offsets = {RowKey(*key): at for key, (at, _) in self.cluster.offsets.items()}
        self.index.restore(self._changelog(), lookups, offsets)
        self._bury()

    def _changelog(self) -> list[Profile | Tombstone]:
        """Return what a restore reads."""
        seen = [one for one in self.cluster.seen() if one.topic == "profiles"]
        records = [
            Record(one.topic, 0, at, one.time_ms, one.key, one.value, tuple(one.headers))
            for at, one in enumerate(seen)
        ]
        read = ChangelogReader("").read(records)
        return [one for its in read.values() for one in its]

    def _pass_time(self) -> None:
        """Let time pass in leaps that grow, until everything that can be due is due."""
        since_ms = max(0, self.cluster.now_ms - self._last_ms)
        self.cluster.now_ms += max(60_000, since_ms // 2)

    def _is_late(self) -> bool:
        """Whether time has passed to the end, and all that was due by then is done."""
        if not self.is_timed:
            return True
        now_ms = self.cluster.now_ms
        opens = (one.wheel.opening_ms(s) for one in self.index._spaces.values() for s in range(16))
        is_done = all(at is None or at > now_ms for at in opens)
        return is_done and now_ms > self._last_ms + LATEST_MS

    def _replace_all(self) -> None:
        for processor in self.processors:
            self._note(f"{processor.name} is replaced")
            processor.kill(leaves_ghost=False)
        self._bury()

    def index_is_tidy(self) -> bool:
        """Whether no journal waits for its trim and nothing is owed to the changelog."""
        return not any(
            row.chunks or row.owed
            for held in self.index._spaces.values()
            for row in held.rows.values()
        )

    # ---- faults -----------------------------------------------------------------------------

    def _pick(self, number: int) -> Processor | None:
        return self.processors[number % len(self.processors)] if self.processors else None

    def _kill(self, number: int) -> None:
        if processor := self._pick(number >> 1):
            ghost = bool(number & 1)
            self._note(f"{processor.name} dies at {processor.at}{', request away' * ghost}")
            processor.kill(leaves_ghost=ghost)

    def _fail(self, number: int) -> None:
        if processor := self._pick(number >> 1):
            ghost, at = bool(number & 1), processor.at
            if not processor.is_frozen and processor.fail_request(leaves_ghost=ghost):
                self.steps += 1
                self._note(f"{processor.name} gets an error at {at}{', may come late' * ghost}")

    def _freeze(self, number: int) -> None:
        if processor := self._pick(number >> 1):
            processor.is_frozen = not processor.is_frozen
            self._note(f"{processor.name} {'freezes' if processor.is_frozen else 'thaws'}")

    def _put_out(self, number: int) -> None:
        processor = self._pick(number >> 1)
        if processor is None or processor.consumer is None:
            return
        member = processor.consumer.member
        if member is not None and not member.is_out:
            self._note(f"the session of {processor.name} ends at {processor.at}")
            self.cluster.put_out(member)
            self.cluster.rebalance(number)

    def _rebalance(self, number: int) -> None:
        self._note("rebalance")
        self.cluster.rebalance(number)

    def _time_out(self, number: int) -> None:
        """End the transactions that are open; under a kill nobody else would."""
        for name, owner in sorted(self.cluster.owners.items()):
            if owner.open is not None:
                self._note(f"the transaction of {name} times out")
                self.cluster.time_out(name)
                if number >= 0:
                    return

    def _late(self, number: int) -> None:
        if self.ghosts:
            ghost = self.ghosts.pop(number % len(self.ghosts))
            self._note(f"late: {ghost.name}")
            self._arrive(ghost)

    def _arrive(self, ghost: Ghost) -> None:
        try:
            ghost.apply()
        except (Fenced, LostWrites, KafkaException):
            self._note(f"refused: {ghost.name}")

    def _new(self, _number: int) -> None:
        if len(self.processors) < MOST_PROCESSORS:
            self._start(self._free_slot())

    def _lose(self, number: int) -> None:
        """Let the index go back to what it was: acknowledged writes are gone."""
        if not self.index.lose(number >> 2):
            return
        self._note("the index loses writes")
        self.has_lost = True
        self.ghosts = [ghost for ghost in self.ghosts if not ghost.name.startswith("index")]
        for processor in self.processors:
            # A connection that nobody used in between is opened again by the client, unnoticed.
            processor.is_cut_off = bool(number & 2)

    # ---- lives ------------------------------------------------------------------------------

    def _free_slot(self) -> int:
        taken = {processor.name for processor in self.processors}
        return next(slot for slot in range(MOST_PROCESSORS) if f"p{slot}" not in taken)

    def _start(self, slot: int) -> None:
        self._lives += 1
        self._note(f"p{slot} starts")
        self.processors.append(Processor(self, slot, self._lives))

    def _bury(self) -> None:
        """Take note of those that ended; a dead one's session ends too, unless a new one has it."""
        for processor in [p for p in self.processors if p.ended is not None]:
            self.processors.remove(processor)
            if isinstance(processor.ended, BaseException):
                self.ends.append(processor.ended)
                may_end = not self.plan.is_calm and _may_end_with(processor.ended)
                if not may_end and not self.has_lost:
                    self.broken.append(processor.ended)
            self._note(f"{processor.name} ended: {processor.ended!r}")
            consumer = processor.consumer
            if consumer and consumer.member and not consumer.member.is_out:
                if self.plan.static:
                    self._start(int(processor.name[1:]))
                else:
                    self.cluster.put_out(consumer.member)
                    self.cluster.rebalance(self._lives)
            if not self.processors:
                self._start(self._free_slot())

    def _note(self, what: str) -> None:
        self.history.append(what)


def _may_end_with(end: BaseException) -> bool:
    """Whether a processor may end so though nothing was lost: others have what it had."""
    if isinstance(end, KafkaException):
        return end.args[0].code() in {KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID}
    return isinstance(end, Fenced)


FAULTS: dict[str, Callable[[World, int], None]] = {
    "kills": World._kill,
    "errors": World._fail,
    "late requests": World._late,
    "freezes": World._freeze,
    "rebalances": World._rebalance,
    "sessions end": World._put_out,
    "transactions time out": World._time_out,
    "newcomers": World._new,
    "losses": World._lose,
}


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep the processors from telling what the schedule does to them."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)

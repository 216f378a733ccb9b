"""A run under fire: load, faults beside it, and everything checked afterwards."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processor.index.tokens import tokens
from processor.settings import load as load_settings
from tests.faults import oracle, values
from tests.faults.clock import nobody_left_early, visits_before
from tests.faults.load import CLASS
from tests.faults.processors import (
    Processor,
    identifiers_by_token,
    live_holders,
    live_profiles,
)
from tests.faults.stage import (
    RARE,
    RARE_MS,
    SESSION_S,
    TRANSACTION_S,
    End,
    Stage,
    Supervisor,
    Work,
    chance_of,
)
from tests.faults.strikes import AGAINST_ALL, EVERY, NAMED, PROVOKING, SLOW, Struck
from tests.faults.verdict import Left, resolve_again, verdict
from tests.servers.waiting import eventually

VARIETY = 0.3
"""The share of the load that is none of a single workspace's visitors, see ``load``."""
MOST_TRIES = 10
"""How often each strike is tried, if it does not hit."""
GRACE_S = SESSION_S + TRANSACTION_S + 10
"""How long after a fault a processor may end because of it."""
BACK_S = 60.0
"""How long a processor may take to process again, on a machine that does nothing else."""
EVERYBODY = "all"
"""Who takes the faults against what all processors need."""


@dataclass(frozen=True)
class Weather:
    """How large a run is, and what it meets."""

    seed: int
    batches: int
    requests: int
    rate: float
    bad: float
    strikes: Sequence[str]
    """Names of faults, each to be struck once."""
    back_s: float = BACK_S
    """How long a processor may take to process again."""
    drift: float = 0.0
    """How many people come new and go, a record, see ``load``."""


class Blow(NamedTuple):
    """One strike, whether it hit or not."""

    began: float
    ended: float
    name: str
    processor: str
    """Whom it was against, or EVERYBODY."""


@dataclass
class Report:
    """What a run was, met and left."""

    weather: Weather
    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    recovery: dict[str, list[float]] = field(default_factory=dict)
    """For each fault against one processor, the seconds until it processed again."""
    wrong: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    struck: list[Blow] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)
    """Classes of bad input, and how many records of each there were."""
    contention: Counter[str] = field(default_factory=Counter)
    """See ``Supervisor``."""
    not_back: list[str] = field(default_factory=list)
    """Processors that did not come back after a fault."""
    silences: list[tuple[float, float]] = field(default_factory=list)
    """See ``Reader``."""
    flips: Counter[str] = field(default_factory=Counter)
    """Changes of audiences that were told, by what brought them about."""
    records: int = 0
    lost: int = 0
    """Records without an outcome."""
    doubled: int = 0
    """Outcomes and outputs of records that had theirs already."""
    tell: Callable[[str], object] = lambda _line: None
    """Hears what happens while it happens."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.wrong.values())


class Striker(Work):
    """Takes one fault after the other from a list of its own, and strikes."""

    def __init__(
        self,
        stage: Stage,
        supervisor: Supervisor,
        report: Report,
        processor: Processor,
        name: str = "",
    ) -> None:
        super().__init__(self._strike_all)
        self._stage = stage
        self._supervisor = supervisor
        self._report = report
        self._processor = processor
        self._who = name or processor.name
        self._chance = chance_of(report.weather.seed, self._who)
        self.list: deque[str] = deque()

    def _strike_all(self) -> None:
        tries: Counter[str] = Counter()
        allowed = Counter(self.list)
        while self.list:
            name = self.list.popleft()
            tries[name] += 1
            if self._strike(name):
                continue
            if tries[name] < MOST_TRIES * allowed[name]:
                self.list.append(name)
            if name in SLOW:  # it had none of the clock's partitions, and would keep those it has
                self._strike("SIGSTOP past the session")

    def _strike(self, name: str) -> bool:
        struck = Struck(self._processor, self._stage, self._supervisor, self._chance)
        is_mine = name not in AGAINST_ALL
        if is_mine:
            self._supervisor.held.add(self._processor.name)
        began = time.monotonic()
        hit = EVERY[name](struck)
        self._report.struck.append(Blow(began, time.monotonic(), name, self._who))
        (self._report.faults if hit else self._report.missed)[name] += 1
        strikes = self._report.weather.strikes
        left = (Counter(strikes) - self._report.faults).total()
        struck = f"{len(strikes) - left} of {len(strikes)}"
        self._report.tell(f"{self._who}: {name}{f' ({struck})' if hit else ': missed'}")
        if is_mine:
            self._bring_back(name)
        time.sleep(self._chance.uniform(0.1, 1.0))  # peace between faults, so that work goes on
        return hit

    def _bring_back(self, name: str) -> None:
        """Let it live again, and measure how long it takes until it processes."""
        died = time.monotonic()
        if self._processor.is_running:
            self._supervisor.held.discard(self._processor.name)
            return
        self._supervisor.bring_up(self._processor)
        self._supervisor.held.discard(self._processor.name)
        while not self._processor.has_started:
            if time.monotonic() > died + self._report.weather.back_s:
                self._report.not_back.append(f"{self._processor.name} after {name}")
                return
            time.sleep(0.02)
        self._report.recovery.setdefault(name, []).append(time.monotonic() - died)


def storm(
    stage: Stage, weather: Weather, tell: Callable[[str], object] = lambda _line: None
) -> Report:
    """Run *weather* over *stage* and check what it left."""
    report, began = Report(weather, tell=tell), time.monotonic()
    supervisor = Supervisor(stage)
    strikers = [Striker(stage, supervisor, report, p) for p in stage.processors]
    # What all of them need is struck by one thread alone: two such faults at once are a third kind.
    strikers.append(Striker(stage, supervisor, report, stage.processors[0], EVERYBODY))
    for striker, hand in zip(strikers, deal(weather, stage), strict=True):
        striker.list.extend(hand)
    stage.reader.start()
    supervisor.start_all()
    supervisor.start()
    for striker in strikers:
        striker.start()
    part = 0
    while True:
        _produce(stage, weather, part)
        part += 1
        if not any(striker.is_alive() for striker in strikers):
            break
    for striker in strikers:
        striker.finish()
    left = _let_finish(stage, supervisor)
    report.ends = supervisor.ends
    report.seconds = time.monotonic() - began
    published = stage.published()
    report.wrong = {
        **check(stage, published),
        "all is processed, nothing is owed": left,
        "metrics tell no values": told_by_metrics(supervisor),
        "processors end as they may": [
            *supervisor.unexpected[: oracle.MOST],
            *oracle.few(unprovoked(supervisor.by_themselves, report.struck)),
        ],
        "processors come back": oracle.few(report.not_back),
        "every fault struck": never_hit(report),
    }
    report.records = len(published.inputs)
    report.lost, report.doubled = oracle.losses(published), oracle.repetitions(published)
    report.outcomes.update(o["outcome"] for o in published.outcomes().values())
    headers = (dict(record.headers) for record in published.inputs.values())
    report.classes.update(h[CLASS].decode() for h in headers if CLASS in h)
    told = [one.body for one in published.by_role.get("audience_changes", ())]
    report.flips.update(f"{one['change']} by {one['reason']}" for one in told)
    report.contention = supervisor.contention
    report.silences = sorted(stage.reader.silences, reverse=True)
    return report


def deal(weather: Weather, stage: Stage) -> list[list[str]]:
    """Deal the strikes out: a hand for each processor, and one against what all of them need.

    Who takes which fault is so a matter of the seed, not of who is done first.
    """
    strikes = list(weather.strikes)
    chance_of(weather.seed, "order").shuffle(strikes)
    hands: list[list[str]] = [[] for _ in stage.processors]
    for name in strikes:
        if name not in AGAINST_ALL:
            able = [
                hand
                for hand, processor in zip(hands, stage.processors, strict=True)
                if processor.is_static or name not in NAMED
            ]
            min(able, key=len).append(name)
    return [*hands, [name for name in strikes if name in AGAINST_ALL]]


def unprovoked(ends: Iterable[End], blows: Iterable[Blow]) -> list[str]:
    """Return the ends of processors by themselves that no fault can have brought about.

    A fault excuses one end of each processor that it is against, while it lasts and GRACE_S after.
    """
    causes = sorted((b for b in blows if b.name in PROVOKING), key=lambda blow: blow.ended)
    used: set[tuple[Blow, str]] = set()
    wrong = []
    for end in sorted(ends):
        mine = (
            (blow, end.processor)
            for blow in causes
            if blow.processor in (end.processor, EVERYBODY)
            and blow.began <= end.at <= blow.ended + GRACE_S
        )
        excuse = next((one for one in mine if one not in used), None)
        if excuse is None:
            wrong.append(f"nothing had provoked it: {end.processor}: {end.line[:300]}")
        else:
            used.add(excuse)
    return wrong


def _produce(stage: Stage, weather: Weather, part: int) -> None:
    """Produce the whole load; while faults last, a tenth of it again, of the first of its people.

    So what was sent before is met again, by what faults have left of it.
    """
    share = 1 if part == 0 else 10
    counts = max(20, weather.batches // share), max(4, weather.requests // share)
    stage.produce(
        weather.seed * 1000 + part,
        counts,
        weather.rate,
        bad=weather.bad,
        variety=VARIETY,
        drift=weather.drift,
    )


def _let_finish(stage: Stage, supervisor: Supervisor) -> list[str]:
    """Wait for the last outcome, let what is owed go out, and let the processors leave."""
    wrong = []
    try:
        stage.wait_for_all()
    except AssertionError:
        wrong = [f"{stage.sent - len(stage.reader.done)} records without an outcome in time"]
    for holds, why in (
        (stage.clock_is_up, "the clock does not go on: people are due still"),
        (lambda: owes_nothing(stage), "journals are left, or debts to the changelog"),
    ):
        try:
            eventually(holds, within=60, every=0.2)
        except AssertionError:
            wrong.append(why)
    supervisor.stop()
    for processor in stage.processors:
        processor.terminate()
    for processor in stage.processors:
        if processor.is_running:
            processor.wait()
        supervisor.note_end(processor)
    return wrong


def never_hit(report: Report) -> list[str]:
    """Return the strikes that were asked for and missed to the end."""
    missing = Counter(report.weather.strikes) - report.faults
    return [f"{name}: {count} strikes never hit" for name, count in sorted(missing.items())]


def told_by_metrics(supervisor: Supervisor) -> list[str]:
    """Return what the metrics told that they must not, if they were read at all."""
    if not supervisor.readings:
        return ["the metrics were never read"]
    return supervisor.has_told_values[: oracle.MOST]


def owes_nothing(stage: Stage) -> bool:
    """Whether no journal waits to be trimmed, and nothing is owed to the changelog."""
    client = stage.servers.redis.client
    found = list(client.scan_iter(f"{stage.group}:1:[{{]*", count=1000))
    # Behind the space are the generation and the kind: j of a row's journal, o of what it owes.
    kinds = {kind for key in found for kind in key.partition(b"}:")[2].split(b":")[1:2]}
    assert b"p" in kinds, "no profile found, so nothing was looked at"
    return not kinds & {b"j", b"o"}


def check(stage: Stage, published: oracle.Published) -> dict[str, list[str]]:
    """Apply every check to what the reader saw, the topics hold and the store holds."""
    again = oracle.Published(published.inputs, stage.read_again())
    settings = load_settings(stage.config, {})
    client = stage.servers.redis.client
    live, holders = {}, {}
    for space in settings.spaces():
        mine = live_profiles(client, stage.group, space)
        by_token = identifiers_by_token(mine, tokens(settings.key()))
        entries = live_holders(client, stage.group, space).items()
        holders[space] = {by_token.get(t, t.hex()): mpids for t, mpids in entries}
        live.update(mine)
    resolved = resolve_again(settings, published)
    logs = "\n".join(processor.log() for processor in stage.processors)
    return {
        **verdict(settings, published, again, Left(live, holders), resolved),
        "logs tell no values": oracle.nothing_is_told(logs, "a log"),
        "topics tell no values": values.told_by_topics(again),
        "servers tell no values": values.told_by_servers(stage),
        "early": nobody_left_early(published, RARE_MS, visits_before(RARE)),
    }

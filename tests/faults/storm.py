"""A run under fire: load, faults beside it, and everything checked afterwards."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from processor.index.tokens import tokens
from processor.settings import load as load_settings
from tests.faults import oracle
from tests.faults.processors import (
    Processor,
    identifiers_by_token,
    live_holders,
    live_profiles,
)
from tests.faults.stage import (
    Stage,
    Supervisor,
    chance_of,
)
from tests.faults.strikes import AGAINST_ALL, EVERY, Struck
from tests.faults.verdict import Left, resolve_again, verdict
from tests.servers.waiting import eventually

VARIETY = 0.3
"""The share of the load that is none of a single workspace's visitors, see ``load``."""
MOST_TRIES = 5
"""How often a fault is tried that does not hit."""


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
    struck: list[tuple[float, float, str]] = field(default_factory=list)
    """Each strike with its beginning and its end."""
    silences: list[tuple[float, float]] = field(default_factory=list)
    """See ``Reader``."""
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


class Striker(threading.Thread):
    """Takes one fault after the other from a common list, and strikes."""

    def __init__(
        self, stage: Stage, supervisor: Supervisor, report: Report, processor: Processor
    ) -> None:
        super().__init__(daemon=True)
        self._stage = stage
        self._supervisor = supervisor
        self._report = report
        self._processor = processor
        self._chance = chance_of(report.weather.seed, processor.name)
        self.list: deque[str] = deque()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while (name := self._next()) is not None:
                self._strike(name)
        except BaseException as failure:  # noqa: BLE001 - told by the main thread
            self.failure = failure

    def _next(self) -> str | None:
        try:
            return self.list.popleft()
        except IndexError:
            return None

    def _strike(self, name: str) -> None:
        struck = Struck(self._processor, self._stage, self._supervisor, self._chance)
        is_mine = name not in AGAINST_ALL
        if is_mine:
            self._supervisor.held.add(self._processor.name)
        began = time.monotonic()
        hit = EVERY[name](struck)
        self._report.struck.append((began, time.monotonic(), f"{name} ({self._processor.name})"))
        (self._report.faults if hit else self._report.missed)[name] += 1
        self._report.tell(f"{self._processor.name}: {name}{'' if hit else ': missed'}")
        if not hit and self._report.missed[name] <= MOST_TRIES * 10:
            self.list.append(name)
        if is_mine:
            self._bring_back(name)
        time.sleep(self._chance.uniform(0.1, 1.0))  # peace between faults, so that work goes on

    def _bring_back(self, name: str) -> None:
        """Let it live again, and measure how long it takes until it processes."""
        died = time.monotonic()
        if self._processor.is_running:
            self._supervisor.held.discard(self._processor.name)
            return
        self._supervisor.bring_up(self._processor)
        self._supervisor.held.discard(self._processor.name)
        deadline = died + 30
        while time.monotonic() < deadline and not self._processor.has_started:
            time.sleep(0.02)
        self._report.recovery.setdefault(name, []).append(time.monotonic() - died)


def storm(
    stage: Stage, weather: Weather, tell: Callable[[str], object] = lambda _line: None
) -> Report:
    """Run *weather* over *stage* and check what it left."""
    report, began = Report(weather, tell=tell), time.monotonic()
    supervisor = Supervisor(stage)
    strikes = list(weather.strikes)
    chance_of(weather.seed, "order").shuffle(strikes)
    strikers = [Striker(stage, supervisor, report, p) for p in stage.processors]
    one = deque(name for name in strikes if name not in AGAINST_ALL)
    # What all of them need is struck by one thread alone: two such faults at once are a third kind.
    heaven = Striker(stage, supervisor, report, stage.processors[0])
    heaven.list = deque(name for name in strikes if name in AGAINST_ALL)
    for striker in strikers:
        striker.list = one
    stage.reader.start()
    supervisor.start_all()
    supervisor.start()
    for striker in (*strikers, heaven):
        striker.start()
    part = 0
    while True:
        _produce(stage, weather, part)
        part += 1
        if not any(striker.is_alive() for striker in (*strikers, heaven)):
            break
    for striker in (*strikers, heaven):
        if striker.failure is not None:
            raise striker.failure
    left = _let_finish(stage, supervisor)
    report.ends = supervisor.ends
    report.seconds = time.monotonic() - began
    published = stage.published()
    report.wrong = {
        **check(stage, published),
        "all is processed, nothing is owed": left,
        "metrics tell no values": told_by_metrics(supervisor),
        "processors end as they may": supervisor.unexpected[:5],
    }
    report.wrong["every fault struck"] = never_hit(report)
    report.records = len(published.inputs)
    report.lost, report.doubled = oracle.losses(published), oracle.repetitions(published)
    report.outcomes.update(o["outcome"] for o in published.outcomes().values())
    report.silences = sorted(stage.reader.silences, reverse=True)
    return report


def _produce(stage: Stage, weather: Weather, part: int) -> None:
    """Produce the whole load; while faults last, a tenth of it again, of other people."""
    share = 1 if part == 0 else 10
    counts = max(20, weather.batches // share), max(4, weather.requests // share)
    stage.produce(
        weather.seed * 1000 + part, counts, weather.rate, bad=weather.bad, variety=VARIETY
    )


def _let_finish(stage: Stage, supervisor: Supervisor) -> list[str]:
    """Wait for the last outcome, let what is owed go out, and let the processors leave."""
    wrong = []
    try:
        stage.wait_for_all()
    except AssertionError:
        wrong = [f"{stage.sent - len(stage.reader.done)} records without an outcome in time"]
    try:
        eventually(lambda: owes_nothing(stage), within=30, every=0.2)
    except AssertionError:
        wrong.append("journals are left, or debts to the changelog")
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
    pattern = f"{stage.group}:1:[{{]*"
    kinds = {
        key.partition(b"}:")[2].split(b":")[1:2] == [kind]
        for key in stage.servers.redis.client.scan_iter(pattern, count=1000)
        for kind in (b"j", b"o")
    }
    return True not in kinds


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
    }

"""A run of one pipeline in memory, recorded as a reader would have seen it: no server is needed."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from processor.clock.place import SHARDS
from processor.index.memory import MemoryIndex
from processor.index.port import Mark
from processor.records import Output, Record, RowKey
from processor.settings import Settings
from processor.settings import load as load_settings
from tests.faults.load import load
from tests.faults.oracle import Published, Seen, Source
from tests.faults.stage import (
    CONFIGURATION,
    DEFINITIONS,
    DRIFT,
    INPUTS,
    LIFETIMES,
    OUTPUTS,
    RARE,
    times_of,
)
from tests.faults.verdict import Left, resolver

PARTITIONS = 4
POLL = 50
NOON_MS = 1_700_000_000_000
DEATHS = 3
"""Every how many sweeps a process dies, where any does."""
STEP_MS = 300
"""Time between two records: a poll batch is a fourth of a minute."""


def recorded(
    folder: Path, *, has_deaths: bool = False, is_ageing: bool = False
) -> tuple[Settings, Published, Left]:
    """Return a run: its settings, what it published, and what it left.

    Where it *is_ageing*, people come and go, and are forgotten.

    Where it *has_deaths*, processes die with sweeps in hand: each is then taken alone by the next
    one, does what is due of one person, and leaves the rest to a sweep behind the next poll batch.
    """
    settings = settings_in(folder, is_ageing=is_ageing)
    run = _Run(settings, _inputs(is_ageing=is_ageing), has_deaths=has_deaths)
    records = list(run.inputs.values())
    for begin in range(0, len(records), POLL):
        taken = records[begin : begin + POLL]
        run.process(taken)
        run.sweep(taken[-1].timestamp_ms)
    while run.sweep(records[-1].timestamp_ms):
        pass
    run.note(run.pipeline.idle())
    profiles = run.index.profiles()
    live = {f"{p.scope}/{p.environment}/{p.mpid}": p for p in profiles}
    holders = {space: held.holders for space, held in run.index._spaces.items()}
    return settings, Published(run.inputs, dict(run.by_role)), Left(live, holders)


def decided(settings: Settings, records: Sequence[Record], until_ms: int) -> Published:
    """Return what comes of *records*, decided in their order, and of time that passes then."""
    run = _Run(settings, {record[:3]: record for record in records}, has_deaths=False)
    for record in records:
        run.process([record])
    for time_ms in range(records[-1].timestamp_ms, until_ms, STEP_MS):
        run.sweep(time_ms)
    return Published(run.inputs, dict(run.by_role))


class _Run:
    """One processor after the other, over an index in memory."""

    def __init__(
        self, settings: Settings, inputs: dict[Source, Record], *, has_deaths: bool
    ) -> None:
        self.inputs = inputs
        self.index = MemoryIndex(settings.key())
        self.pipeline = resolver(settings, self.index, Published(inputs, {}))
        self.by_role: dict[str, list[Seen]] = defaultdict(list)
        self.waiting: list[Output] = []
        """Sweeps that were issued, and wait for the poll batch in which they are carried out."""
        self._settings = settings
        self._has_deaths = has_deaths
        self._positions: dict[tuple[str, int], int] = {}

    def process(self, taken: list[Record]) -> None:
        outputs = self.pipeline.process(taken)
        self.pipeline.committed()
        self._positions |= {(one.topic, one.partition): one.offset + 1 for one in taken}
        self.note([one for one in outputs if one.role != "clock"])
        self.waiting += [one for one in outputs if one.role == "clock"]

    def note(self, outputs: list[Output]) -> None:
        for one in outputs:
            seen = Seen(one.role, one.key, one.value or b"", dict(one.headers))
            self.by_role[one.role].append(seen)

    def sweep(self, time_ms: int) -> bool:
        """Carry out what is under way, and what is due; return whether there was anything."""
        sweeps = self.pipeline.sweeps
        if sweeps.look(dict.fromkeys(range(SHARDS), 0), time_ms).is_open:
            self.waiting += sweeps.issue(time_ms)
        issued, self.waiting = self.waiting, []
        for one in issued:
            offset = sum(source[0] == "clock" for source in self.inputs)
            place = "clock", 0, offset
            self.inputs[place] = Record(*place, time_ms, None, one.value)
            if self._has_deaths and offset % DEATHS == 0:
                self._die(offset)
            self.process([self.inputs[place]])
        return bool(issued)

    def _die(self, offset: int) -> None:
        """Let another process take over while a sweep is in hand."""
        before = self.pipeline
        before._first.mark([Mark(RowKey("clock", 0), taken=offset + 1)])
        offsets = {key: (at, before.metadata(*key)) for key, at in self._positions.items()}
        published = Published(self.inputs, {})
        self.pipeline = resolver(self._settings, self.index, published, offsets)


def settings_in(folder: Path, *, is_ageing: bool = False) -> Settings:
    """Return the settings of such runs."""
    config = folder / "idstream.toml"
    topics = ", ".join(f'{role} = "{role}"' for role in (*INPUTS, *OUTPUTS))
    times = {"session": 6000, "transaction": 10000, "rare": RARE, **times_of(is_ageing=is_ageing)}
    text = CONFIGURATION + DEFINITIONS + (LIFETIMES if is_ageing else "")
    config.write_text(text.format(broker=1, group="g", redis=1, topics=topics, **times))
    return load_settings(config, {})


def _inputs(*, is_ageing: bool) -> dict[Source, Record]:
    drift = DRIFT if is_ageing else 0.0
    inputs: dict[Source, Record] = {}
    offsets: dict[tuple[str, int], int] = defaultdict(int)
    for number, sent in enumerate(load(3, 1200, 400, bad=0.05, variety=0.3, drift=drift)):
        topic = "batches" if sent.topic == "event-batches" else "requests"
        partition = sum(sent.key or b"") % PARTITIONS
        offset = offsets[topic, partition]
        offsets[topic, partition] += 1
        time_ms = NOON_MS + number * STEP_MS
        inputs[topic, partition, offset] = Record(
            topic, partition, offset, time_ms, sent.key, sent.value, sent.headers
        )
    return inputs

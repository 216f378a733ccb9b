"""A run of one pipeline in memory, recorded as a reader would have seen it: no server is needed."""

from collections import defaultdict
from pathlib import Path

from processor.clock.place import SHARDS
from processor.index.memory import MemoryIndex
from processor.records import Output, Record
from processor.settings import Settings
from processor.settings import load as load_settings
from tests.faults.load import load
from tests.faults.oracle import Published, Seen, Source
from tests.faults.stage import CONFIGURATION, DEFINITIONS, INPUTS, OUTPUTS, RARE
from tests.faults.verdict import Left, resolver

PARTITIONS = 4
POLL = 50
NOON_MS = 1_700_000_000_000
OUTLET = """
[workspaces.outlet.events]
visit = { type = "session_start" }
[workspaces.outlet.calculated]
visits = { type = "count", event = "visit" }
visits_10m = { type = "count", event = "visit", within = "10m" }
[workspaces.outlet.audiences]
recent = { all = [{ event = "visit", within = "1m" }], identities = ["email"] }
regular = { all = [{ event = "visit", within = "2m", at_least = 3 }] }
"""
"""Definitions of the workspace whose people merge."""
STEP_MS = 300
"""Time between two records: a poll batch is a fourth of a minute."""


def recorded(folder: Path) -> tuple[Settings, Published, Left]:
    """Return a run: its settings, what it published, and what it left."""
    settings = _settings(folder)
    inputs = _inputs()
    index = MemoryIndex(settings.key())
    pipeline = resolver(settings, index, Published(inputs, {}))
    records, by_role = list(inputs.values()), defaultdict(list)

    def note(outputs: list[Output]) -> None:
        for one in outputs:
            seen = Seen(one.role, one.key, one.value or b"", dict(one.headers))
            by_role[one.role].append(seen)

    def process(taken: list[Record]) -> None:
        outputs = pipeline.process(taken)
        pipeline.committed()
        note([one for one in outputs if one.role != "clock"])
        sweep([one for one in outputs if one.role == "clock"], taken[-1].timestamp_ms)

    def sweep(issued: list[Output], time_ms: int) -> None:
        for one in issued:
            offset = sum(source[0] == "clock" for source in inputs)
            place = "clock", 0, offset
            inputs[place] = Record(*place, time_ms, None, one.value)
            process([inputs[place]])

    for begin in range(0, len(records), POLL):
        taken = records[begin : begin + POLL]
        process(taken)
        time_ms = taken[-1].timestamp_ms
        if pipeline.sweeps.look(dict.fromkeys(range(SHARDS), 0), time_ms).is_open:
            sweep(pipeline.sweeps.issue(time_ms), time_ms)
    note(pipeline.idle())
    live = {f"{p.scope}/{p.environment}/{p.mpid}": p for p in index.profiles()}
    holders = {space: held.holders for space, held in index._spaces.items()}
    return settings, Published(inputs, dict(by_role)), Left(live, holders)


def _settings(folder: Path) -> Settings:
    config = folder / "idstream.toml"
    topics = ", ".join(f'{role} = "{role}"' for role in (*INPUTS, *OUTPUTS))
    times = {"session": 6000, "transaction": 10000, "rare": RARE}
    text = (CONFIGURATION + DEFINITIONS).format(
        broker=1, group="g", redis=1, topics=topics, **times
    )
    config.write_text(text + OUTLET)
    return load_settings(config, {})


def _inputs() -> dict[Source, Record]:
    inputs: dict[Source, Record] = {}
    offsets: dict[tuple[str, int], int] = defaultdict(int)
    for number, sent in enumerate(load(3, 1200, 400, bad=0.05, variety=0.3)):
        topic = "batches" if sent.topic == "event-batches" else "requests"
        partition = sum(sent.key or b"") % PARTITIONS
        offset = offsets[topic, partition]
        offsets[topic, partition] += 1
        time_ms = NOON_MS + number * STEP_MS
        inputs[topic, partition, offset] = Record(
            topic, partition, offset, time_ms, sent.key, sent.value, sent.headers
        )
    return inputs

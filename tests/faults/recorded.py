"""A run of one pipeline in memory, recorded as a reader would have seen it: no server is needed."""

from collections import defaultdict
from pathlib import Path

from processor.index.memory import MemoryIndex
from processor.records import Output, Record
from processor.settings import Settings
from processor.settings import load as load_settings
from tests.faults.load import load
from tests.faults.oracle import Published, Seen, Source
from tests.faults.stage import CONFIGURATION, INPUTS, OUTPUTS
from tests.faults.verdict import Left, resolver

PARTITIONS = 4
POLL = 50
NOON_MS = 1_700_000_000_000


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

    for begin in range(0, len(records), POLL):
        note(pipeline.process(records[begin : begin + POLL]))
        pipeline.committed()
    note(pipeline.idle())
    live = {f"{p.scope}/{p.environment}/{p.mpid}": p for p in index.profiles()}
    holders = {space: held.holders for space, held in index._spaces.items()}
    return settings, Published(inputs, dict(by_role)), Left(live, holders)


def _settings(folder: Path) -> Settings:
    config = folder / "idstream.toml"
    topics = ", ".join(f'{role} = "{role}"' for role in (*INPUTS, *OUTPUTS))
    times = {"session": 6000, "transaction": 10000}
    config.write_text(CONFIGURATION.format(broker=1, group="g", redis=1, topics=topics, **times))
    return load_settings(config, {})


def _inputs() -> dict[Source, Record]:
    inputs: dict[Source, Record] = {}
    offsets: dict[tuple[str, int], int] = defaultdict(int)
    for number, sent in enumerate(load(3, 1200, 400, bad=0.05, variety=0.3)):
        topic = "batches" if sent.topic == "event-batches" else "requests"
        partition = sum(sent.key or b"") % PARTITIONS
        offset = offsets[topic, partition]
        offsets[topic, partition] += 1
        time_ms = NOON_MS + number
        inputs[topic, partition, offset] = Record(
            topic, partition, offset, time_ms, sent.key, sent.value, sent.headers
        )
    return inputs

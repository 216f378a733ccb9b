"""``idstream resolve``: records on standard input, outcomes on standard output, and no server.

The pipeline is the one that ``run`` has; the index is in memory and the "topics" are called
``batches`` and ``requests``. Each line is answered before the next is read.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from msgspec import Raw

from processor.commands.offline.computed import CLOCK, Shows, Sweeper, raw_values, versions
from processor.commands.offline.lines import records
from processor.commands.offline.snapshot import read_snapshot, write_snapshot
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.work import Settled
from processor.records import Output
from processor.settings import Settings

TOPICS: Final = ("batches", "requests")


_encoder = msgspec.json.Encoder()


def resolve(
    settings: Settings,
    source: Iterable[bytes],
    sink: BinaryIO,
    *,
    profiles: Path | None = None,
    dump: Path | None = None,
) -> None:
    """Write the answer to every line of *source* to *sink*.

    The index starts with the profiles of the snapshot *profiles*; at the end they are written to
    *dump*.
    """
    index = load_index(settings, profiles)
    pipeline = offline_pipeline(settings, index)
    shows, sweeper = Shows(settings, index), Sweeper(settings, index)
    for record in records(source):
        if record.topic == CLOCK:
            line = sweeper.sweep(record)
        else:
            (settled,) = pipeline.settle([record])
            pipeline.committed()
            line = answer(settled) | shows.of(settled)
        sink.write(_encoder.encode(line) + b"\n")
        sink.flush()
    if dump is not None:
        write_snapshot(dump, index.profiles())


def load_index(settings: Settings, profiles: Path | None) -> MemoryIndex:
    """Return an index in memory with the snapshot *profiles*, if there is one."""
    index = MemoryIndex(settings.key())
    policies = {w.scope: w.policy for w in settings.workspaces.values()}
    if profiles is not None:
        snapshot = read_snapshot(profiles, policies)
        lookups = {scope: policy.priority.__contains__ for scope, policy in policies.items()}
        # Profiles of scopes that are not configured are kept, under no lookup.
        others = {p.scope: ().__contains__ for p in snapshot}
        index.load(snapshot, {**others, **lookups})
    return index


def offline_pipeline(settings: Settings, index: MemoryIndex) -> Pipeline:
    """Return the pipeline that ``run`` has, over *index*, with the topics of ``resolve``."""
    spaces = settings.space_rules()
    parts = Parts(
        rules=settings.rules(),
        spaces=spaces,
        index=index,
        owner="resolve",
        key=settings.key(),
        computed=settings.computed,
    )
    pipeline = Pipeline(parts)
    pipeline.assign([Assignment(topic, 0, topic, None, "") for topic in TOPICS], [])
    return pipeline


def answer(settled: Settled) -> dict[str, Any]:
    """Return the output line of a record: what its topic would have received, and why."""
    output, outcome = settled.output, settled.outcome
    return {
        "outcome": outcome.name,
        "reason": outcome.reason,
        "key": None if output is None else _text(output.key),
        "headers": {} if output is None else _headers(output),
        "value": None if output is None else _value(output.value),
        "mpid": None if outcome.mpid is None else str(outcome.mpid),
        "resolution": None if settled.resolution is None else Raw(settled.resolution),
        "changes": raw_values(settled.changes),
        "written": versions(settled.profiles),
    }


def _value(value: bytes | None) -> Raw | str | None:
    """Return an output's value: of a dead letter that is no JSON, the text."""
    if value is None:
        return None
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _text(value)
    return Raw(value)


def _headers(output: Output) -> Mapping[str, str]:
    return {name: _text(value) or "" for name, value in output.headers}


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")

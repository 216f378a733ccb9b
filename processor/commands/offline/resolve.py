"""``idstream resolve``: records on standard input, outcomes on standard output, and no server.

The pipeline is the one that ``run`` has; the index is in memory and the "topics" are called
``batches`` and ``requests``. Each line is answered before the next is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from msgspec import Raw, Struct

from processor.commands.offline.cases import Cases, read_cases, told
from processor.commands.offline.computed import (
    CLOCK,
    Shows,
    Sweeper,
    raw_values,
    space_of,
    versions,
)
from processor.commands.offline.lines import records
from processor.commands.offline.snapshot import read_snapshot, write_snapshot
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.work import Settled
from processor.privacy.case import Case
from processor.privacy.restoring import erased_by
from processor.records import Output, Record
from processor.settings import Settings


class CaseFiles(Struct, frozen=True):
    """Where the cases are that a run begins with, and where it leaves those that it ends with."""

    read: Path | None = None
    write: Path | None = None


NO_CASES: Final = CaseFiles()
_TOLD: Final = ("changes", "written", "audience_changes")
TOPICS: Final = ("batches", "requests", "privacy")


_encoder = msgspec.json.Encoder()


def resolve(
    settings: Settings,
    source: Iterable[bytes],
    sink: BinaryIO,
    *,
    profiles: Path | None = None,
    dump: Path | None = None,
    cases: CaseFiles = NO_CASES,
) -> None:
    """Write the answer to every line of *source* to *sink*.

    The index starts with the profiles of the snapshot *profiles*, and with cases; at the end they
    are written to *dump*, and to another file of cases.
    """
    held = [] if cases.read is None else read_cases(cases.read)
    index = load_index(settings, profiles, held)
    filed = Cases(settings, index)
    pipeline = offline_pipeline(settings, index)
    shows, sweeper = Shows(settings, index), Sweeper(settings, index)
    for record in records(source):
        if record.topic == CLOCK:
            line = _swept(record, sweeper, filed)
        else:
            (settled,) = pipeline.settle([record])
            pipeline.committed()
            line = answer(settled) | shows.of(settled)
        sink.write(_encoder.encode(line) + b"\n")
        sink.flush()
    if dump is not None:
        write_snapshot(dump, index.profiles())
    if cases.write is not None:
        filed.dump(cases.write)


def _swept(record: Record, sweeper: Sweeper, cases: Cases) -> dict[str, Any]:
    """Return the line of a sweep: persons and cases, in the order in which they are due."""
    due = [] if record.value is not None else cases.due(record.timestamp_ms)  # it names persons
    receipts, parts = [], []
    for case in due:
        parts.append(sweeper.sweep(record._replace(timestamp_ms=case.due_ms or 0)))
        parts.append(told([cases.step(case, record)]))
        receipts += parts[-1]["receipts"]
    parts.append(sweeper.sweep(record))
    whole = {name: [one for part in parts for one in part[name]] for name in _TOLD}
    return parts[-1] | whole | {"receipts": receipts}


def load_index(
    settings: Settings, profiles: Path | None, cases: Sequence[Case] = ()
) -> MemoryIndex:
    """Return an index in memory with the snapshot *profiles*, if there is one, and with *cases*.

    A document of somebody whom a case has erased counts for nothing.
    """
    index = MemoryIndex(settings.key())
    policies = {w.scope: w.policy for w in settings.workspaces.values()}
    if profiles is not None:
        erased = erased_by(cases)
        snapshot = [
            one
            for one in read_snapshot(profiles, policies)
            if (space_of(one), one.mpid) not in erased
        ]
        lookups = {scope: policy.priority.__contains__ for scope, policy in policies.items()}
        # Profiles of scopes that are not configured are kept, under no lookup.
        others = {p.scope: ().__contains__ for p in snapshot}
        index.load(snapshot, {**others, **lookups})
    Cases(settings, index).load(cases)
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

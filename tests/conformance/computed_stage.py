"""Plays acts of the cases over an index, as ``run`` would: sweeps do what the clock does.

A line of the clock lets time pass up to its instant. A sweep takes who stands in an open bucket,
and a minute opens at its end; so a line of a whole hour, at which cases are due, becomes sweeps as
of a minute later, and any other, such as a moment before, sweeps as of where its minute began. No
case is due within such a minute, and everything due is told at its own instant anyway.
"""

import json
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from processor.clock.bucket import HOUR_MS, MINUTE_MS
from processor.clock.place import SHARDS
from processor.codecs.sweep import named_sweep, shard_sweep
from processor.commands.offline.computed import Shows, raw_values
from processor.commands.offline.resolve import answer
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.port import Ask, Assignment, Index
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.work import Settled
from processor.profiles.document import from_json, to_json
from processor.records import Output, Record
from processor.settings import Settings, load_text
from tests.conformance.computed_player import WORKSPACE, Objects

CLOCK = "idstream-clock"
TOPICS = ("batches", "requests", CLOCK)
SPACE = Space(WORKSPACE, "production")
KAFKA = """
[kafka.topics]
batches = ["batches"]
requests = ["requests"]
"""
TIMED = """
[workspaces.timed]
strategy = "profile_conversion"
priority = ["customerid"]
[workspaces.timed.events]
order = { type = "custom_event" }
[workspaces.timed.audiences]
fresh = { all = [{ event = "order", within = "1h" }] }
[inputs.timed]
workspace = "timed"
"""
"""Nobody is there, but something can be due, so that there is a topic of sweeps in every case."""


def swept_ms(time_ms: int) -> int:
    """Return as of when sweeps have to be so that everything due by *time_ms* is done."""
    began = time_ms - time_ms % MINUTE_MS
    return began + MINUTE_MS if time_ms % HOUR_MS == 0 else began


def sweeps(
    line: dict[str, Any], space: Space, mpids: list[int], stamp: bytes | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield the records of a line of the clock, each with its time: a round of the shards of all.

    Or, where it asks for everybody, one sweep that names them, as ``idstream recompute`` has it
    that knows the definitions of *stamp*.
    """
    if "value" in line:
        yield line["timestamp_ms"], named_sweep(space, line["timestamp_ms"], mpids, stamp)
        return
    as_of_ms = swept_ms(line["timestamp_ms"])
    for shard in sorted({mpid % SHARDS for mpid in mpids}):
        yield as_of_ms, shard_sweep(space, as_of_ms, shard)


def clock_answer(told: Objects, changed: int, changes: Objects) -> dict[str, Any]:
    """Return the line that answers one of the clock, as ``resolve`` does."""
    return {
        "outcome": "swept",
        "mpid": None,
        "audience_changes": sorted(told, key=itemgetter("timestamp_ms")),
        "changes": changes,
        "written": [{"mpid": None}] * changed,
    }


def is_a_change(before: Profile | None, after: Profile) -> bool:
    """Whether a document was changed, and not only its place in the wheel."""
    if before is None:
        return True
    more = replace(after.more, due_ms=before.more.due_ms, bucket=before.more.bucket)
    return replace(after, version=before.version, more=more) != before


def take_up(seen: dict[int, Profile], written: Sequence[Output]) -> int:
    """Note what records of ``profiles`` say; return how many documents were really changed."""
    before = dict(seen)
    for output in written:
        mpid = int(dict(output.headers)["mpid"])
        if output.value is None:
            del seen[mpid]
        else:
            seen[mpid] = from_json(output.value)
    return sum(m not in seen or is_a_change(before.get(m), seen[m]) for m in before | seen)


class Stage:
    """A pipeline over *index* for each act; the index stays."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._offsets: dict[str, tuple[int | None, str]] = dict.fromkeys(TOPICS, (None, ""))
        self._seen: dict[int, Profile] = {}
        self._changed = 0
        self._stamp: bytes | None = None

    def act(
        self, written: str, documents: Objects, lines: Objects, folder: Path
    ) -> tuple[Objects, Objects]:
        """Answer *lines* by a process of its own; return them and the documents that are left."""
        settings = load_text(KAFKA + written + TIMED, {})
        pipeline = self._started(settings)
        scope = settings.computed.get(SPACE.scope)
        self._stamp = b"" if scope is None else scope.stamp
        shows = Shows(settings, self)  # type: ignore[arg-type]
        answers = []
        for line in lines:
            if line["topic"] == "clock":
                answers.append(self._swept(pipeline, line))
            else:
                settled = self._settled(pipeline, line["topic"], _record(line))
                answers.append(answer(settled) | shows.of(settled))
        self._offsets = {t: (at, pipeline.metadata(t, 0)) for t, (at, _) in self._offsets.items()}
        assert all(self.document(WORKSPACE, mpid) == one for mpid, one in self._seen.items())
        heard = json.dumps(answers, default=lambda raw: json.loads(bytes(raw)))
        return json.loads(heard), [json.loads(to_json(one)) for one in self._seen.values()]

    def document(self, _scope: str, mpid: int) -> Profile | None:
        """Return the document that the index has of *mpid*."""
        return self._index.visit(SPACE, {}, [Ask(mpids=(mpid,))]).found.profiles[mpid]

    def _started(self, settings: Settings) -> Pipeline:
        parts = Parts(
            rules=settings.rules(),
            spaces=settings.space_rules(),
            index=self._index,
            owner="conformance",
            key=settings.key(),
            computed=settings.computed,
            with_outcomes=True,
        )
        pipeline = Pipeline(parts)
        pipeline.assign([Assignment(t, 0, t, *self._offsets[t]) for t in TOPICS], [])
        return pipeline

    def _settled(self, pipeline: Pipeline, topic: str, record: Record) -> Settled:
        """Process a record in a transaction of its own."""
        offset = self._offsets[topic][0] or 0
        (settled,) = pipeline.settle([record._replace(topic=topic, offset=offset)])
        pipeline.committed()
        self._offsets[topic] = offset + 1, ""
        self._changed = take_up(self._seen, settled.profiles)
        return settled

    def _swept(self, pipeline: Pipeline, line: dict[str, Any]) -> dict[str, Any]:
        told, changes, changed = [], [], 0
        for time_ms, value in sweeps(line, SPACE, self._in_order(), self._stamp):
            settled = self._settled(pipeline, CLOCK, Record(CLOCK, 0, 0, time_ms, None, value))
            assert settled.outcome.name == "swept"
            changed += self._changed
            told += [json.loads(bytes(one)) for one in raw_values(settled.audience_changes)]
            changes += [json.loads(bytes(one)) for one in raw_values(settled.changes)]
        return clock_answer(told, changed, changes)

    def _in_order(self) -> list[int]:
        return sorted(self._seen, key=lambda mpid: (self._seen[mpid].created_ms, mpid))


def _record(line: dict[str, Any]) -> Record:
    return Record(
        topic=line["topic"],
        partition=0,
        offset=0,
        timestamp_ms=line["timestamp_ms"],
        key=None,
        value=json.dumps(line["value"]).encode(),
        headers=(("input", line["input"].encode()),) if "input" in line else (),
    )

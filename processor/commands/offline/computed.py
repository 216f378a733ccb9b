"""What lines of ``resolve`` show of calculated attributes and audiences; and its clock.

There is no clock but the lines of the topic ``clock``: nothing comes due unasked.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from processor.computed.evaluate import Evaluation
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.identity.view import Effects
from processor.index.memory import MemoryIndex
from processor.pipeline.computing import computing_of, definitions_of
from processor.pipeline.publish import audience_record
from processor.pipeline.showing import shown_at
from processor.pipeline.work import Settled
from processor.records import Output, Record
from processor.settings import Settings

CLOCK: Final = "clock"
"""The topic of lines that let time pass."""


class _Version(Struct):
    mpid: str
    version: int


class _Wish(Struct):
    """The value of a line of the clock."""

    all: bool = False


_decode_version = msgspec.json.Decoder(_Version).decode
_decode_wish = msgspec.json.Decoder(_Wish).decode


class Shows:
    """Shows what is computed of a record's profile, where its workspace defines anything."""

    def __init__(self, settings: Settings, index: MemoryIndex) -> None:
        self._inputs = settings.inputs
        self._definitions = definitions_of(settings.computed)
        self._index = index

    def of(self, settled: Settled) -> dict[str, Any]:
        """Return the members that the line of a record has besides those of every line."""
        name = dict(settled.record.headers).get("input", b"default").decode("utf-8", "replace")
        rules = self._inputs.get(name)
        definitions = None if rules is None else self._definitions.get(rules.workspace.name)
        if rules is None or definitions is None:
            return {}
        line: dict[str, Any] = {"audience_changes": raw_values(settled.audience_changes)}
        mpid, scope = settled.outcome.mpid, rules.workspace.scope
        profile = None if mpid is None else self._index.document(scope, mpid)
        if profile is not None:
            what = shown_at(definitions, profile, settled.record.timestamp_ms)
            line |= {"calculated": what.calculated, "audiences": list(what.audiences)}
        return line


class Sweeper:
    """Does what is due of persons, as the clock of ``run`` has it done."""

    def __init__(self, settings: Settings, index: MemoryIndex) -> None:
        rules = settings.rules()
        self._index = index
        self._computing = {
            name: found
            for name in settings.computed
            if (found := computing_of(name, settings.computed, rules)) is not None
        }

    def sweep(self, record: Record) -> dict[str, Any]:
        """Do what a line of the clock asks for; return the line that answers it."""
        is_all = record.value is not None and _decode_wish(record.value).all
        told: list[Output] = []
        written: list[dict[str, Any]] = []
        for profile in list(self._due(record.timestamp_ms, is_all=is_all)):
            after, evaluation = self._step(profile, record.timestamp_ms, is_all=is_all)
            if after is not profile:
                after = replace(after, version=profile.version + 1)
                self._write(profile, after)
                written.append({"mpid": str(after.mpid), "version": after.version})
                told += [
                    audience_record(message, after.version, record, space_of(after))
                    for message in evaluation.messages
                ]
        return {
            "outcome": "swept",
            "reason": None,
            "key": None,
            "headers": {},
            "value": None,
            "mpid": None,
            "resolution": None,
            "changes": [],
            "written": written,
            "audience_changes": raw_values(told),
        }

    def _due(self, time_ms: int, *, is_all: bool) -> Iterator[Profile]:
        living = [p for p in self._index.profiles() if p.merged_into is None]
        living = [p for p in living if p.scope in self._computing]
        if is_all:
            yield from sorted(living, key=lambda p: (p.created_ms, p.mpid))
            return
        due = [p for p in living if p.more.due_ms is not None and p.more.due_ms <= time_ms]
        yield from sorted(due, key=lambda p: (p.more.due_ms, p.created_ms, p.mpid))

    def _step(self, profile: Profile, time_ms: int, *, is_all: bool) -> tuple[Profile, Evaluation]:
        computing = self._computing[profile.scope]
        return computing.renewed(profile, time_ms) if is_all else computing.swept(profile, time_ms)

    def _write(self, before: Profile, after: Profile) -> None:
        effects = Effects({}, {after.mpid: before.version}, {}, {after.mpid: after})
        self._index.commit(space_of(after), effects, [])


def space_of(profile: Profile) -> Space:
    """Return the space that a profile is in."""
    return Space(profile.scope, profile.environment)


def raw_values(outputs: Sequence[Output]) -> list[Raw]:
    """Return the values of *outputs*, as they are."""
    return [Raw(output.value) for output in outputs if output.value is not None]


def versions(profiles: Sequence[Output]) -> list[dict[str, Any]]:
    """Return which documents were written, by their records of ``profiles``."""
    found = (
        _decode_version(one.value)
        for one in profiles
        if one.value is not None and one.role == "profiles"
    )
    return [{"mpid": one.mpid, "version": one.version} for one in found]

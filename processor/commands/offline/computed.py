"""What lines of ``resolve`` show of calculated attributes and audiences; and its clock.

There is no clock but the lines of the topic ``clock``: nothing comes due unasked.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.identity.view import Unread
from processor.index.memory import MemoryIndex
from processor.pipeline.computing import definitions_of
from processor.pipeline.fold import fold_of
from processor.pipeline.showing import shown_at
from processor.pipeline.sweeping import Sweep, SweepWork, Swept, widened
from processor.pipeline.sweeps import Carried, entry_of
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
        folds = [fold_of(s, rules, settings.computed, index.token) for s in settings.space_rules()]
        self._index = index
        self._rules = {fold.space: fold.time_rules(rules, settings.key()) for fold in folds}

    def sweep(self, record: Record) -> dict[str, Any]:
        """Do what a line of the clock asks for; return the line that answers it."""
        is_all = record.value is not None and _decode_wish(record.value).all
        changes: list[Output] = []
        told: list[Output] = []
        written: list[dict[str, Any]] = []
        for profile in list(self._due(record.timestamp_ms, is_all=is_all)):
            space = space_of(profile)
            stamp, named = self._rules[space].stamp, (profile.mpid,)
            order = Sweep(record, space, record.timestamp_ms, mpids=named, definitions=stamp)
            swept = self._swept(order, is_all=is_all)
            if swept.effects is not None:
                self._index.commit(space, swept.effects, [])
            carried = Carried(order, entry_of(order, swept), self._rules[space].workspace)
            settled = carried.settled()
            changes += settled.changes
            told += settled.audience_changes
            written += [{"mpid": str(o.mpid), "version": o.version} for o in swept.documents]
        return {
            "outcome": "swept",
            "reason": None,
            "key": None,
            "headers": {},
            "value": None,
            "mpid": None,
            "resolution": None,
            "changes": raw_values(changes),
            "written": written,
            "audience_changes": raw_values(told),
        }

    def _due(self, time_ms: int, *, is_all: bool) -> Iterator[Profile]:
        living = [p for p in self._index.profiles() if p.merged_into is None]
        living = [p for p in living if space_of(p) in self._rules]
        if is_all:
            yield from sorted(living, key=lambda p: (p.created_ms, p.mpid))
            return
        living = [p for p in living if self._rules[space_of(p)].is_needed]
        due = [
            (due_ms, p.created_ms, p.mpid, p)
            for p in living
            if (due_ms := self._rules[space_of(p)].due_ms(p)) is not None and due_ms <= time_ms
        ]
        yield from (p for _, _, _, p in sorted(due, key=lambda one: one[:3]))

    def _swept(self, order: Sweep, *, is_all: bool) -> Swept:
        (mpid,), rules = order.mpids, self._rules[order.space]
        ask = order.ask()
        while True:
            work = SweepWork(order, self._index.visit(order.space, {}, [ask]).found, rules)
            try:
                if is_all:
                    work.renew(mpid)
                else:
                    work.step(mpid)
                return work.done(())
            except Unread as more:
                ask = widened(ask, more)


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

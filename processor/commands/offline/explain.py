"""``idstream explain``: what would become of one record, and why, in words or as JSON.

The record is decided as ``resolve`` decides it, over a snapshot or what the live index has of it;
nothing is written. The explanation holds identifier values: it goes to the person who asked, and
nowhere else.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import msgspec

from processor.commands.lifetimes import end_ms_of, grave_in_words
from processor.commands.offline.computation import Computation, Person, computation
from processor.commands.offline.computed import raw_values
from processor.commands.offline.explanation import Exceeded, Explanation, Fate, Lifetime, Supplied
from processor.commands.offline.lines import records
from processor.commands.offline.places import odd, places
from processor.commands.offline.resolve import answer, offline_pipeline
from processor.commands.offline.words import REASONS, alias_in_words, in_words
from processor.commands.terminal.failure import Failure
from processor.identity.flat.evidence import Demotion
from processor.identity.model import Identifier, IdentifierLimit
from processor.identity.profile import Profile
from processor.identity.question import Question
from processor.identity.strategies.flat_matching import match_of
from processor.identity.view import ReadSet, View
from processor.index.memory import MemoryIndex
from processor.index.port import Ask
from processor.pipeline.computing import definitions_of
from processor.pipeline.intake import Intake
from processor.pipeline.work import Settled, Work
from processor.records import Record
from processor.settings import Settings


def explain(settings: Settings, source: Iterable[bytes], index: MemoryIndex) -> Explanation:
    """Return what becomes of the first record of *source* over *index*."""
    record = next(records(source), None)
    if record is None:
        raise Failure("there is no record: give one on a line, as `idstream resolve` reads it")
    taken = Intake(settings.rules(), settings.key()).take(record)
    work = taken if isinstance(taken, Work) and taken.request is not None else None
    before = _Before(index, work)
    is_ageing = work is not None and work.rules.workspace.lifetimes is not None
    known: dict[tuple[str, int], Profile] = {}
    if settings.computed or is_ageing:
        known = {(p.scope, p.mpid): p for p in index.profiles()}
    (settled,) = offline_pipeline(settings, index).settle([record])
    line = msgspec.json.decode(msgspec.json.encode(answer(settled)))
    found = Explanation(
        outcome=line["outcome"],
        reason=line["reason"],
        detail=line["headers"].get("detail") or _message(line["value"]),
        input=_input(record),
        protection=None if work is None else work.rules.protection,
        strategy=None if work is None else work.rules.workspace.policy.strategy,
        supplied=before.supplied,
        mpid=line["mpid"],
        identifiers=tuple(before.fates(line)),
        resolution=line["resolution"],
        changes=tuple(line["changes"]),
        looked_at=() if work is None else places(work),
        ignored=() if work is None else tuple(map(odd, work.ignored)),
        computed=None if work is None else _computed(settings, work, settled, index, known),
        lifetime=None if work is None else _lifetime(settings, work, settled, index, known),
    )
    return msgspec.structs.replace(found, words=tuple(in_words(found)))


def show(settings: Settings, source: Iterable[bytes], sink: BinaryIO, index: MemoryIndex) -> None:
    """Explain a record on *sink* in words."""
    sink.writelines(f"{line}\n".encode() for line in explain(settings, source, index).words)


def show_json(
    settings: Settings, source: Iterable[bytes], sink: BinaryIO, index: MemoryIndex
) -> None:
    """Explain a record on *sink* as one JSON object."""
    told = msgspec.json.encode(explain(settings, source, index))
    sink.write(msgspec.json.format(told, indent=2) + b"\n")


class _Before:
    """The identifiers of a record, and whose they were before it was decided."""

    def __init__(self, index: MemoryIndex, work: Work | None) -> None:
        self._index = index
        self._refused: dict[Identifier, str] = {}
        self._owners: dict[Identifier, tuple[str, ...]] = {}
        self._demoted: dict[Identifier, Demotion] = {}
        self._limits: Mapping[str, IdentifierLimit] = {}
        self.supplied: Supplied | None = None
        if work is None or work.request is None:
            return
        request = work.request
        changes = [Identifier(c.identity_type, c.new_value) for c in request.changes if c.new_value]
        asked = tuple(dict.fromkeys((*request.identifiers, *changes)))
        reading = index.visit(
            work.space, {}, [Ask((*asked, *work.ask.identifiers), work.ask.mpids)]
        )
        self._refused = dict(request.refused)
        self._limits = work.rules.workspace.policy.limits
        if request.mpid is not None:
            is_known = reading.found.profiles.get(request.mpid) is not None
            grave = reading.found.graves.get(request.mpid)
            ended = None if grave is None else grave_in_words(grave)
            self.supplied = Supplied(str(request.mpid), is_known, ended)
        self._owners = {
            identifier: tuple(str(mpid) for mpid in reading.found.holders[identifier])
            for identifier in asked
        }
        if request.action != "modify":
            self._demoted = _demotions(work, reading.found)

    def fates(self, line: Mapping[str, Any]) -> Iterator[Fate]:
        """Yield what became of each identifier, by the answer *line* of ``resolve``."""
        skips = list((line["resolution"] or {}).get("skipped", ()))
        for identifier, reason in self._refused.items():
            _take(skips, identifier.identity_type, (reason,))
            yield Fate(*identifier, (), reason, reason)
        for identifier, demotion in self._demoted.items():
            _take(skips, identifier.identity_type, ("demoted",))
            owners = self._owners[identifier]
            exceeded = tuple(map(self._exceeded, demotion.excess))
            yield Fate(*identifier, owners, "demoted", demotion.reason, exceeded)
        for identifier, owners in self._owners.items():
            if identifier not in self._demoted:
                became = self._became(identifier, owners, line)
                if became == "unused":
                    became = _take(skips, identifier.identity_type, REASONS) or became
                yield Fate(*identifier, owners, became)

    def _exceeded(self, identity_type: str) -> Exceeded:
        limit = self._limits[identity_type]
        window_s = None if limit.window_ms is None else limit.window_ms // 1000
        return Exceeded(identity_type, limit.count, window_s)

    def _became(
        self, identifier: Identifier, owners: tuple[str, ...], line: Mapping[str, Any]
    ) -> str:
        token, mpid = self._index.token(identifier).hex(), line["mpid"]
        changes = {
            c["change"] for c in line["changes"] if c.get("token") == token and c["mpid"] == mpid
        }
        if "identity_added" in changes:
            return "added"
        if "identity_moved" in changes:
            return "moved"
        return "matched" if mpid in owners else "unused"


def _computed(
    settings: Settings,
    work: Work,
    settled: Settled,
    index: MemoryIndex,
    known: Mapping[tuple[str, int], Profile],
) -> Computation | None:
    """Return what is computed for a record; *known* are the profiles as they were before it."""
    definitions = definitions_of(settings.computed).get(work.rules.workspace.name)
    if definitions is None:
        return None
    scope, mpid = work.space.scope, settled.outcome.mpid
    after = None if mpid is None else index.document(scope, mpid)
    person = None if after is None else Person(known.get((scope, after.mpid)), after)
    messages = [msgspec.json.decode(one) for one in raw_values(settled.audience_changes)]
    return computation(definitions, work, settled, person, messages)


def _lifetime(
    settings: Settings,
    work: Work,
    settled: Settled,
    index: MemoryIndex,
    known: Mapping[tuple[str, int], Profile],
) -> Lifetime | None:
    """Return until when the profile lives that the record is attributed to."""
    scope, mpid = work.space.scope, settled.outcome.mpid
    after = None if mpid is None else index.document(scope, mpid)
    if after is None or work.rules.workspace.lifetimes is None:
        return None
    before = known.get((scope, after.mpid))
    return Lifetime(
        end_ms_of(settings, after), before is not None and before.more.emptied_ms is not None
    )


def _demotions(work: Work, read: ReadSet) -> dict[Identifier, Demotion]:
    """Return the identifiers that limits demote, with values: journalled decisions have none."""
    policy, request = work.rules.workspace.policy, work.request
    if not policy.limits or request is None or request.action == "search":
        return {}
    view = View(read, policy.priority.__contains__, work.space)
    match = match_of(Question.of(request, view, policy))
    return {demotion.identifier: demotion for demotion in match.demoted}


def _take(skips: list[dict[str, str]], identity_type: str, reasons: Iterable[str]) -> str | None:
    """Take the first skip of a type for one of *reasons* out of *skips*; return its reason."""
    for place, skip in enumerate(skips):
        if skip["identity_type"] == identity_type and skip["reason"] in reasons:
            return skips.pop(place)["reason"]
    return None


def _input(record: Record) -> str:
    return dict(record.headers).get("input", b"default").decode("utf-8", "replace")


def _message(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        return None
    if "alias" in value:
        return alias_in_words(value["alias"])
    errors = value.get("errors")
    return errors[0]["message"] if errors else None

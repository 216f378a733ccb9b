"""What is computed for one record: its events, values before and after, audiences and why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from processor.commands.offline.computed import versions
from processor.computed.definition import Definitions
from processor.computed.judgement import Judgement, judgement
from processor.computed.reading import Look, looks
from processor.computed.situation import Facts, Situation
from processor.computed.state import unpack_memory
from processor.identity.profile import NO_DATA, Computed, Profile
from processor.pipeline.batches import Batch, source_of
from processor.pipeline.computing import facts_of
from processor.pipeline.work import Settled, Work


class ValueTold(Struct, frozen=True):
    """A calculated attribute, both times at the instant of the record; None: it has no value."""

    name: str
    before: Any
    after: Any


class AudienceTold(Struct, frozen=True):
    """Whether the person was in an audience and is, and why."""

    name: str
    version: int
    was_member: bool
    is_member: bool
    due_ms: int | None
    """When it is looked at next by time alone; of a member the end of the membership."""
    criterion: Judgement | None
    """None: it is retired, nobody fits."""


class Computation(Struct, frozen=True):
    """What is computed for a record of the person it is attributed to."""

    workspace: str
    uncounted: str | None
    """Why its events count for nothing."""
    selectors: tuple[Look, ...]
    at_ms: int | None = None
    """The instant at which the person is looked at; None: the record is nobody's."""
    values: tuple[ValueTold, ...] = ()
    audiences: tuple[AudienceTold, ...] = ()
    due_ms: int | None = None
    """When time alone changes something of the profile next."""
    messages: tuple[Any, ...] = ()
    """What goes to the topic of audiences."""
    written: tuple[dict[str, Any], ...] = ()
    """The documents that are written, for whatever reason."""


class Person(Struct, frozen=True):
    """A profile before the record, None for nobody, and after it."""

    before: Profile | None
    after: Profile


def computation(
    definitions: Definitions,
    work: Work,
    settled: Settled,
    person: Person | None,
    messages: Sequence[Any],
) -> Computation:
    """Return what is computed for the record of *work* in its workspace."""
    selectors = tuple(_looks(definitions, work))
    uncounted = _uncounted(work, settled) if selectors else None
    if person is None:
        return Computation(definitions.workspace, uncounted, selectors)
    at_ms = max(work.record.timestamp_ms, person.after.more.clock_ms)
    was, now = (_Side(definitions, one, at_ms) for one in (person.before, person.after))
    return Computation(
        definitions.workspace,
        uncounted,
        selectors,
        at_ms,
        tuple(
            ValueTold(one.name, was.situation.value(one, at_ms), now.situation.value(one, at_ms))
            for one in definitions.calculated.values()
        ),
        tuple(_audiences(definitions, was, now)),
        person.after.more.due_ms,
        tuple(messages),
        tuple(versions(settled.profiles)),
    )


class _Side:
    """What a workspace computes of a profile at an instant."""

    def __init__(self, definitions: Definitions, profile: Profile | None, at_ms: int) -> None:
        name = definitions.workspace
        data = NO_DATA if profile is None else profile.workspaces.get(name, NO_DATA)
        facts = Facts() if profile is None else facts_of(profile, name)
        self.computed = data.more.computed or Computed()
        memory = unpack_memory(self.computed.state)
        self.dues: Mapping[str, int] = memory.dues
        self.situation = Situation(facts, definitions.calculated, memory, at_ms)


def _looks(definitions: Definitions, work: Work) -> Iterator[Look]:
    content = work.content
    if not isinstance(content, Batch):
        return
    batch = content.batch
    events = batch.fields.get("events")
    if events is not None:
        source = source_of(work.record, work.rules, batch.fields, batch.device_info)
        yield from looks(definitions, events, source)


def _uncounted(work: Work, settled: Settled) -> str | None:
    if not work.rules.compute:
        return f"the input {work.rules.name} has compute = false"
    if settled.outcome.name not in ("forwarded", "stored"):
        return f"the record is {settled.outcome.name.replace('_', ' ')}"
    return None


def _audiences(definitions: Definitions, was: _Side, now: _Side) -> Iterator[AudienceTold]:
    for name, audience in definitions.audiences.items():
        before, after = was.computed.audiences.get(name), now.computed.audiences.get(name)
        if audience.is_retired and before is None:
            continue
        yield AudienceTold(
            name,
            audience.version,
            before is not None,
            after is not None,
            now.dues.get(name) if after is None else after.expires_ms,
            None if audience.is_retired else judgement(audience.criterion, now.situation),
        )

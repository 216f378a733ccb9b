"""``idstream audience``: a dry run of an audience over profiles, also of one that is a draft.

Nothing is written. Of criteria on events that nobody counts yet no profile has a state: there the
answer is unknown, and how many fit is a range.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from processor.commands.offline.computed import CLOCK, Sweeper
from processor.commands.offline.lines import records
from processor.commands.offline.resolve import load_index, offline_pipeline
from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.moments import moment
from processor.commands.terminal.tables import print_table
from processor.computed.core import Core
from processor.computed.definition import Audience, Definitions
from processor.computed.instant import instant_ms
from processor.computed.partial import Answer, Judged, Known, answers, outline
from processor.computed.situation import Situation
from processor.computed.state import unpack_memory
from processor.identity.model import Space
from processor.identity.profile import NO_DATA, Computed, Profile
from processor.index.memory import MemoryIndex
from processor.kafka.clock import Clock
from processor.pipeline.computing import definitions_of, facts_of
from processor.settings import Settings, load_offline


class AudienceQuery(NamedTuple):
    """The arguments of the command line."""

    workspace: str
    name: str
    environment: str
    at_ms: int
    show: int
    """How many MPIDs are shown of those that would enter, and of those that would leave."""


def asked(*, at: str | None, **query: Any) -> AudienceQuery:  # noqa: ANN401 - as the options are named
    """Return what the options of the command ask."""
    at_ms = round(Clock().wall() * 1000) if at is None else instant_ms(at)
    if at_ms is None:
        raise Failure(f"--at: {at} is no time; write one as 2026-01-31 or 2026-01-31T10:00:00Z")
    return AudienceQuery(at_ms=at_ms, **query)


class Count(Struct):
    """How many people a criterion holds for."""

    depth: int
    criterion: str
    fit: int = 0
    unknown: int = 0
    so_far: int = 0
    """Whom it holds for with all before it in the same ``all``."""


class DryRun(Struct):
    """What an audience would be."""

    workspace: str
    audience: str
    at_ms: int
    criteria: list[Count]
    people: int = 0
    """Who were seen in the workspace."""
    members: int = 0
    """Who are in it now, as stored."""
    fit: int = 0
    unknown: int = 0
    """Of whom too little is remembered to tell."""
    would_enter: int = 0
    would_leave: int = 0
    entering: list[str] = []
    """MPIDs of some who would enter."""
    leaving: list[str] = []

    def note(self, profile: Profile, found: list[Judged], show: int, *, is_member: bool) -> None:
        """Count a person."""
        answer: Answer = found[0].answer
        self.people += 1
        self.members += is_member
        self.fit += answer is True
        self.unknown += answer is None
        for count, judged in zip(self.criteria, found, strict=True):
            count.fit += judged.answer is True
            count.unknown += judged.answer is None
            count.so_far += judged.so_far is True
        if answer is True and not is_member:
            self.would_enter += 1
            self.entering += [str(profile.mpid)] if len(self.entering) < show else []
        elif answer is False and is_member:
            self.would_leave += 1
            self.leaving += [str(profile.mpid)] if len(self.leaving) < show else []


class Rehearsal:
    """An audience as it would be run, and as it is run now."""

    def __init__(self, config: Path, environ: Mapping[str, str], query: AudienceQuery) -> None:
        self._query = query
        self._is_played = False
        running = load_offline(config, environ)
        workspace = running.workspaces.get(query.workspace)
        if workspace is None:
            known = ", ".join(running.workspaces)
            raise Failure(f"there is no workspace {query.workspace}; the configuration has {known}")
        self.settings = load_offline(config, environ, run=(query.workspace, query.name))
        self._definitions = _definitions(self.settings, query.workspace)
        self._audience = _audience(self._definitions, query)
        scope = running.computed.get(workspace.scope)
        self._stamp = b"" if scope is None else scope.stamp
        its = None if scope is None else scope.workspaces.get(query.workspace)
        self._running: Mapping[bytes, Core] = {} if its is None else its.cores
        environment = "development" if query.environment == "development" else "production"
        self.space = Space(workspace.scope, environment)
        shared = [one for one in running.workspaces.values() if one.scope == workspace.scope]
        self._is_sole = len(shared) == 1

    def play(self, index: MemoryIndex, source: Iterable[bytes]) -> None:
        """Play the records of *source* over *index* first, with the audience as if it were run."""
        pipeline, sweeper = offline_pipeline(self.settings, index), Sweeper(self.settings, index)
        for record in records(source):
            if record.topic == CLOCK:
                sweeper.sweep(record)
            else:
                pipeline.settle([record])
                pipeline.committed()
        self._is_played = True

    def over(self, profiles: Iterable[Profile]) -> DryRun:
        """Return what the audience would be of *profiles*; those of other spaces are left out."""
        query, tree = self._query, self._audience.criterion
        lines = [Count(line.depth, line.words) for line in outline(tree)]
        found = DryRun(query.workspace, query.name, query.at_ms, lines)
        met: set[int] = set()
        for profile in profiles:
            if self._is_asked(profile) and profile.mpid not in met:
                met.add(profile.mpid)
                computed = _computed(profile, query.workspace)
                judged = answers(tree, self._known(profile, computed))
                found.note(profile, judged, query.show, is_member=query.name in computed.audiences)
        return found

    def _is_asked(self, profile: Profile) -> bool:
        is_there = (profile.scope, profile.environment) == (
            self.space.scope,
            self.space.environment,
        )
        was_seen = self._is_sole or self._query.workspace in profile.workspaces
        return is_there and was_seen and profile.merged_into is None

    def _known(self, profile: Profile, computed: Computed) -> Known:
        memory = unpack_memory(computed.state)
        facts = facts_of(profile, self._query.workspace)
        situation = Situation(facts, self._definitions.calculated, memory, self._query.at_ms)
        if self._is_played:
            return Known(situation, memory, self._definitions.cores, is_current=True)
        is_current = bool(self._stamp) and profile.more.stamp == self._stamp
        return Known(situation, memory, self._running, is_current)


def print_run(found: DryRun) -> None:
    """Print a dry run as tables."""
    fit = str(found.fit)
    if found.unknown:
        fit = f"{found.fit} to {found.fit + found.unknown}"
    facts = [
        ("at", moment(found.at_ms)),
        ("people", str(found.people)),
        ("members now", str(found.members)),
        ("fit", fit),
        ("would enter", str(found.would_enter)),
        ("would leave", str(found.would_leave)),
    ]
    print_table(f"Audience {found.audience} of {found.workspace}", ("", ""), facts)
    rows = [
        (f"{'  ' * one.depth}{one.criterion}", str(one.fit), str(one.unknown), str(one.so_far))
        for one in found.criteria
    ]
    print_table("Criteria", ("criterion", "fit", "unknown", "with those before"), rows)
    for title, mpids in (("Would enter", found.entering), ("Would leave", found.leaving)):
        if mpids:
            print_table(title, ("mpid",), [(mpid,) for mpid in mpids])


def print_json(found: DryRun) -> None:
    """Print a dry run as one JSON object."""
    say(msgspec.json.encode(found).decode())


def rehearse(
    config: Path,
    environ: Mapping[str, str],
    query: AudienceQuery,
    profiles: Path | None,
    batches: Iterable[bytes] | None,
) -> DryRun:
    """Return a dry run over a snapshot, or none, after *batches* are played."""
    rehearsal = Rehearsal(config, environ, query)
    index = load_index(rehearsal.settings, profiles)
    if batches is not None:
        rehearsal.play(index, batches)
    return rehearsal.over(index.profiles())


def rehearse_live(config: Path, environ: Mapping[str, str], query: AudienceQuery) -> DryRun:
    """Return a dry run over the live index, which is read and not written."""
    from processor.redis.generations import (  # noqa: PLC0415 - only it needs Redis
        open_generations,
        profiles_in,
    )
    from processor.settings import load  # noqa: PLC0415

    rehearsal = Rehearsal(config, environ, query)
    generations = open_generations(load(config, environ))

    def documents() -> Iterator[Profile]:
        number = generations.survey(rehearsal.space, ()).number
        for lot in profiles_in(generations, rehearsal.space, number):
            yield from lot

    try:
        return rehearsal.over(documents())
    finally:
        generations.close()


def _definitions(settings: Settings, workspace: str) -> Definitions:
    found = definitions_of(settings.computed).get(workspace)
    if found is None:
        raise Failure(f"{workspace} defines no audience")
    return found


def _audience(definitions: Definitions, query: AudienceQuery) -> Audience:
    audience = definitions.audiences.get(query.name)
    if audience is None:
        known = ", ".join(definitions.audiences) or "none"
        raise Failure(f"{query.workspace} has no audience {query.name}; it has {known}")
    if audience.is_retired:
        raise Failure(f"{query.name} is retired: nobody fits")
    return audience


def _computed(profile: Profile, workspace: str) -> Computed:
    data: Any = profile.workspaces.get(workspace, NO_DATA)
    return data.more.computed or Computed()

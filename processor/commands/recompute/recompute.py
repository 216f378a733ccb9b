"""The command: reads the topic ``profiles``, and appends sweeps that name whom it finds there.

It decides nothing and writes nothing but sweeps, which processors carry out like all others. Named
twice a profile takes no harm, so a run that ended may be begun again, or gone on with.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from shlex import quote
from threading import Event
from typing import Final

from msgspec import Struct

from processor.clock.wheel import MOST
from processor.codecs.sweep import named_sweep
from processor.commands.recompute.dropped import dropped_names, in_words, strike
from processor.commands.recompute.pace import NamingPace
from processor.commands.recompute.roster import Roster, places_as_text, places_in
from processor.commands.restore.reader import ChangelogReader, TooManyUnreadable
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.progress import progress
from processor.commands.terminal.signals import stopped_by_signals
from processor.crash import CrashPoints
from processor.kafka.admin import LastingAdmin
from processor.kafka.asking import NoTopic, Unreachable, partitions_of, reaching
from processor.kafka.changelog import Changelog
from processor.kafka.clock import Clock
from processor.kafka.loop.horizon import Held, Horizon, HorizonPace
from processor.kafka.loop.inputs import AdminInputs, CommittedOffsets
from processor.kafka.oneshot import OneShot
from processor.records import Output
from processor.settings import Settings, load
from processor.watch.logs import open_log

NAME: Final = "recompute"
REGISTRY_AWAY: Final = "the schema registry is away: not everybody was named"

_MOST_HELD: Final = 2000
"""Profiles that are held before they are named, at most: what is read in one go."""
_ANSWER_S: Final = 10.0
_LOOK_S: Final = 0.1
_PATIENCE_S: Final = 5.0
"""For how long the clock may stand before that is told."""
_WHY: Final[Mapping[Held, str]] = {
    "lag": "records wait in an input topic: is a partition not read, or a transaction open?",
    "silence": "no input has had a record for clock.max_silence_s",
    "unanswered": "Kafka has not told where the inputs and the group stand",
}


class RecomputeOptions(Struct, frozen=True):
    """The options of the command line."""

    workspace: str
    rate: int = 1000
    """Profiles a second that are named, at most."""
    start: str = ""
    """Places that an earlier run has told: who is before them was named by it."""


def recompute(config: Path, environ: Mapping[str, str], options: RecomputeOptions) -> None:
    """Name everybody of the scope of a workspace in sweeps, as of where the clock may go."""
    settings = load(config, environ)
    scope, places = _scope(settings, options.workspace), _places(options.start)
    gone = _dropped(settings, options.workspace)
    roster = Roster(scope, places)
    reach = CrashPoints(environ).reach
    reader = ChangelogReader(settings.registry_url(), REGISTRY_AWAY)
    try:
        with reaching(settings.kafka):
            # The horizon logs what Kafka does not answer; here it is told in words.
            open_log(sys.stderr, "error", Clock().now, environ)
            with _opened(settings, options, roster, reach) as run:
                run.all(reader)
                if gone and not reader.unreadable:
                    strike(settings, scope)
                    say(f"not defined any more, and struck off them: {in_words(gone)}")
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None
    except TooManyUnreadable:
        raise Failure(_unreadable(reader)) from None
    if reader.unreadable:
        raise Failure(_unreadable(reader))


class _Parts(Struct, frozen=True):
    """What a run works with."""

    changelog: Changelog
    sweeps: OneShot
    horizon: Horizon
    partitions: tuple[int, ...]
    """Those of the topic of sweeps, which take turns."""
    roster: Roster
    definitions: bytes
    """The stamp of those that the configuration has."""
    stop: Event
    reach: Callable[[str], None]


class _Run:
    """One run, from the places where it begins to the end of the topic as it was then."""

    def __init__(self, parts: _Parts, rate: int) -> None:
        self._parts = parts
        self._rate = rate
        self._pace = NamingPace(rate, Clock().now)
        self._partitions = cycle(parts.partitions)
        self._sweeps = 0
        self.named = 0

    def all(self, reader: ChangelogReader) -> None:
        """Name everybody; Failure where it is stopped before the end."""
        self._wait_for_clock()
        roster = self._parts.roster
        with progress("records of profiles read") as shown:
            tell = partial(shown.at, 0, 0)
            for part in self._parts.changelog.read(roster.places):
                self._go_on_unless_stopped()
                roster.add(part.records, reader.read(part.records))
                tell = partial(shown.at, part.done, part.total)
                tell()
                if len(roster) >= _held(self._rate):
                    self._name(tell)
            self._name(tell)
        say(f"{self.named:,} profiles named in {self._sweeps:,} sweeps; processors do the rest")

    def _wait_for_clock(self) -> None:
        """Wait until it is known up to when everything is decided."""
        told: set[Held] = set()
        while not self._parts.horizon.look():
            why, seconds = self._parts.horizon.held()
            if seconds >= _PATIENCE_S and why not in told:
                told.add(why)
                note(f"the clock stands, and this waits for it: {_WHY[why]}")
            self._parts.stop.wait(_LOOK_S)
            self._go_on_unless_stopped()

    def _name(self, tell: Callable[[], None]) -> None:
        """Name those who are held, no faster than is asked."""
        parts = self._parts
        while lots := parts.roster.take(self._rate):
            self._go_on_unless_stopped()
            as_of_ms = parts.horizon.look()
            stamp = parts.definitions
            values = [named_sweep(space, as_of_ms, mpids, stamp) for space, mpids in lots]
            parts.sweeps.publish(
                [Output("clock", None, v, (), partition=next(self._partitions)) for v in values]
            )
            parts.roster.strike(lots)
            count = sum(len(mpids) for _, mpids in lots)
            self.named += count
            self._sweeps += len(lots)
            parts.reach("in_recompute")
            tell()
            parts.stop.wait(self._pace.owed(count))

    def _go_on_unless_stopped(self) -> None:
        if self._parts.stop.is_set():
            raise Failure("stopped before the end of the topic profiles")


@contextmanager
def _opened(
    settings: Settings,
    options: RecomputeOptions,
    roster: Roster,
    reach: Callable[[str], None],
) -> Iterator[_Run]:
    """Give a run, and close its connections; where it does not come to its end, tell the way on."""
    kafka, pace, clock = settings.kafka, settings.clock, Clock()
    changelog = Changelog(kafka, kafka.topics.profiles, take=_held(options.rate))
    try:
        with (
            closing(LastingAdmin(kafka)) as admin,
            closing(CommittedOffsets.open(kafka, clock.now)) as offsets,
        ):
            horizon = Horizon(
                AdminInputs(admin.asked, offsets, kafka.topics.fed),
                HorizonPace(pace.grace_s, pace.max_silence_s),
                clock,
            )
            with admin.asked() as client:
                partitions = tuple(partitions_of(client, kafka.topics.clock, _ANSWER_S))
            sweeps, stop = OneShot(kafka, NAME), stopped_by_signals()
            own = settings.computed.get(roster.scope)
            definitions = b"" if own is None else own.stamp
            parts = _Parts(changelog, sweeps, horizon, partitions, roster, definitions, stop, reach)
            run = _Run(parts, options.rate)
            try:
                yield run
            except BaseException:
                _tell_way_on(run, roster, options)
                raise
    finally:
        changelog.close()


def _held(rate: int) -> int:
    """Return how many profiles are held: of a second, so that little is named twice."""
    return min(max(rate, MOST), _MOST_HELD)


def _tell_way_on(run: _Run, roster: Roster, options: RecomputeOptions) -> None:
    if run.named:
        way = f" --from {places_as_text(roster.places)}" if roster.places else ""
        note(
            f"{run.named:,} profiles named so far; go on with: idstream recompute"
            f" {quote(options.workspace)}{way}"
        )


def _scope(settings: Settings, name: str) -> str:
    """Return the scope of a workspace; Failure where nothing could be done for it."""
    workspace = settings.workspaces.get(name)
    if workspace is None:
        known = ", ".join(settings.workspaces)
        raise Failure(f"there is no workspace {visible(name)}; the configuration has {known}")
    if not settings.kafka.topics.clock and workspace.scope in settings.computed:
        raise Failure(
            "no definition of the configuration can change by time alone, so there is no topic of"
            " the clock that sweeps could go to: everybody is judged at the next record; or name"
            " one as kafka.topics.clock, make it by `idstream check --create`, and restart"
        )
    if not settings.kafka.topics.clock:
        raise _idle(name)
    return workspace.scope


def _dropped(settings: Settings, name: str) -> list[str]:
    """Return what is defined no more; Failure where there is neither that nor anything else."""
    workspace = settings.workspaces[name]
    gone = dropped_names(settings, workspace.scope)
    if not gone and workspace.scope not in settings.computed and workspace.lifetimes is None:
        raise _idle(name)
    return gone


def _idle(name: str) -> Failure:
    return Failure(
        f"workspaces.{name}: neither it nor another of its scope defines a calculated attribute"
        " or an audience, or has lifetimes: there is nothing to recompute"
    )


def _places(text: str) -> dict[int, int]:
    found = places_in(text)
    if found is None:
        raise Failure(
            f"--from: {visible(text)} names no places; write PARTITION/OFFSET with commas between"
            " them, as a run that ended early has told"
        )
    return found


def _unreadable(reader: ChangelogReader) -> str:
    count, place = len(reader.unreadable), next(iter(reader.unreadable.values()))
    return (
        f"{count:,} records of the topic profiles cannot be read, and whom they are about was not"
        f" named; the first one is {place}"
    )

"""The command: listens to all topics from now on, and prints a line for each record that passed."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any, Final, get_args

import click
import msgspec
from msgspec import Struct

from processor.commands.tail.joining import Joining
from processor.commands.tail.telling import NOTHING, Told, tell
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.moments import clock_time
from processor.commands.terminal.signals import stopped_by_signals
from processor.commands.values import Values
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.clock import Clock
from processor.kafka.listening import Listening
from processor.records import OutcomeName
from processor.settings import Settings, load

OUTCOMES: Final = (*get_args(OutcomeName), NOTHING)
_COLOURS: Final = {
    "forwarded": "green",
    "answered": "green",
    "dead_letter": "red",
    "dropped": "red",
}
_TURN_S: Final = 0.2
_INPUT: Final = 8
_WHAT: Final = 13
"""What names of inputs and of events mostly fit into: columns that are read from top to bottom."""


class TailOptions(Struct, frozen=True):
    """The options of the command line; of the filters none where empty."""

    inputs: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    mpid: str | None = None
    records: int | None = None
    clear: bool = False
    as_json: bool = False

    def wants(self, told: Told) -> bool:
        """Whether the filters let *told* through."""
        return (
            (not self.inputs or told.input in self.inputs)
            and (not self.outcomes or told.outcome in self.outcomes)
            and (not self.reasons or told.reason in self.reasons)
            and (self.mpid is None or told.mpid == self.mpid)
        )


def asked(
    inputs: Sequence[str],
    outcomes: Sequence[str],
    reasons: Sequence[str],
    **others: Any,  # noqa: ANN401
) -> TailOptions:
    """Return the options that the command line gives; Failure where there is no such outcome."""
    unknown = sorted(set(outcomes) - set(OUTCOMES))
    if unknown:
        raise Failure(f"there is no outcome {unknown[0]}; there are {', '.join(OUTCOMES)}")
    named = frozenset(inputs), frozenset(outcomes), frozenset(reasons)
    return TailOptions(*named, **others)


def tail(config: Path, environ: Mapping[str, str], options: TailOptions) -> None:
    """Print records as they pass, until there were enough, or a signal says stop."""
    settings = load(config, environ)
    stop = stopped_by_signals()
    topics = settings.kafka.topics
    try:
        with reaching(settings.kafka):
            names = [*topics.fed, *(n for r, n in topics.outputs.items() if r != "profiles")]
            listening = Listening(settings.kafka, "tail", names)
            try:
                _follow(settings, listening, options, stop)
            finally:
                listening.close()
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None


def _follow(settings: Settings, listening: Listening, options: TailOptions, stop: Event) -> None:
    roles = {name: role for role, name in settings.kafka.topics.outputs.items()}
    roles |= settings.rules().roles
    joining = Joining(has_outcomes="outcomes" in roles.values())
    values, clock, shown = Values(settings.registry_url()), Clock(), 0
    if not options.as_json:
        note(f"Records of {', '.join(settings.kafka.topics.fed)} from now on. Ctrl-C ends it.")
    while not stop.is_set():
        for record in listening.read(_TURN_S):
            joining.add(roles[record.topic], record, clock.now())
        for passage in joining.ready(clock.now()):
            assert passage.source is not None
            role = roles[passage.source.topic]
            told = tell(passage, role, values.read, clear=options.clear)
            if options.wants(told):
                print_told(told, as_json=options.as_json)
                shown += 1
            if shown == options.records:
                return
        sys.stdout.flush()


def print_told(told: Told, *, as_json: bool) -> None:
    """Print *told*: in one line where it fits, else in two, or as a JSON object."""
    if as_json:
        say(msgspec.json.encode(told).decode())
        return
    came, became = list(_came(told)), list(_became(told))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if not width or _length([*came, *became]) <= width:
        say("  ".join([*came, *became]))
        return
    for line in (*_lines(came, width), *_lines(["", *became], width)):
        say(line)


def _lines(parts: Sequence[str], width: int) -> Iterator[str]:
    """Yield lines of *parts*, which go on below where the next one does not fit; none is cut."""
    line = [parts[0]]
    for part in parts[1:]:
        if _length([*line, part]) > width:
            yield "  ".join(line)
            line = [""]
        line.append(part)
    yield "  ".join(line)


def _length(parts: Sequence[str]) -> int:
    return len(click.unstyle("  ".join(parts)))


def _came(told: Told) -> Iterator[str]:
    yield click.style(clock_time(told.time_ms), dim=True)
    yield visible(told.input).ljust(_INPUT)
    yield click.style(visible(told.what).ljust(_WHAT), bold=True)
    if told.identities:
        yield visible(" ".join(f"{name}={value}" for name, value in told.identities.items()))


def _became(told: Told) -> Iterator[str]:
    outcome = "nothing came out" if told.outcome == NOTHING else told.outcome
    words = " ".join(filter(None, (outcome, told.reason and f"({told.reason})")))
    yield click.style(f"→ {visible(words)}", fg=_COLOURS.get(told.outcome, "yellow"))
    if told.decision:
        yield visible(told.decision)
    if told.mpid:
        yield told.mpid
    if told.changes:
        yield click.style(visible(" ".join(told.changes)), fg="cyan")
    yield click.style(told.place, dim=True)

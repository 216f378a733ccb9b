"""The command: listens to all topics from now on, and prints a line for each record that passed."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any, Final, get_args

import click
import msgspec
from msgspec import Struct

from processor.commands.options import option_of
from processor.commands.tail.joining import Joining
from processor.commands.tail.telling import NOTHING, SIGNS, Told, Types, tell
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.masking import MASK
from processor.commands.terminal.moments import clock_time
from processor.commands.terminal.signals import stopped_by_signals
from processor.identity.types import type_under
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.clock import Clock
from processor.kafka.listening import Listening
from processor.records import OutcomeName
from processor.serve.values import Values
from processor.settings import Settings, load

OUTCOMES: Final = (*get_args(OutcomeName), NOTHING)
_COLOURS: Final = {
    "forwarded": "green",
    "answered": "green",
    "dead_letter": "red",
    "dropped": "red",
}
_TURN_S: Final = 0.2
_WHAT: Final = 13
"""What names of events mostly fit into."""
_WIDTHS: Final = {"input": 8, "place": 0}
_MOST: Final = 40


DOCUMENTS: Final = ("profiles", "cases")
"""Topics whose records are no answers."""


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
            outputs = topics.outputs.items()
            names = [*topics.fed, *(n for r, n in outputs if r not in DOCUMENTS)]
            listening = Listening(settings.kafka, "tail", names)
            try:
                _follow(settings, listening, options, stop, option_of(config))
            finally:
                listening.close()
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None


def _follow(
    settings: Settings, listening: Listening, options: TailOptions, stop: Event, option: str
) -> None:
    roles = {name: role for role, name in settings.kafka.topics.outputs.items()}
    roles |= settings.rules().roles
    joining = Joining(has_outcomes="outcomes" in roles.values())
    values, clock, shown = Values(settings.registry_url()), Clock(), 0
    types, show = types_of(settings), _say_as_json if options.as_json else _printing(option)
    if not options.as_json:
        note(f"Records of {', '.join(settings.kafka.topics.fed)} from now on. Ctrl-C ends it.")
        if not options.clear:
            note(f"Values are masked ({MASK}); --clear shows them.")
    while not stop.is_set():
        for record in listening.read(_TURN_S):
            joining.add(roles[record.topic], record, clock.now())
        for passage in joining.ready(clock.now()):
            assert passage.source is not None
            role = roles[passage.source.topic]
            told = tell(passage, role, values.read, types, clear=options.clear)
            if options.wants(told):
                show(told)
                shown += 1
            if shown == options.records:
                return
        sys.stdout.flush()


def types_of(settings: Settings) -> Types:
    """Return how names of identities are told: by their types, as the inputs' workspaces do."""

    def type_of(input_name: str, name: str) -> str:
        rules = settings.inputs.get(input_name)
        found = None if rules is None else type_under(rules.workspace.policy, name)
        return found or name

    return type_of


def _say_as_json(told: Told) -> None:
    say(msgspec.json.encode(told).decode())


def _printing(option: str) -> Callable[[Told], None]:
    columns = Columns()
    return lambda told: print_told(told, columns, option)


class Columns:
    """Columns that are read from top to bottom: they widen as longer names come, to a limit."""

    def __init__(self) -> None:
        self._widths = dict(_WIDTHS)

    def fit(self, name: str, text: str) -> str:
        """Return *text* as wide as column *name*."""
        width = min(max(self._widths[name], len(text)), _MOST)
        self._widths[name] = width
        return text.ljust(width)


def print_told(told: Told, columns: Columns, option: str = "") -> None:
    """Print *told*: in one line where it fits, else in two; *option* names the configuration."""
    came, became = list(_came(told, columns)), list(_became(told, columns, option))
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
            line = ["  "]
        line.append(part)
    yield "  ".join(line)


def _length(parts: Sequence[str]) -> int:
    return len(click.unstyle("  ".join(parts)))


def _came(told: Told, columns: Columns) -> Iterator[str]:
    yield click.style(clock_time(told.time_ms), dim=True)
    yield columns.fit("input", visible(told.input))
    yield click.style(visible(told.what).ljust(_WHAT), bold=True)
    if told.identities:
        yield visible(" ".join(f"{name}={value}" for name, value in told.identities.items()))


def _became(told: Told, columns: Columns, option: str) -> Iterator[str]:
    outcome = "nothing came out" if told.outcome == NOTHING else told.outcome
    words = " ".join(filter(None, (outcome, told.reason and f"({told.reason})")))
    # The place first: whatever follows, it stands in the same column.
    yield "→ " + click.style(columns.fit("place", told.place), dim=True)
    yield click.style(visible(words), fg=_COLOURS.get(told.outcome, "yellow"))
    if told.decision:
        yield visible(told.decision.removeprefix("matched "))
    if told.mpid:
        yield told.mpid
    if told.changes:
        yield click.style(visible(_changed(told.changes)), fg="cyan")
    if told.letter:
        yield click.style(f"idstream letters{option} {told.letter}", dim=True)


def _changed(changes: Sequence[str]) -> str:
    """Return *changes* as text: those of identities, and the others behind a comma."""
    signs = tuple(SIGNS.values())
    of_identities = " ".join(one for one in changes if one.startswith(signs))
    others = [one for one in changes if not one.startswith(signs)]
    return ", ".join(filter(None, (of_identities, *others)))

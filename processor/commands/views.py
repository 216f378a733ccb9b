"""The definitions of commands that give something to see, for ``cli``.

They import what they need when they run.
"""

import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from processor.commands.options import Environ, config_option


@click.command(short_help="Send records as apps and feeds would.")
@config_option
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True, max=100_000),
    default=50.0,
    show_default=True,
    metavar="N",
    help="Records a second.",
)
@click.option(
    "--records",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many.  [default: until Ctrl-C; with --print 100]",
)
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="The same again.  [default: another each time, which is told; with --print 1]",
)
@click.option(
    "--people",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="How many people there are in an identity scope.",
)
@click.option(
    "--bad",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    metavar="SHARE",
    help="The share of records that become dead letters.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME",
    help="Only through this input; may be given several times.",
)
@click.option("--print", "prints", is_flag=True, help="Print lines for resolve; no Kafka.")
@click.pass_obj
def generate(environ: Environ, /, config: Path, *, prints: bool, **how: Any) -> None:  # noqa: ANN401
    """Send records of made-up people, as the apps and feeds of a configuration would."""
    from processor.commands.generate import generate as command  # noqa: PLC0415

    options = command.asked(**how)
    if prints:
        command.print_lines(config, environ, options, sys.stdout.buffer)
    else:
        command.generate(config, environ, options)


@click.command(short_help="Show the dead letters.")
@config_option
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="REASON",
    help="Only letters of this reason; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, one object a line.")
@click.option("--clear", is_flag=True, help="Show the values of a letter, which are masked else.")
@click.argument("place", required=False, metavar="[PARTITION/OFFSET]")
@click.pass_obj
def letters(environ: Environ, /, config: Path, **how: Any) -> None:  # noqa: ANN401
    """Show the dead letters by reason and detail, or the one at a place in full."""
    from processor.commands.letters import letters as command  # noqa: PLC0415

    command.letters(config, environ, command.LettersOptions(**how))


@click.command(short_help="Show records as they pass.")
@config_option
@click.option(
    "--input", "inputs", multiple=True, metavar="NAME", help="Only of this input; several times."
)
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    metavar="OUTCOME",
    help="Only those of which this became, such as dead_letter; several times.",
)
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="REASON",
    help="Only those refused for this reason; several times.",
)
@click.option("--mpid", metavar="MPID", help="Only those of this profile.")
@click.option(
    "--records",
    type=click.IntRange(min=1),
    metavar="N",
    help="End after so many.  [default: Ctrl-C ends it]",
)
@click.option("--clear", is_flag=True, help="Show values of identities, which are masked else.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each record.")
@click.pass_obj
def tail(environ: Environ, /, config: Path, **how: Any) -> None:  # noqa: ANN401
    """Show records as they pass: what came in, what was decided, what came out."""
    from processor.commands.tail import tail as command  # noqa: PLC0415

    command.tail(config, environ, command.asked(**how))


@click.command(short_help="Show who an audience would be.")
@config_option
@click.option(
    "--profiles",
    type=click.Path(path_type=Path),
    metavar="SNAPSHOT",
    help="Of these profiles, one JSON object per line.",
)
@click.option("--index", "live", is_flag=True, help="Of the live index; nothing is written.")
@click.option(
    "--batches",
    type=click.File("rb"),
    metavar="FILE",
    help="Play these records first, lines as resolve reads them.",
)
@click.option("--at", "at", metavar="TIME", help="As of this time, ISO 8601.  [default: now]")
@click.option(
    "--show",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="How many MPIDs to show of those who would enter, and leave.",
)
@click.option(
    "--environment",
    type=click.Choice(["production", "development"]),
    default="production",
    show_default=True,
    help="Where the profiles live.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.argument("workspace")
@click.argument("name")
@click.pass_obj
def audience(
    environ: Environ,
    /,
    config: Path,
    profiles: Path | None,
    batches: BinaryIO | None,
    *,
    live: bool,
    as_json: bool,
    **query: Any,  # noqa: ANN401
) -> None:
    """Tell who the audience NAME of WORKSPACE would be, also where it is a draft, and why."""
    from processor.commands.offline import audience as command  # noqa: PLC0415

    if live and (profiles is not None or batches is not None):
        raise click.UsageError("--index goes neither with --profiles nor with --batches")
    if not live and profiles is None and batches is None:
        raise click.UsageError("name the people: --index, --profiles SNAPSHOT or --batches FILE")
    asked = command.asked(**query)
    if live:
        found = command.rehearse_live(config, environ, asked)
    else:
        found = command.rehearse(config, environ, asked, profiles, batches)
    (command.print_json if as_json else command.print_run)(found)


@click.command(short_help="Show how processes do, again and again.")
@config_option
@click.option(
    "--url",
    "urls",
    multiple=True,
    metavar="URL",
    help="The /metrics of a process; several times.  [default: as the configuration says, here]",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="S",
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Look twice, show what is between, and end.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each look.")
@click.pass_obj
def top(environ: Environ, /, config: Path, **how: Any) -> None:  # noqa: ANN401
    """Show how processes do: rates, latency, lag, where time goes, and what is refused."""
    from processor.commands.top import top as command  # noqa: PLC0415

    command.top(config, environ, command.TopOptions(**how))


VIEWS: Final = (tail, top, letters, audience, generate)

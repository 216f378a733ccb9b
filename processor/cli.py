"""The command line: arguments are parsed here and nothing else is done.

Commands import what they need when they run, so that ``resolve`` starts without Kafka and Redis.
Exit codes: 0 done, 1 failed with one line on standard error (a line a mistake), 2 usage.
"""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from processor import __version__
from processor.commands.imports.definition import import_
from processor.commands.options import DEFAULT_CONFIG, Environ, case_options, config_option
from processor.commands.privacy.words import COMMANDS as PRIVACY
from processor.commands.serving import COMMANDS as SERVING
from processor.commands.views import VIEWS

FAILED: Final = 1
SPOKEN: Final[Mapping[tuple[str, ...], list[str]]] = {
    ("help",): ["--help"],
    ("version",): ["--version"],
}
"""Options that may also be written as commands, by what is written."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="idstream")
def idstream() -> None:
    """Resolve who event batches are about, and enrich them, exactly once."""


@idstream.command()
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"The configuration.  [default: {DEFAULT_CONFIG}, or one for trying where embedded]",
)
@click.option("--embedded", is_flag=True, help="Bring broker and index along; nothing is kept.")
@click.option(
    "--accept-offsets",
    is_flag=True,
    help="Start from the group's offsets as they are; records before them are never processed.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Start and supervise so many processes.  [default: kafka.workers]",
)
@click.option("--as-worker", hidden=True, help="Its name, where a supervisor starts this process.")
@click.pass_obj
def run(
    environ: Environ,
    config: Path | None,
    *,
    embedded: bool,
    accept_offsets: bool,
    workers: int | None,
    as_worker: str | None,
) -> None:
    """Run the processor until SIGTERM or Ctrl-C."""
    from processor.commands import run as command  # noqa: PLC0415

    if embedded:
        if workers is not None:
            raise click.UsageError("--embedded is one process: leave --workers out")
        command.run_embedded(config, environ, accept_offsets=accept_offsets)
        return
    path = config or DEFAULT_CONFIG
    if as_worker is not None:
        command.run_worker(path, environ, as_worker, accept_offsets=accept_offsets)
    else:
        command.run(path, environ, workers, accept_offsets=accept_offsets)


@idstream.command(short_help="Play the documented journeys.")
@click.option("--json", "as_json", is_flag=True, help="Print every step as a JSON object.")
@click.option("--serve", "with_pages", is_flag=True, help="Then serve pages of the people in it.")
@click.pass_obj
def demo(environ: Environ, *, as_json: bool, with_pages: bool) -> None:
    """Play the documented journeys through an embedded broker, step by step."""
    from processor.commands.demo.demo import demo as command  # noqa: PLC0415

    command(environ, raw=as_json, with_pages=with_pages)


@idstream.command(short_help="Check the configuration and everything it points to.")
@config_option
@click.option("--create", is_flag=True, help="Create missing topics with the right settings.")
@click.option(
    "--crash-points",
    is_flag=True,
    help="List the points where IDSTREAM_CRASH_AT can kill a process.",
)
@click.option(
    "--partitions",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of topics that --create makes.  [default: the inputs', else the broker's]",
)
@click.option(
    "--replication-factor",
    "replicas",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of topics that --create makes.  [default: the broker's]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def check(environ: Environ, /, config: Path, *, crash_points: bool, **how: Any) -> None:  # noqa: ANN401
    """Check the configuration and everything it points to; writes nothing without --create."""
    from processor.commands.check import check as command  # noqa: PLC0415

    if crash_points:
        command.list_crash_points()
    else:
        command.check(config, environ, command.asked(**how))


@idstream.command(short_help="Print the JSON Schema of the configuration.")
def schema() -> None:
    """Print the JSON Schema of the configuration: editors then know every key."""
    from processor.commands.schema import schema as command  # noqa: PLC0415

    command()


@idstream.command(short_help="Show how a deployment stands.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def status(environ: Environ, config: Path, *, as_json: bool) -> None:
    """Show how a deployment stands; exit status 1 where something is not as it should be."""
    from processor.commands.status.status import status as command  # noqa: PLC0415

    command(config, environ, as_json=as_json)


@idstream.command(short_help="Resolve records from standard input.")
@config_option
@click.option(
    "--profiles",
    type=click.Path(path_type=Path),
    metavar="SNAPSHOT",
    help="Start from these profiles, one JSON object per line.",
)
@click.option(
    "--dump",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the final profiles here, at the end of the input.",
)
@case_options
@click.option(
    "--expect",
    "expected",
    type=click.Path(path_type=Path),
    metavar="CASES",
    help="Read no input: play these cases, and tell what is not as they expect.",
)
@click.pass_obj
def resolve(environ: Environ, /, config: Path, expected: Path | None, **files: Path | None) -> None:
    """Read records from standard input, write their outcomes to standard output.

    A line is {"topic": "batches", "timestamp_ms": 0, "value": {...}}, or of another topic;
    docs/operations.md tells its other members, and what is written.
    """
    from processor.commands.offline.resolve import CaseFiles  # noqa: PLC0415
    from processor.commands.offline.resolve import resolve as command  # noqa: PLC0415
    from processor.settings import load_offline  # noqa: PLC0415

    settings = load_offline(config, environ)
    profiles, dump = files["profiles"], files["dump"]
    cases = CaseFiles(files["cases"], files["dump_cases"])
    if expected is not None:
        from processor.commands.offline.expect import expect  # noqa: PLC0415

        if dump is not None or cases.write is not None:
            raise click.UsageError("--dump does not go with --expect: each case has its own index")
        expect(settings, expected, profiles)
        return
    command(
        settings, sys.stdin.buffer, sys.stdout.buffer, profiles=profiles, dump=dump, cases=cases
    )


@idstream.command(short_help="Tell what becomes of one record, and why.")
@config_option
@click.option(
    "--profiles",
    type=click.Path(path_type=Path),
    metavar="SNAPSHOT",
    help="Over these profiles, one JSON object per line.",
)
@click.option("--live", is_flag=True, help="Over the live index; nothing is written.")
@click.option("--json", "as_json", is_flag=True, help="Explain as one JSON object.")
@click.argument("record", type=click.File("rb"), default="-")
@click.pass_obj
def explain(
    environ: Environ,
    /,
    config: Path,
    profiles: Path | None,
    record: BinaryIO,
    *,
    live: bool,
    as_json: bool,
) -> None:
    """Tell what would become of one RECORD, a line as resolve reads it, and why."""
    from processor.commands.offline import explain as command  # noqa: PLC0415
    from processor.commands.offline.over import index_for  # noqa: PLC0415
    from processor.settings import load_offline  # noqa: PLC0415

    if live and profiles is not None:
        raise click.UsageError("--live does not go with --profiles: it is one or the other")
    tell = command.show_json if as_json else command.show
    settings = load_offline(config, environ)
    with index_for(config, environ, profiles, live=live) as index:
        tell(settings, record, sys.stdout.buffer, index)


@idstream.command(short_help="Show a profile.")
@config_option
@click.option(
    "--environment",
    type=click.Choice(["production", "development"]),
    default="production",
    show_default=True,
    help="Where the profile lives: the two never meet.",
)
@click.option("--history", is_flag=True, help="Show its changes too, from the topic of changes.")
@click.option("--json", "as_json", is_flag=True, help="Print the profile, or its history, as JSON.")
@click.argument("workspace")
@click.argument("key")
@click.pass_obj
def profile(
    environ: Environ, /, config: Path, *, history: bool, as_json: bool, **query: str
) -> None:
    """Show a profile of WORKSPACE by KEY: an MPID, or an identity as type=value."""
    from processor.commands import profile as command  # noqa: PLC0415

    asked = command.ProfileQuery(**query)
    if history:
        command.show_history(config, environ, asked, as_json=as_json)
    elif as_json:
        command.show_json(config, environ, asked)
    else:
        command.show(config, environ, asked)


@idstream.command()
@config_option
@click.option("--wait", is_flag=True, help="Wait for the sessions of the group's members to end.")
@click.option(
    "--reindex",
    is_flag=True,
    help="Derive the index anew under changed identity settings; conflicts are settled and told.",
)
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Also where the index has more profiles than the topic, or records are under way.",
)
@click.option(
    "--republish",
    is_flag=True,
    help="The other way round: publish every profile of the index to a new or emptied topic.",
)
@click.pass_obj
def restore(environ: Environ, /, config: Path, *, republish: bool, **how: bool) -> None:
    """Rebuild the index from the profiles topic."""
    if republish:
        from processor.commands.restore import republish as inverse  # noqa: PLC0415

        if how["reindex"] or how["accept_loss"]:
            raise click.UsageError("--republish goes with --wait only")
        inverse.republish(config, environ, wait=how["wait"])
        return
    from processor.commands.restore import restore as command  # noqa: PLC0415

    options = command.RestoreOptions(**how)
    command.restore(config, environ, options)


@idstream.command()
@config_option
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="REASON",
    help="Only letters of this reason; may be given several times.",
)
@click.option(
    "--max", "most", type=click.IntRange(min=1), metavar="N", help="Put back N letters at most."
)
@click.option(
    "--pass-over", is_flag=True, help="Leave letters behind for good that cannot be put back."
)
@click.option("--dry-run", is_flag=True, help="Only tell what would go back.")
@click.pass_obj
def replay(
    environ: Environ,
    /,
    config: Path,
    reasons: tuple[str, ...],
    most: int | None,
    **how: bool,
) -> None:
    """Put dead letters back on the topics that they came from."""
    from processor.commands import replay as command  # noqa: PLC0415

    options = command.ReplayOptions(reasons=reasons, most=most, **how)
    command.replay(config, environ, options)


@idstream.command(short_help="Bring everybody up to changed definitions.")
@config_option
@click.option(
    "--rate",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Profiles a second at most.",
)
@click.option(
    "--from",
    "start",
    default="",
    metavar="PLACES",
    help="Go on where an earlier run ended, at the places that it has told.",
)
@click.argument("workspace")
@click.pass_obj
def recompute(environ: Environ, /, config: Path, **how: Any) -> None:  # noqa: ANN401
    """Bring everybody of WORKSPACE, and of its scope, up to the definitions as they are now."""
    from processor.commands.recompute import recompute as command  # noqa: PLC0415

    command.recompute(config, environ, command.RecomputeOptions(**how))


for view in (*VIEWS, *SERVING, *PRIVACY, import_):
    idstream.add_command(view)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that *arguments* (or the process's own) name, and exit."""
    environ = dict(os.environ)  # noqa: TID251 - read once, passed down
    sys.exit(_status(arguments, environ))


def _status(arguments: Sequence[str] | None, environ: Environ) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    given = SPOKEN.get(tuple(given), given)
    # Tables look at NO_COLOR by themselves.
    color = False if environ.get("NO_COLOR") else None
    try:
        idstream.main(given, prog_name="idstream", standalone_mode=False, obj=environ, color=color)
    except click.UsageError as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return FAILED
    except BrokenPipeError:
        # The reader of our output has gone: writing there at exit would fail once more.
        sys.stdout = None
        return FAILED
    except Exception as error:  # noqa: BLE001 - the one place where errors end
        for line in _lines(error):
            click.echo(f"idstream: {line}", err=True)
        return FAILED
    return 0


def _lines(error: Exception) -> list[str]:
    """Return what went wrong; of an unforeseen error only its place: its text may hold data."""
    from processor.commands.terminal.failure import explained  # noqa: PLC0415

    if isinstance(error, click.ClickException):
        return [error.format_message()]
    if (explanation := explained(error)) is not None:
        return explanation.splitlines()
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in reversed(frames)][:4]
    return [f"unexpected {type(error).__name__} at {' < '.join(places)}; please report it"]

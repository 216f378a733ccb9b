"""The command line of ``idstream privacy``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from processor.commands.options import Environ, config_option

_PATH: Final = click.Path(path_type=Path, allow_dash=True)
_OWN: Final[Mapping[str, str]] = {
    "kind": "--type",
    "person": "--person",
    "mpids": "--mpid",
    "regulation": "--regulation",
    "environment": "--environment",
    "request_id": "--id",
    "group_id": "--group",
    "callbacks": "--callback",
    "follow": "--follow",
    "skip_waiting": "--skip-waiting",
    "suppress": "--suppress",
    "all_holders": "--all-holders",
}
"""Options that make a request, which a file has itself."""
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _about_a_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give *command* what all have that are about a request that was sent: its ID, and --json."""
    named = click.argument("request_id", metavar="ID")(click.pass_obj(command))
    return config_option(_json_option(named))


@click.group(short_help="Erase people who ask for it, and prove it.")
def privacy() -> None:
    """Send requests of people under privacy law, see how they stand, and prove an erasure."""


@privacy.command(short_help="Send a request.")
@config_option
@click.option("--input", metavar="NAME", help="[default: the only one that may send such requests]")
@click.option(
    "--type",
    "kind",
    type=click.Choice(["erasure", "access", "portability", "delete"]),
    help="[default: erasure]",
)
@click.option(
    "--person",
    type=_PATH,
    metavar="FILE",
    help="Whom it is about: a line such as email=ada@example.com each; - is standard input.",
)
@click.option(
    "--mpid", "mpids", type=int, multiple=True, metavar="MPID", help="Whom, by MPID instead."
)
@click.option("--regulation", metavar="NAME", help="[default: gdpr]")
@click.option("--environment", type=click.Choice(["production", "development"]))
@click.option("--id", "request_id", metavar="ID", help="[default: a new one, which is told]")
@click.option("--group", "group_id", metavar="ID", help="A group of requests that it belongs to.")
@click.option("--callback", "callbacks", multiple=True, metavar="URL", help="Told in receipts.")
@click.option(
    "--follow",
    type=click.Choice(["merges", "source", "aliases"]),
    multiple=True,
    help="Profiles that go with it; several times.  [default: privacy.follow]",
)
@click.option("--dry-run", is_flag=True, help="Tell whom it would erase; nothing is changed.")
@click.option("--skip-waiting", is_flag=True, help="Erase at once.")
@click.option("--suppress", is_flag=True, help="Keep later records of the person out too.")
@click.option("--all-holders", is_flag=True, help="Every holder of each identity.")
@_json_option
@click.argument("file", required=False, type=_PATH, metavar="[REQUEST]")
@click.pass_obj
def submit(environ: Environ, /, config: Path, **how: Any) -> None:  # noqa: ANN401
    """Send a request: one that options make, or the JSON object in the file REQUEST."""
    from processor.commands.privacy.request import SubmitOptions  # noqa: PLC0415
    from processor.commands.privacy.sending import submit as command  # noqa: PLC0415

    given = [option for name, option in _OWN.items() if how[name]]
    if how["file"] is not None and given:
        raise click.UsageError(f"REQUEST says that itself: leave out {', '.join(given)}")
    if how["file"] is None and how["person"] is None and not how["mpids"]:
        raise click.UsageError("say whom it is about: --person FILE, --mpid MPID or a file REQUEST")
    command(config, environ, SubmitOptions(**how))


@privacy.command(short_help="Show how a request stands.")
@_about_a_request
def show(environ: Environ, config: Path, request_id: str, *, as_json: bool) -> None:
    """Show the request ID: its case in the index, and the receipts that were told of it."""
    from processor.commands.privacy.showing import show as command  # noqa: PLC0415

    command(config, environ, request_id, as_json=as_json)


@privacy.command(short_help="Cancel a request that waits.")
@_about_a_request
def cancel(environ: Environ, config: Path, request_id: str, *, as_json: bool) -> None:
    """Cancel the request ID, which waits still."""
    from processor.commands.privacy.sending import cancel as command  # noqa: PLC0415

    command(config, environ, request_id, as_json=as_json)


@privacy.command(short_help="End a suppression.")
@_about_a_request
def lift(environ: Environ, config: Path, request_id: str, *, as_json: bool) -> None:
    """End the suppression that the request ID asked for: later records are taken again."""
    from processor.commands.privacy.sending import lift as command  # noqa: PLC0415

    command(config, environ, request_id, as_json=as_json)


@privacy.command(short_help="Prove an erasure, or check receipts.")
@config_option
@click.option(
    "--person",
    type=_PATH,
    metavar="FILE",
    help="Search for these values, a line such as email=ada@example.com each; - is standard input.",
)
@click.option("--request", "request_id", metavar="ID", help="Search for whom this request erased.")
@click.option("--workspace", metavar="WORKSPACE", help="[default: the only one, or the request's]")
@click.option(
    "--environment",
    type=click.Choice(["production", "development"]),
    default="production",
    show_default=True,
    help="Where the person lived.",
)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC",
    help="Search it too; several times.",
)
@_json_option
@click.argument("file", required=False, type=_PATH, metavar="[RECEIPTS]")
@click.pass_obj
def verify(
    environ: Environ,
    /,
    config: Path,
    file: Path | None,
    *,
    as_json: bool,
    **how: Any,  # noqa: ANN401
) -> None:
    """Search for a person who was erased, or check the proofs of RECEIPTS, one JSON object a line.

    Exit status 1 where something is left that should not be, or a receipt is not ours.
    """
    is_search = how["person"] is not None or how["request_id"] is not None
    if is_search == (file is not None):
        raise click.UsageError("name either a file RECEIPTS, or whom: --person FILE, --request ID")
    if file is not None:
        from processor.commands.privacy.proofs import verify_receipts  # noqa: PLC0415

        verify_receipts(config, environ, file, as_json=as_json)
        return
    from processor.commands.privacy.verify import VerifyOptions  # noqa: PLC0415
    from processor.commands.privacy.verify import verify as command  # noqa: PLC0415

    command(config, environ, VerifyOptions(as_json=as_json, **how))


@click.command(short_help="Write out all that is known of a person.")
@config_option
@click.option(
    "--request", "request_id", metavar="ID", help="Whom this access or portability request found."
)
@click.option(
    "--environment",
    type=click.Choice(["production", "development"]),
    help="Where the profile lives.  [default: production, or the request's]",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The zip file to write; nobody else may read it.",
)
@click.argument("workspace", required=False)
@click.argument("key", required=False)
@click.pass_obj
def export(environ: Environ, /, config: Path, **how: Any) -> None:  # noqa: ANN401
    """Write all that WORKSPACE knows of a person by KEY, an MPID or type=value, as a zip file.

    With --request these are the results of that request; WORKSPACE is needed only where several
    have a request of that ID.
    """
    from processor.commands.export import ExportOptions  # noqa: PLC0415
    from processor.commands.export import export as command  # noqa: PLC0415

    if how["request_id"] is not None and how["key"] is not None:
        raise click.UsageError("the request says whom it is about: leave out KEY")
    if how["request_id"] is None and how["key"] is None:
        raise click.UsageError("say whom it is about: WORKSPACE KEY, or --request ID")
    command(config, environ, ExportOptions(**how))


COMMANDS: Final = (privacy, export)

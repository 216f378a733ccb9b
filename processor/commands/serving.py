"""The command line of what serves profiles over HTTP: ``serve`` and ``token``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from processor.commands.options import Environ, config_option

_SCOPES: Final = (
    "profiles:read",
    "identities:clear",
    "activity:read",
    "ui",
    "privacy:read",
    "privacy:request",
)


@click.command(short_help="Serve profiles over HTTP.")
@config_option
@click.option("--as-worker", hidden=True, help="Its name, where a supervisor starts this process.")
@click.pass_obj
def serve(environ: Environ, config: Path, as_worker: str | None) -> None:
    """Serve the profile API until SIGTERM or Ctrl-C."""
    from processor.commands import serve as command  # noqa: PLC0415

    if as_worker is None:
        command.serve(config, environ)
    else:
        command.serve_as_worker(config, environ, as_worker)


@click.command(short_help="Make a token for callers of the profile API.")
@config_option
@click.option(
    "--workspace",
    "workspaces",
    multiple=True,
    required=True,
    metavar="WORKSPACE",
    help="What it lets its caller see; may be given several times.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=_SCOPES[:1],
    show_default=True,
    help="What it lets its caller do; may be given several times.",
    type=click.Choice(_SCOPES),
)
@click.argument("name")
@click.pass_obj
def token(
    environ: Environ, config: Path, name: str, workspaces: Sequence[str], scopes: Sequence[str]
) -> None:
    """Print a new token, once, and the table of it for the file that serve.tokens_file names."""
    from processor.commands.token import token as command  # noqa: PLC0415

    command(config, environ, name, workspaces, scopes)


COMMANDS: Final = (serve, token)

"""What the definitions of commands share."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

DEFAULT_CONFIG: Final = Path("idstream.toml")

Environ = Mapping[str, str]

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    metavar="FILE",
    help="The configuration.",
)


def option_of(config: Path) -> str:
    """Return the option that names *config*, for a line to copy; nothing where it is the usual."""
    return "" if config == DEFAULT_CONFIG else f" -c {shlex.quote(str(config))}"

"""What the definitions of commands share."""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click

DEFAULT_CONFIG: Final = Path("idstream.toml")

Environ = Mapping[str, str]
_Command = TypeVar("_Command", bound=Callable[..., Any])

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


def case_options(command: _Command) -> _Command:
    """Give *command* the options that name files of cases (docs/privacy.md)."""
    read = click.option(
        "--cases",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Start with these cases of requests under privacy law.",
    )
    write = click.option(
        "--dump-cases",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write the final cases here, at the end of the input.",
    )
    return read(write(command))

"""What the definitions of commands share."""

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

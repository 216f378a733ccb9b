"""``idstream token``: a new token for callers of ``idstream serve``."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from processor.commands.terminal.console import note, say
from processor.commands.terminal.failure import Failure
from processor.serve.credentials import TOKEN_BYTES, mint, table
from processor.settings import load


def token(
    config: Path,
    environ: Mapping[str, str],
    name: str,
    workspaces: Sequence[str],
    scopes: Sequence[str],
) -> None:
    """Print a new token, once, on standard error, and its table for the file on standard output."""
    known = load(config, environ).workspaces
    for one in workspaces:
        if one not in known:
            listed = ", ".join(known)
            raise Failure(f"there is no workspace {one}; the configuration has {listed}")
    text = mint(secrets.token_bytes(TOKEN_BYTES))
    note(f"The token, which is shown this once: {text}")
    say(table(name, text, workspaces, scopes).rstrip())

"""The pages of a demo's people, until somebody presses Ctrl-C."""

import secrets
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
from msgspec.structs import replace

from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.serve.credentials import SCOPES, TOKEN_BYTES, mint, table
from processor.settings import Settings
from processor.settings.sections import ServeSettings

_PORT: Final = 8080
_PEOPLE: Final = "h.jekyll.md@example.com"


def show_pages(settings: Settings, environ: Mapping[str, str]) -> None:
    """Serve the pages over *settings*, with a token made for this one time."""
    try:
        from processor.serve import service  # noqa: PLC0415 - an extra, which may not be there
    except ModuleNotFoundError as error:
        text = f"{error.name} is missing: install idstream with its extra, idstream[serve]"
        raise Failure(text) from None
    token = mint(secrets.token_bytes(TOKEN_BYTES))
    with tempfile.TemporaryDirectory(prefix="idstream-demo-") as folder:
        path = Path(folder, "tokens.toml")
        path.touch(mode=0o600)
        path.write_text(f"{table('demo', token, settings.workspaces, SCOPES)}rate = 1000\n")
        port = _free_port()
        served = ServeSettings(tokens_file=str(path), port=port)
        url = f"http://localhost:{port}/ui"
        say(f"\nThe people of the demo: {url}\nSign in with the token {token}")
        say(f"and search for {_PEOPLE}. Ctrl-C ends it.")
        if sys.stdout.isatty():
            click.launch(url)
        service.serve(replace(settings, serve=served), environ, sys.stderr)


def _free_port() -> int:
    """Return a port that is free now, the usual one if it is."""
    for port in (_PORT, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Failure("no port is free on this machine")

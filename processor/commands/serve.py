"""``idstream serve``: the profile API, until SIGTERM or Ctrl-C."""

import sys
from collections.abc import Mapping
from pathlib import Path

from processor.commands.terminal.failure import Failure
from processor.settings import load


def serve(config: Path, environ: Mapping[str, str]) -> None:
    """Serve the profiles of the index that *config* names."""
    settings = load(config, environ)
    try:
        from processor.serve import service  # noqa: PLC0415 - an extra, which may not be there
    except ModuleNotFoundError as error:
        text = f"{error.name} is missing: install idstream with its extra, idstream[serve]"
        raise Failure(text) from None
    service.serve(settings, environ, sys.stdout)

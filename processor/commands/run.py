"""``idstream run``: the processor, until SIGTERM or Ctrl-C."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Event

from processor import app
from processor.settings import load


def run(config: Path, environ: Mapping[str, str], *, accept_offsets: bool) -> None:
    """Run the processor that *config* describes."""
    settings = load(config, environ)
    how = app.How(accept_offsets=accept_offsets)
    app.serve(settings, environ, stopped_by_signals(), sys.stdout, how)


def stopped_by_signals() -> Event:
    """Return an event that SIGTERM and SIGINT set: the loop finishes its batch, then leaves."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop

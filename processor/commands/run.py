"""``idstream run``: the processor, until SIGTERM or Ctrl-C."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from processor import app
from processor.commands.terminal.console import note
from processor.commands.terminal.signals import stopped_by_signals
from processor.embedded.mode import embedded_settings, embedding
from processor.settings import load


def run(config: Path, environ: Mapping[str, str], *, accept_offsets: bool) -> None:
    """Run the processor that *config* describes."""
    settings = load(config, environ)
    options = app.RunOptions(accept_offsets=accept_offsets)
    app.serve(settings, environ, stopped_by_signals(), sys.stdout, options)


NOTICE: Final = """\
idstream runs embedded, at_least_once: outputs may repeat, and nothing outlives this process.
Kafka at {servers}, topics {topics}."""


def run_embedded(config: Path | None, environ: Mapping[str, str], *, accept_offsets: bool) -> None:
    """Run the processor on a broker and an index of its own."""
    stop = stopped_by_signals()
    with embedding(embedded_settings(config, environ)) as settings:
        topics = settings.kafka.topics
        note(
            NOTICE.format(
                servers=settings.kafka.bootstrap_servers,
                topics=", ".join([*topics.inputs, *topics.outputs.values()]),
            )
        )
        options = app.RunOptions(embedded=True, accept_offsets=accept_offsets)
        app.serve(settings, environ, stop, sys.stdout, options)

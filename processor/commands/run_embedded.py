"""``idstream run --embedded``: the processor with all that it needs brought along."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from processor import app
from processor.commands.embedding import embedded_settings, embedding
from processor.commands.run import stopped_by_signals

NOTICE: Final = """\
idstream runs embedded, at_least_once: outputs may repeat, and nothing outlives this process.
Kafka at {servers}, topics {topics}.
"""


def run_embedded(config: Path | None, environ: Mapping[str, str], *, accept_offsets: bool) -> None:
    """Run the processor on a broker and an index of its own."""
    stop = stopped_by_signals()
    with embedding(embedded_settings(config, environ)) as settings:
        topics = settings.kafka.topics
        sys.stderr.write(
            NOTICE.format(
                servers=settings.kafka.bootstrap_servers,
                topics=", ".join([*topics.inputs, *topics.outputs.values()]),
            )
        )
        how = app.How(embedded=True, accept_offsets=accept_offsets)
        app.serve(settings, environ, stop, sys.stdout, how)

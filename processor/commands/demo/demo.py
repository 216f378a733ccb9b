"""``idstream demo``: the published journeys through an embedded broker, one step at a time.

Each step is a record on an input topic; what is shown was read from the output topics. A step that
reaches another profile than the published table says makes the demo fail.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from processor.commands.demo.background import processing
from processor.commands.demo.pages import show_pages
from processor.commands.demo.player import play
from processor.commands.demo.stage import Stage
from processor.commands.terminal.console import note, say
from processor.commands.terminal.failure import Failure
from processor.embedded.mode import embedded_settings, embedding
from processor.kafka.clock import Clock
from processor.kafka.conversation import Conversation, NoAnswer


def demo(environ: Mapping[str, str], *, with_pages: bool = False) -> None:
    """Play every journey and show steps, profiles and enriched batches; then serve their pages."""
    settings = embedded_settings(None, environ)
    settings = replace(
        settings, observability=replace(settings.observability, port=0, log_level="warning")
    )
    note("Broker and processor run in this process, Valkey beside it; nothing is kept.")
    with embedding(settings) as running, processing(running, environ) as processor:
        client = Conversation(running.kafka, Clock())
        try:
            differs = play(Stage(client, processor, running))
        except NoAnswer as late:
            raise Failure(str(late)) from None
        finally:
            client.close()
        if with_pages:
            show_pages(running, environ)
    if differs:
        raise Failure(f"{differs} steps or profiles differ from the published tables")
    say("Every step reached the profile that the published tables name.")

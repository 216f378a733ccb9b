"""``idstream demo``: the documented journeys through an embedded broker, told as a story.

Each step is a record on an input topic; what is shown was read from the output topics. A step that
reaches another profile than its table says makes the demo fail.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from processor.commands.demo.background import processing
from processor.commands.demo.pages import show_pages
from processor.commands.demo.player import Act, as_json, play
from processor.commands.demo.stage import Stage
from processor.commands.demo.telling import TABLES, begin, end, tell
from processor.commands.terminal.console import note, say
from processor.commands.terminal.failure import Failure
from processor.embedded.mode import embedded_settings, embedding
from processor.kafka.clock import Clock
from processor.kafka.conversation import Conversation, NoAnswer


def demo(environ: Mapping[str, str], *, raw: bool = False, with_pages: bool = False) -> None:
    """Play every journey and tell of it; *raw*: print each step as JSON; then serve its pages."""
    settings = embedded_settings(None, environ)
    settings = replace(
        settings, observability=replace(settings.observability, port=0, log_level="warning")
    )
    note("Broker and processor run in this process, Valkey beside it; nothing is kept.\n")
    with embedding(settings) as running, processing(running, environ) as processor:
        client = Conversation(running.kafka, Clock())
        try:
            differs = _tell(Stage(client, processor, running), raw=raw)
        except NoAnswer as late:
            raise Failure(str(late)) from None
        finally:
            client.close()
        if with_pages:
            show_pages(running, environ)
    if differs:
        raise Failure(f"{differs} steps or profiles differ from {TABLES}")


def _tell(stage: Stage, *, raw: bool) -> int:
    """Print the story; return in how many places it differs from the tables."""
    differs = 0
    before: Act | None = None
    if not raw:
        begin()
    for act in play(stage):
        differs += act.differs()
        if raw:
            say("\n".join(line.decode() for line in as_json(act)))
        else:
            tell(act, before)
        before = act
    if not differs:
        note(f"Every step reached the profile that {TABLES} name.\n")
    if not raw:
        end(_called())
    return differs


def _called() -> str:
    """Return how this program was called: by a path, where it is not on the PATH."""
    called = Path(sys.argv[0])
    is_relative = called.name == "idstream" and not called.is_absolute()
    return str(called) if is_relative else "idstream"

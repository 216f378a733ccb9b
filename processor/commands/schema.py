"""``idstream schema``: the JSON Schema of the configuration, for editors."""

import msgspec

from processor.commands.terminal.console import say
from processor.settings.schema import json_schema


def schema() -> None:
    """Print the schema."""
    say(msgspec.json.format(msgspec.json.encode(json_schema())).decode())

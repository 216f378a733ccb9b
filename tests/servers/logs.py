"""The log of a process that still writes it."""

import json
from typing import Any


def events_of(text: str) -> list[dict[str, Any]]:
    """Return the events in *text*, without a last line of which the rest is still to come.

    Lines that are no event (a library's own) are left out.
    """
    whole = text.rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

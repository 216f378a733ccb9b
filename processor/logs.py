"""The log: one JSON object a line, greppable event names, at most one event a poll batch.

An event never holds an identifier's or an attribute's value, nor a library's message that may quote
one (docs/operations.md).
"""

import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol, TextIO

import msgspec
import structlog

LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class Log(Protocol):
    """What the program logs with: an event's name, and its facts as keywords."""

    def debug(self, event: str, /, **facts: object) -> object:
        """Log what only somebody who looks for a fault wants to see."""
        ...

    def info(self, event: str, /, **facts: object) -> object:
        """Log what an operator may want to know."""
        ...

    def warning(self, event: str, /, **facts: object) -> object:
        """Log what an operator should look at."""
        ...

    def error(self, event: str, /, **facts: object) -> object:
        """Log what ended or held up the work."""
        ...


def open_log(stream: TextIO, level: str) -> Log:
    """Return a log that writes lines of *level* and above to *stream*. Nothing global is set."""
    log: Log = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
    )
    return log


def _json(event: object, **_options: Any) -> str:  # noqa: ANN401 - structlog passes json.dumps' options
    return msgspec.json.encode(event, enc_hook=str).decode()

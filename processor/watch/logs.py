"""The log: one JSON object per line, greppable event names, nothing per batch.

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
    """Let this process's log go to *stream*, from *level* on: structlog's and librdkafka's."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    log: Log = structlog.get_logger()
    _forward_librdkafka(log, LEVELS[level])
    return log


def _json(event: object, **_options: Any) -> str:  # noqa: ANN401 - structlog passes json.dumps' options
    return msgspec.json.encode(event, enc_hook=str).decode()


class _Forward(logging.Handler):
    """Hands lines of the standard library's logging to the log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    # typing.override is younger than our oldest Python
    def emit(self, record: logging.LogRecord) -> None:  # type: ignore[explicit-override]
        tell = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        if record.levelno < logging.WARNING:
            tell = self._log.debug
        tell("librdkafka", line=record.getMessage())


def _forward_librdkafka(log: Log, level: int) -> None:
    """Give librdkafka's lines, which tell of brokers and never of records, to *log*."""
    theirs = logging.getLogger("idstream.librdkafka")
    theirs.handlers = [_Forward(log)]
    theirs.setLevel(level)
    theirs.propagate = False

"""The log: one JSON object per line, or plain lines on a terminal; nothing per batch.

What repeats itself is told once a minute, with how often it happened.

An event never holds an identifier's or an attribute's value, nor a library's message that may quote
one (docs/operations.md).
"""

import logging
import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, Protocol, TextIO

import msgspec
import structlog

LIBRDKAFKA: Final = "librdkafka"
"""The event that every line of librdkafka's is."""
QUIET_S: Final = 60.0
"""How long a warning is not repeated."""
_MOST_KINDS: Final = 500
_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
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


def open_log(
    stream: TextIO,
    level: str,
    now: Callable[[], float],
    environ: Mapping[str, str],
    facts: Mapping[str, object] = MappingProxyType({}),
) -> Log:
    """Let this process's log go to *stream*, from *level* on: structlog's and librdkafka's.

    *now* tells seconds that only grow; of *environ*, NO_COLOR counts. Every event has *facts*.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            Repeats(now),
            lambda _logger, _method, event: {**event, **facts},
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _renderer(stream, has_colours="NO_COLOR" not in environ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        # A line and its end in one write: workers share a stream, and one's end must not come after
        # another's line. What prints writes the two apart on a stream without a buffer.
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    log: Log = structlog.get_logger()
    _forward_librdkafka(log, LEVELS[level])
    return log


def _renderer(stream: TextIO, *, has_colours: bool) -> structlog.typing.Processor:
    """Return what writes an event: as a line for people on a terminal, for programs elsewhere."""
    if stream.isatty():
        return structlog.dev.ConsoleRenderer(colors=has_colours)
    return structlog.processors.JSONRenderer(serializer=_json)


class Repeats:
    """Drops a warning that was told within the last minute, and counts it.

    The next one of its kind that is told says how many were not (``untold``). Warnings are of a
    kind whose event and facts are the same but for numbers; librdkafka's lines if they begin with
    the same word, which is what librdkafka calls their kind.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kinds: dict[str, tuple[float, int]] = {}
        """By kind, when it was told last, and how many were not told since."""

    def __call__(
        self,
        _logger: object,
        _method: str,
        event: structlog.typing.EventDict,
    ) -> structlog.typing.EventDict:
        """Return *event*, or raise DropEvent, as structlog wants it."""
        if event["level"] not in ("warning", "error") or _is_paced(event):
            return event
        now, kind = self._now(), _kind(event)
        told_at, untold = self._kinds.get(kind, (now - QUIET_S, 0))
        if now - told_at < QUIET_S:
            self._kinds[kind] = told_at, untold + 1
            raise structlog.DropEvent
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = now, 0
        return {**event, "untold": untold} if untold else event


def _is_paced(event: structlog.typing.EventDict) -> bool:
    """Return whether every such event is news.

    ``watch.contact`` and ``watch.drops`` pace their own, and a rewind for Kafka happens once,
    however long it is away.
    """
    return str(event["event"]).startswith(("waiting_for_", "records_dropped")) or (
        event["event"] == "rewound" and event.get("source") in ("consumer", "producer")
    )


def _kind(event: structlog.typing.EventDict) -> str:
    if event["event"] == LIBRDKAFKA:
        return f"{LIBRDKAFKA} {str(event.get('line')).partition(' ')[0]}"
    return _NUMBER.sub("", str(sorted(event.items(), key=itemgetter(0))))


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
        tell(LIBRDKAFKA, line=record.getMessage())


def _forward_librdkafka(log: Log, level: int) -> None:
    """Give librdkafka's lines, which tell of brokers and never of records, to *log*."""
    theirs = logging.getLogger("idstream.librdkafka")
    theirs.handlers = [_Forward(log)]
    theirs.setLevel(level)
    theirs.propagate = False

"""Messages as librdkafka hands them out, turned into records; errors among them, told apart."""

from collections.abc import Sequence
from operator import methodcaller
from typing import Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, KafkaException, Message

from processor.index.errors import NoStart
from processor.kafka.errors import OUT_OF_RANGE, is_transient
from processor.records import Record, RowKey

UNREADABLE: Final = (("input", b"\xff"),)
"""Headers of a record whose own cannot be read: no input is called so, so it is a dead letter."""


_read_headers: Final = methodcaller("headers")
"""Message.headers returns rubbish *and* sets an exception where a name is not UTF-8.

Called like this, the interpreter notices at once and raises SystemError; a plain call, once it is
specialised, raises anywhere later. It must not be called again: what it returns then can crash.
"""


class OutOfRange(NoStart):
    """The position of a partition is not in its log any more."""


def check(error: KafkaError, message: Message) -> str:
    """Return the name of a transient error; raise OutOfRange or KafkaException for any other."""
    if error.code() in OUT_OF_RANGE:
        raise OutOfRange(
            f"the committed offset of {message.topic()}/{message.partition()} is not in the"
            " partition any more: records between it and the first one there were never processed."
            " `idstream run --accept-offsets` goes on without those records;"
            " `idstream restore` does not, for it keeps the committed offsets"
        )
    if not is_transient(error):
        raise KafkaException(error)
    return error.name()


def position(message: Message) -> tuple[RowKey, int]:
    """Return where a message that tells of an end stands: its partition, and that offset."""
    return RowKey(message.topic() or "", message.partition() or 0), message.offset() or 0


def record(message: Message) -> Record:
    """Return *message* as a value: 0 where it has no timestamp, b'' where a header has no value."""
    kind, timestamp = message.timestamp()
    fields = (
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        message.key(),
        message.value(),
        _headers(message),
    )
    return tuple.__new__(Record, fields)  # a third of the time of a call of it


def _headers(message: Message) -> tuple[tuple[str, bytes], ...]:
    try:
        headers = _read_headers(message)
    except SystemError:
        return UNREADABLE
    if not headers:
        return ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return tuple((name, _bytes(value)) for name, value in pairs)


def _bytes(value: str | bytes | None) -> bytes:
    if value is None:
        return b""
    return value.encode() if isinstance(value, str) else value


def split(
    messages: Sequence[Message],
) -> tuple[Sequence[Message], list[tuple[Message, KafkaError]]]:
    """Return the messages that are records, and those that are errors."""
    errors = [(m, error) for m in messages if (error := m.error()) is not None]
    if not errors:
        return messages, errors
    return [m for m in messages if m.error() is None], errors

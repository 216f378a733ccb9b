"""A producer as it is safe to use: its full queue is waited for, its callbacks' errors are raised.

Every record that the processor or a command sends goes through ``produce``.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from processor.kafka.errors import FATAL

_ROOM_S: Final = 0.1
"""How long a full queue is waited for at a time."""
_LOST: Final = "the producer failed for good (fenced, most likely); its client lost the reason"


def produce(
    producer: Producer,
    topic: str,
    value: bytes | None,
    key: bytes | None,
    headers: Sequence[tuple[str, bytes]],
    **delivery: Any,  # noqa: ANN401 - the client's own: partition, on_delivery
) -> None:
    """Queue a record; where the queue is full, wait for room.

    There will be room: deliveries succeed or time out. Raises KafkaException where the client
    refuses the record at once, or the producer has failed for good.
    """
    while True:
        try:
            producer.produce(topic, value, key, headers=list(headers), **delivery)
        except BufferError:
            serve(producer.poll, _ROOM_S)
        else:
            return


def serve(call: Callable[[float], int], seconds: float) -> int:
    """Call ``poll`` or ``flush`` of a producer, which run its callbacks; return what it returns.

    Raises the KafkaException behind a SystemError: the client raises a fatal error inside one
    callback and SystemError from those that follow. Where the first is lost, a fatal error without
    a name is raised.
    """
    try:
        return call(seconds)
    except SystemError as tripped:
        cause: BaseException | None = tripped
        while cause is not None and not isinstance(cause, KafkaException):
            cause = cause.__cause__ or cause.__context__
        raise cause or KafkaException(KafkaError(FATAL, _LOST, fatal=True)) from tripped

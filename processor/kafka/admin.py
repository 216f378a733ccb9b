"""The admin client as it is safe to use: closed by who made it, its answers in time or an error.

Left to the garbage collector it may be destroyed in a thread of its own, and librdkafka then ends
the process (confluent-kafka's pull request 2131).
"""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from processor.kafka.clients import client_config
from processor.kafka.errors import TIMED_OUT
from processor.settings import KafkaSettings

_Answer = TypeVar("_Answer")


@contextmanager
def open_admin(kafka: KafkaSettings) -> Iterator[AdminClient]:
    """Give an admin client for a while."""
    with AdminClient(client_config(kafka, "admin")) as admin:
        yield admin


def close(admin: AdminClient) -> None:
    """Close a client that was made for longer than one block."""
    admin.__exit__(None, None, None)


def answered(future: "Future[_Answer]", within: float) -> _Answer:
    """Return what a request with the timeout *within* came to, or raise KafkaException.

    The client gets a second more to say that it timed out itself.
    """
    try:
        return future.result(within + 1)
    except TimeoutError:
        raise KafkaException(KafkaError(TIMED_OUT)) from None

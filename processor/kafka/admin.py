"""An admin client for as long as the process lives: another one asks where one was not answered.

A client that is told of no brokers just as its connection ends, as of a broker that restarts, may
look for none any more (librdkafka's issue 5301). Whoever asks for a moment starts again instead.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from processor.apart import apart
from processor.kafka.asking import close
from processor.kafka.clients import client_config
from processor.kafka.errors import is_transient
from processor.settings import KafkaSettings

_CLOSE_S: Final = 1.0


class LastingAdmin:
    """Gives an admin client for a question. Used in one thread."""

    def __init__(self, kafka: KafkaSettings) -> None:
        """Make the first client; KafkaException where its settings are bad."""
        self._new: Callable[[], AdminClient] = partial(AdminClient, client_config(kafka, "admin"))
        self._client = self._new()

    @contextmanager
    def asked(self) -> Iterator[AdminClient]:
        """Give the client; after a transient error of the block, the next one gets another.

        A question that waits for its answers in the block is given an error if its client is
        replaced meanwhile. It must not ask that client anew.
        """
        client = self._client
        try:
            yield client
        except KafkaException as failure:
            if client is self._client and is_transient(failure.args[0]):
                self._replace()
            raise

    def close(self) -> None:
        """Close the client, within a second or in a thread that is left behind."""
        _close(self._client)

    def _replace(self) -> None:
        """Ask through another client; stay with this one where none can be made just now."""
        with suppress(KafkaException):
            before, self._client = self._client, self._new()
            _close(before)


def _close(client: AdminClient) -> None:
    with suppress(TimeoutError):
        apart(partial(close, client), _CLOSE_S, "close-admin")

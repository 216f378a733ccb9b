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
        """Give the client; after a transient error of the block, the next one gets another."""
        try:
            yield self._client
        except KafkaException as failure:
            if is_transient(failure.args[0]):
                self.close()
                self._client = self._new()
            raise

    def close(self) -> None:
        """Close the client, within a second or in a thread that is left behind."""
        with suppress(TimeoutError):
            apart(partial(close, self._client), _CLOSE_S, "close-admin")

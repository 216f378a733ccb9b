"""Servers that are unavailable at the start: how they are waited for, and what operators hear."""

from threading import Event
from typing import Final

from processor.codecs.avro.reading import RegistryUnavailable
from processor.index.errors import IndexUnavailable
from processor.kafka.asking import Unreachable
from processor.kafka.loop.step import Source
from processor.watch.contact import Contact
from processor.watch.logs import Log
from processor.watch.watch import Watch

AGAIN_S: Final = 0.5
"""How long an unavailable server is left alone."""


class Patience:
    """Waits for servers until *stop* is set.

    Each method hears of one failure, waits a moment, and returns whether to ask again, as
    ``processor.apart.until_answered`` wants it.
    """

    def __init__(self, kafka: Contact, watch: Watch, log: Log, stop: Event) -> None:
        self._kafka = kafka
        self._watch = watch
        self._log = log
        self._stop = stop

    def cluster(self, failure: Unreachable) -> bool:
        """Wait for a cluster that does not say its id."""
        self._kafka.failed(str(failure))
        return self._again("kafka", failure.kind)

    def topics(self, failure: Unreachable) -> bool:
        """Wait for a cluster that does not describe its topics; not for one that refuses to."""
        self._log.warning("topics_not_compared", why=str(failure))
        return failure.is_transient and self._again("kafka", "topics_not_compared")

    def index(self, _: IndexUnavailable) -> bool:
        """Wait for Redis."""
        return self._again("index", "IndexUnavailable")

    def registry(self, failure: RegistryUnavailable) -> bool:
        """Wait for the schema registry."""
        return self._again("registry", str(failure))

    def _again(self, source: Source, kind: str) -> bool:
        self._watch.turn()
        self._watch.error(source, kind)
        return not self._stop.wait(AGAIN_S)

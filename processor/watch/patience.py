"""Servers that are unavailable at the start: how they are waited for, and what operators hear."""

from threading import Event
from typing import Final

from processor.codecs.avro.reading import RegistryUnavailable
from processor.kafka.asking import Unreachable
from processor.kafka.loop.step import Source
from processor.watch.logs import Log
from processor.watch.watch import Watch

AGAIN_S: Final = 0.5
"""How long a server that is away is left alone."""


class Patience:
    """Waits for servers until *stop* is set; *servers* are Kafka's, as the log names them.

    Each method hears of one failure, waits a moment, and returns whether to ask again, as
    ``processor.apart.until_answered`` wants it.
    """

    def __init__(self, servers: str, watch: Watch, log: Log, stop: Event) -> None:
        self._servers = servers
        self._watch = watch
        self._log = log
        self._stop = stop
        self._told = ""

    def cluster(self, away: Unreachable) -> bool:
        """Wait for a cluster that does not say its id; logged once for each kind of error."""
        if away.kind != self._told:
            self._told = away.kind
            self._log.warning("waiting_for_kafka", kind=away.kind, servers=self._servers)
        return self._again("kafka", away.kind)

    def topics(self, away: Unreachable) -> bool:
        """Wait for a cluster that does not describe its topics; not for one that refuses to."""
        self._log.warning("topics_not_compared", why=str(away))
        return away.is_transient and self._again("kafka", "topics_not_compared")

    def registry(self, away: RegistryUnavailable) -> bool:
        """Wait for the schema registry."""
        return self._again("registry", str(away))

    def _again(self, source: Source, kind: str) -> bool:
        self._watch.turn()
        self._watch.error(source, kind)
        return not self._stop.wait(AGAIN_S)

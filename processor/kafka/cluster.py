"""Which Kafka cluster this is: spaces of the index are bound to it and to one consumer group."""

from threading import Event
from typing import Final

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from processor.kafka.admin import open_admin
from processor.kafka.errors import passes
from processor.kafka.step import Observer
from processor.settings import KafkaSettings

_ANSWER_S: Final = 2.0

log = structlog.get_logger()


def wait_for_cluster_id(kafka: KafkaSettings, stop: Event, observer: Observer) -> str | None:
    """Return the cluster's id, waiting for an unreachable broker; None if *stop* came first."""
    with open_admin(kafka) as admin:
        return _cluster_id(admin, kafka, stop, observer)


def _cluster_id(
    admin: AdminClient, kafka: KafkaSettings, stop: Event, observer: Observer
) -> str | None:
    told = ""
    while not stop.is_set():
        observer.turn()
        try:
            found: str | None = admin.list_topics(timeout=_ANSWER_S).cluster_id
        except KafkaException as failure:
            error = failure.args[0]
            if not passes(error):
                raise
            observer.error("kafka", error.name())
            if error.name() != told:
                told = error.name()
                log.warning("waiting_for_kafka", kind=told, servers=kafka.bootstrap_servers)
            stop.wait(_ANSWER_S / 4)
            continue
        return found or "unnamed"
    return None

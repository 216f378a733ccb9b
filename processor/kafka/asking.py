"""The admin client as it is safe to use: closed by who made it, its answers in time or an error.

Left to the garbage collector it may be destroyed in a thread of its own, and librdkafka then ends
the process (confluent-kafka's pull request 2131).
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event
from typing import Final, TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from processor.kafka.clients import client_config
from processor.kafka.errors import ALL_DOWN, TIMED_OUT, passes
from processor.kafka.loop.step import Observer
from processor.records import RowKey
from processor.settings import KafkaSettings

_Answer = TypeVar("_Answer")
_REACH_S: Final = 5.0


class Unreachable(Exception):
    """The cluster does not answer, or does not let us ask."""

    def __init__(self, why: str, *, is_passing: bool) -> None:
        super().__init__(why)
        self.is_passing = is_passing
        """Whether it may answer later."""


@contextmanager
def open_admin(kafka: KafkaSettings) -> Iterator[AdminClient]:
    """Give an admin client for a while."""
    with AdminClient(client_config(kafka, "admin")) as admin:
        yield admin


def reach(kafka: KafkaSettings) -> None:
    """Return once the cluster answers; raise Unreachable if it does not soon, and say why."""
    heard: list[KafkaError] = []
    config = client_config(kafka, "admin")
    config["error_cb"] = heard.append
    with AdminClient(config) as admin:
        try:
            admin.list_topics(timeout=_REACH_S)
        except KafkaException as failure:
            admin.poll(0)  # lets it tell what it met at each address
            why = [error for error in heard if error.code() != ALL_DOWN] or [failure.args[0]]
            raise Unreachable(
                f"no answer from Kafka at {kafka.bootstrap_servers} within {_REACH_S:.0f} s"
                f" ({why[-1].str()}); is it up, and is kafka.bootstrap_servers right?",
                is_passing=passes(why[-1]),
            ) from None


@contextmanager
def reaching(kafka: KafkaSettings) -> Iterator[None]:
    """Reach the cluster, then let a command at it; Unreachable if it goes away meanwhile."""
    reach(kafka)
    try:
        yield
    except KafkaException as failure:
        error = failure.args[0]
        if not passes(error):
            raise
        raise Unreachable(
            f"Kafka at {kafka.bootstrap_servers} went away: {error.str()}", is_passing=True
        ) from None


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


class NoTopic(Exception):
    """A topic is not there, or may not be seen; the message names it."""


def partitions_of(client: AdminClient | Consumer, topic: str, within_s: float) -> list[int]:
    """Return the partitions of *topic*, as *client* hears of them within so many seconds."""
    known = client.list_topics(topic, timeout=within_s).topics[topic]
    if known.error is not None:
        raise NoTopic(f"topic {topic} of the configuration: {known.error.str()}")
    return sorted(known.partitions)


def committed(consumer: Consumer, keys: Iterable[RowKey], within: float) -> list[TopicPartition]:
    """Return the group's offsets of *keys*; raise KafkaException if one is not to be had.

    It takes *within* seconds at most, and librdkafka asks again meanwhile.
    """
    found = consumer.committed([TopicPartition(*key) for key in keys], within)
    for one in found:
        if one.error:
            raise KafkaException(one.error)
    return found


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

"""Questions to the cluster: each is answered in time, or ends with an error that says why.

An admin client is closed by who made it. Left to the garbage collector it may be destroyed in a
thread of its own, and librdkafka then ends the process (confluent-kafka's pull request 2131).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Final, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from processor.apart import until_answered
from processor.kafka.clients import client_config
from processor.kafka.errors import ALL_DOWN, TIMED_OUT, is_transient
from processor.records import RowKey
from processor.settings import KafkaSettings

_Answer = TypeVar("_Answer")
_REACH_S: Final = 5.0
_ANSWER_S: Final = 2.0

TopicIds = Callable[[Collection[str]], Mapping[str, str]]
"""Returns the id of each topic of the given names."""

Asked = Callable[[], AbstractContextManager[AdminClient]]
"""Gives an admin client for one question."""


class Unreachable(Exception):
    """The cluster does not answer, or does not let us ask."""

    def __init__(self, why: str, *, kind: str, is_transient: bool) -> None:
        super().__init__(why)
        self.kind = kind
        """The name of librdkafka's error."""
        self.is_transient = is_transient
        """Whether it may answer later."""


class NoTopic(Exception):
    """A topic is not there, or may not be seen; the message names it."""


# ---- admin clients ------------------------------------------------------------------------------


@contextmanager
def open_admin(kafka: KafkaSettings) -> Iterator[AdminClient]:
    """Give an admin client, and close it afterwards."""
    with AdminClient(client_config(kafka, "admin")) as admin:
        yield admin


def close(admin: AdminClient) -> None:
    """Close a client that was made for longer than one block."""
    admin.__exit__(None, None, None)


def answered(future: "Future[_Answer]", within: float) -> _Answer:
    """Return the answer to an admin request with the timeout *within*, or raise KafkaException.

    The client gets a second more to say that it timed out itself.
    """
    try:
        return future.result(within + 1)
    except TimeoutError:
        raise KafkaException(KafkaError(TIMED_OUT)) from None


# ---- whether the cluster is there ---------------------------------------------------------------


def reach(kafka: KafkaSettings) -> None:
    """Return once the cluster answers; raise Unreachable, with the reason, after five seconds."""
    heard: list[KafkaError] = []
    config = client_config(kafka, "admin")
    config["error_cb"] = heard.append
    with AdminClient(config) as admin:
        try:
            admin.list_topics(timeout=_REACH_S)
        except KafkaException as failure:
            admin.poll(0)  # calls error_cb with the error of each address
            why = [error for error in heard if error.code() != ALL_DOWN] or [failure.args[0]]
            raise unreachable(
                why[-1],
                f"no answer from Kafka at {kafka.bootstrap_servers} within {_REACH_S:.0f} s"
                f" ({why[-1].str()}); is it up, and is kafka.bootstrap_servers right?",
            ) from None


@contextmanager
def reaching(kafka: KafkaSettings) -> Iterator[None]:
    """Reach the cluster, then let a command use it; Unreachable if it goes away meanwhile."""
    reach(kafka)
    try:
        yield
    except KafkaException as failure:
        error = failure.args[0]
        if not is_transient(error):
            raise
        why = f"Kafka at {kafka.bootstrap_servers} went away: {error.str()}"
        raise unreachable(error, why) from None


@contextmanager
def asking(kafka: KafkaSettings) -> Iterator[None]:
    """Let questions be asked; Unreachable, transient or not, where one is not answered."""
    try:
        yield
    except KafkaException as failure:
        error = failure.args[0]
        why = f"Kafka at {kafka.bootstrap_servers} does not say: {error.str()}"
        raise unreachable(error, why) from None


def unreachable(error: KafkaError, why: str) -> Unreachable:
    """Return the exception that *error* of a cluster means, with the message *why*."""
    return Unreachable(why, kind=error.name(), is_transient=is_transient(error))


def wait_for_cluster_id(kafka: KafkaSettings, waits: Callable[[Unreachable], bool]) -> str | None:
    """Return the cluster's id. An unreachable one is asked again as long as *waits* says so."""
    with open_admin(kafka) as admin:
        return until_answered(partial(_cluster_id, admin), Unreachable, waits)


def _cluster_id(admin: AdminClient) -> str:
    try:
        found: str | None = admin.list_topics(timeout=_ANSWER_S).cluster_id
    except KafkaException as failure:
        error = failure.args[0]
        if not is_transient(error):
            raise
        raise unreachable(error, error.str()) from None
    return found or "unnamed"


def just(admin: AdminClient) -> Asked:
    """Give *admin* for every question: what asks for minutes needs no other."""
    return lambda: nullcontext(admin)


# ---- topics and offsets -------------------------------------------------------------------------


def partitions_of(client: AdminClient | Consumer, topic: str, within_s: float) -> list[int]:
    """Return the partitions of *topic*, as *client* hears of them within so many seconds."""
    known = client.list_topics(topic, timeout=within_s).topics[topic]
    if known.error is not None:
        raise NoTopic(f"topic {topic} of the configuration: {known.error.str()}")
    return sorted(known.partitions)


def described_topic_ids(asked: Asked, within: float = 5.0) -> TopicIds:
    """Return the function that asks the cluster for the ids of topics."""

    def ids(topics: Collection[str]) -> dict[str, str]:
        names = sorted(topics)
        with asked() as admin:
            found = admin.describe_topics(TopicCollection(names), request_timeout=within)
            return {name: str(answered(found[name], within).topic_id) for name in names}

    return ids


def topic_names(topics: Collection[str]) -> dict[str, str]:
    """Let a topic's name stand for its id: librdkafka's mock cluster knows none."""
    return {name: name for name in topics}


def committed(consumer: Consumer, keys: Iterable[RowKey], within: float) -> list[TopicPartition]:
    """Return the group's offsets of *keys*, in at most *within* seconds.

    Raises KafkaException if one of them cannot be had; librdkafka asks again meanwhile.
    """
    found = consumer.committed([TopicPartition(*key) for key in keys], within)
    for one in found:
        if one.error:
            raise KafkaException(one.error)
    return found

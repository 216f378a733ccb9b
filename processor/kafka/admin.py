"""The admin client as it is safe to use: closed by who made it, its answers in time or an error.

Left to the garbage collector it may be destroyed in a thread of its own, and librdkafka then ends
the process (confluent-kafka's pull request 2131).
"""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from processor.kafka.clients import client_config
from processor.kafka.errors import ALL_DOWN, TIMED_OUT, passes
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

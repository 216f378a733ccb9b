"""A loop from settings: which clients, which guarantee, which pace."""

from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from processor.apart import apart
from processor.kafka.clients import (
    Config,
    client_config,
    consumer_config,
    idempotent_config,
    transactional_config,
)
from processor.kafka.loop.deliveries import Deliveries, Refusals
from processor.kafka.loop.interval import Interval, Pace
from processor.kafka.loop.loop import Loop
from processor.kafka.loop.positions import Positions, TopicIds, described_topic_ids, topic_names
from processor.kafka.loop.publishing import Committer
from processor.kafka.loop.starting import Parts
from processor.kafka.loop.step import Observer, Step
from processor.kafka.loop.transactions import Transactions
from processor.settings import KafkaSettings, SettingsError


class Options(Struct, frozen=True):
    """How this process runs, beyond its settings."""

    process: str
    """Names this process in the transactional id, where no instance id is set: host, pid, start."""
    embedded: bool = False
    """The broker is librdkafka's mock: it knows no admin requests, and a topic's name is its id."""
    accept_offsets: bool = False
    reach: Callable[[str], None] = lambda _point: None


def open_loop(kafka: KafkaSettings, step: Step, options: Options, observer: Observer) -> Loop:
    """Return the loop that drives *step*; bad settings raise SettingsError."""

    def heard(error: KafkaError) -> None:
        observer.error("kafka", error.name())

    refusals = Refusals()
    callbacks = {"error_cb": heard, "on_commit": refusals.heard}
    try:
        consumer = Consumer({**consumer_config(kafka), **callbacks})
        committer = _committer(kafka, options, consumer, refusals, {"error_cb": heard})
    except KafkaException as failure:
        raise SettingsError(f"kafka.client: {failure.args[0].str()}") from None
    pace = Pace(interval_s=kafka.commit_interval_ms / 1000)
    parts = Parts(
        consumer=consumer,
        leave=partial(leave, consumer),
        committer=committer,
        interval=Interval(committer, step, observer, options.reach, pace),
        positions=Positions(
            consumer,
            kafka.topics.inputs,
            _topic_ids(kafka, options),
            accept_offsets=options.accept_offsets,
        ),
        step=step,
        observer=observer,
        reach=options.reach,
    )
    return Loop(parts, kafka.topics.inputs, kafka.max_batch_records, kafka.max_batch_wait_ms / 1000)


def _committer(
    kafka: KafkaSettings,
    options: Options,
    consumer: Consumer,
    refusals: Refusals,
    callbacks: Config,
) -> Committer:
    topics = kafka.topics.outputs
    if kafka.guarantee == "at_least_once":
        config = {**idempotent_config(kafka), **callbacks}
        return Deliveries(config, consumer, refusals, topics, options.reach)
    config = {**transactional_config(kafka, options.process), **callbacks}
    return Transactions(config, consumer, topics, options.reach)


def _topic_ids(kafka: KafkaSettings, options: Options) -> TopicIds:
    if options.embedded:
        return topic_names
    return described_topic_ids(AdminClient(client_config(kafka, "admin")))


LEAVE_S: Final = 8.0
"""librdkafka waits for the group's coordinator, however long that is away, to take what it owes."""


log = structlog.get_logger()


def leave(consumer: Consumer) -> None:
    """Leave the group, close *consumer*. If nobody lets us go, the group notices by itself."""
    try:
        apart(consumer.close, LEAVE_S, "leave-group")
    except TimeoutError:
        log.warning("leave_failed")

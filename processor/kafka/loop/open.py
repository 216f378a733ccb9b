"""A loop from settings: which clients, which guarantee, which pace; and how its group is left."""

from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from processor.apart import apart
from processor.kafka.asking import described_topic_ids, topic_names
from processor.kafka.clients import (
    Config,
    client_config,
    consumer_config,
    idempotent_config,
    transactional_config,
)
from processor.kafka.clock import Clock
from processor.kafka.loop.deliveries import Deliveries, Refusals
from processor.kafka.loop.horizon import Horizon, HorizonPace
from processor.kafka.loop.inputs import AdminInputs, CommittedOffsets, ConsumerInputs, Inputs
from processor.kafka.loop.interval import Interval, Pace
from processor.kafka.loop.loop import Loop
from processor.kafka.loop.positions import Positions
from processor.kafka.loop.publishing import Committer, Delivered
from processor.kafka.loop.starting import LoopParts
from processor.kafka.loop.statistics import EVERY_MS, standing
from processor.kafka.loop.step import Observer, Step
from processor.kafka.loop.sweeping import Sweeping, SweepParts
from processor.kafka.loop.transactions import Producers, Transactions
from processor.settings import KafkaSettings, SettingsError

LEAVE_S: Final = 8.0
"""How long leaving the group may take.

librdkafka waits, without a timeout, until the group's coordinator has answered a last commit.
"""

log = structlog.get_logger()


class Process(Struct, frozen=True):
    """The process that a loop runs in: what is not in the settings."""

    name: str
    """Names this process in the transactional id, where no instance id is set: host, pid, start."""
    embedded: bool = False
    """The broker is librdkafka's mock: it knows no admin requests, and a topic's name is its id."""
    accept_offsets: bool = False
    """The operator accepts the nearest offset in the log where a committed one is outside."""
    reach: Callable[[str], None] = lambda _point: None
    """Called with the name of each crash point that is passed."""
    clock: Clock = Clock()
    horizon: HorizonPace | None = None
    """How far the clock may go; None where nothing can be due: then nobody asks."""


def open_loop(kafka: KafkaSettings, step: Step, process: Process, observer: Observer) -> Loop:
    """Return the loop that drives *step*; bad settings raise SettingsError."""

    def heard(error: KafkaError) -> None:
        observer.error("kafka", error.name())

    def counted(statistics: str) -> None:
        observer.cluster(standing(statistics))

    refusals = Refusals()
    callbacks = {
        "error_cb": heard,
        "on_commit": refusals.heard,
        "stats_cb": counted,
        "statistics.interval.ms": EVERY_MS,
        "enable.partition.eof": process.horizon is not None,
    }
    try:
        consumer = Consumer({**consumer_config(kafka), **callbacks})
        committer = _committer(kafka, process, consumer, refusals, {"error_cb": heard})
        offsets = _offsets(kafka, process)
    except KafkaException as failure:
        raise SettingsError(f"kafka.client: {failure.args[0].str()}") from None
    pace = Pace(interval_s=kafka.commit_interval_ms / 1000)
    admin = None if process.embedded else AdminClient(client_config(kafka, "admin"))
    parts = LoopParts(
        consumer=consumer,
        leave=partial(_leave, consumer, offsets),
        committer=committer,
        interval=Interval(committer, step, observer, process.reach, pace, process.clock),
        positions=Positions(
            consumer,
            kafka.topics.inputs,
            topic_names if admin is None else described_topic_ids(admin),
            process.clock,
            accept_offsets=process.accept_offsets,
        ),
        step=step,
        observer=observer,
        reach=process.reach,
        pace=pace,
        clock=process.clock,
        sweeping=_sweeping(kafka, process, _Clients(consumer, admin, offsets), step, observer),
    )
    return Loop(parts, kafka.topics.inputs, kafka.max_batch_records, kafka.max_batch_wait_ms / 1000)


def _committer(
    kafka: KafkaSettings,
    process: Process,
    consumer: Consumer,
    refusals: Refusals,
    callbacks: Config,
) -> Committer:
    topics, reach, clock = kafka.topics.produced, process.reach, process.clock
    if kafka.guarantee == "at_least_once":
        config = {**idempotent_config(kafka), **callbacks}
        return Deliveries(partial(_producer, config), consumer, refusals, topics, reach, clock)
    config = {**transactional_config(kafka, process.name), **callbacks}
    seconds = config["transaction.timeout.ms"] / 1000
    producers = Producers(partial(_producer, config), seconds)
    return Transactions(producers, consumer, topics, reach, clock, apart)


def _producer(config: Config, delivered: Delivered) -> Producer:
    return Producer({**config, "on_delivery": delivered})


def _offsets(kafka: KafkaSettings, process: Process) -> CommittedOffsets | None:
    """Return what asks where the group stands; None where nobody asks, or the consumer is asked."""
    if process.horizon is None or not kafka.topics.clock or process.embedded:
        return None
    return CommittedOffsets.open(kafka, process.clock.now)


class _Clients(Struct, frozen=True):
    consumer: Consumer
    admin: AdminClient | None
    offsets: CommittedOffsets | None


def _sweeping(
    kafka: KafkaSettings, process: Process, clients: _Clients, step: Step, observer: Observer
) -> Sweeping | None:
    """Return the clock of the process; None where nothing can be due."""
    topics = kafka.topics
    if process.horizon is None or not topics.clock:
        return None
    inputs: Inputs = (
        ConsumerInputs(clients.consumer, topics.fed)
        if clients.admin is None or clients.offsets is None
        else AdminInputs(clients.admin, clients.offsets, topics.fed)
    )
    horizon = Horizon(inputs, process.horizon, process.clock)
    return Sweeping(
        SweepParts(clients.consumer, topics.clock, horizon, step.sweeps, observer, process.clock)
    )


def _leave(consumer: Consumer, offsets: CommittedOffsets | None) -> None:
    leave(consumer)
    if offsets is not None:
        offsets.close()


def leave(consumer: Consumer) -> None:
    """Leave the group and close *consumer*; after LEAVE_S seconds, leave that to the group.

    It notices by itself when the session of this member has ended.
    """
    try:
        apart(consumer.close, LEAVE_S, "leave-group")
    except TimeoutError:
        log.warning("leave_failed")

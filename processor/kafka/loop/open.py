"""A loop from settings: which clients, which guarantee, which pace; and how its group is left."""

from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from msgspec import Struct

from processor.apart import apart
from processor.kafka.admin import LastingAdmin
from processor.kafka.asking import described_topic_ids, topic_names
from processor.kafka.clients import (
    Config,
    consumer_config,
    idempotent_config,
    transactional_config,
)
from processor.kafka.clock import Clock
from processor.kafka.loop.deliveries import Deliveries, Refusals
from processor.kafka.loop.horizon import Horizon, HorizonPace
from processor.kafka.loop.inputs import AdminInputs, CommittedOffsets, ConsumerInputs
from processor.kafka.loop.interval import Interval, Pace
from processor.kafka.loop.loop import Loop
from processor.kafka.loop.positions import Positions
from processor.kafka.loop.publishing import Committer, Delivered
from processor.kafka.loop.starting import LoopParts
from processor.kafka.loop.statistics import EVERY_MS, Sight, standing
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

    sight = Sight()

    def counted(statistics: str) -> None:
        found = standing(statistics)
        sight.told("consumer", found)
        observer.cluster(found)

    def counted_out(statistics: str) -> None:
        sight.told("producer", standing(statistics))

    refusals = Refusals()
    told = {"error_cb": heard, "statistics.interval.ms": EVERY_MS}
    callbacks = {
        **told,
        "on_commit": refusals.heard,
        "stats_cb": counted,
        "enable.partition.eof": process.horizon is not None,
    }
    try:
        consumer = Consumer({**consumer_config(kafka), **callbacks})
        also = {**told, "stats_cb": counted_out}
        committer = _committer(kafka, process, consumer, refusals, also)
        admin = None if process.embedded else LastingAdmin(kafka)
        clock = _clock(kafka, process, consumer, admin)
    except KafkaException as failure:
        raise SettingsError(f"kafka.client: {failure.args[0].str()}") from None
    pace = Pace(interval_s=kafka.commit_interval_ms / 1000)
    parts = LoopParts(
        consumer=consumer,
        leave=partial(_leave, consumer, clock, admin),
        committer=committer,
        interval=Interval(committer, step, observer, process.reach, pace, process.clock),
        positions=Positions(
            consumer,
            kafka.topics.inputs,
            topic_names if admin is None else described_topic_ids(admin.asked),
            process.clock,
            accept_offsets=process.accept_offsets,
        ),
        step=step,
        observer=observer,
        reach=process.reach,
        pace=pace,
        clock=process.clock,
        sight=sight,
        sweeping=None if clock is None else clock.sweeping(step, observer),
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


class _ClockParts(Struct, frozen=True):
    """What the clock of a process is made of, and what is to be closed with it."""

    consumer: Consumer
    topic: str
    horizon: Horizon
    clock: Clock
    close: Callable[[], None] = lambda: None

    def sweeping(self, step: Step, observer: Observer) -> Sweeping:
        """Return the clock that *step* sweeps by."""
        return Sweeping(
            SweepParts(self.consumer, self.topic, self.horizon, step.sweeps, observer, self.clock)
        )


def _clock(
    kafka: KafkaSettings, process: Process, consumer: Consumer, admin: LastingAdmin | None
) -> _ClockParts | None:
    """Return what the clock of the process is made of; None where nothing can be due."""
    pace, topics, clock = process.horizon, kafka.topics, process.clock
    if pace is None or not topics.clock:
        return None
    if admin is None:
        horizon = Horizon(ConsumerInputs(consumer, topics.fed), pace, clock)
        return _ClockParts(consumer, topics.clock, horizon, clock)
    offsets = CommittedOffsets.open(kafka, clock.now)
    horizon = Horizon(AdminInputs(admin.asked, offsets, topics.fed), pace, clock)
    return _ClockParts(consumer, topics.clock, horizon, clock, offsets.close)


def _leave(consumer: Consumer, clock: _ClockParts | None, admin: LastingAdmin | None) -> None:
    leave(consumer)
    if clock is not None:
        clock.close()
    if admin is not None:
        admin.close()


def leave(consumer: Consumer) -> None:
    """Leave the group and close *consumer*; after LEAVE_S seconds, leave that to the group.

    It notices by itself when the session of this member has ended.
    """
    try:
        apart(consumer.close, LEAVE_S, "leave-group")
    except TimeoutError:
        log.warning("leave_failed")

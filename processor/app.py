"""The composition root: settings in, running processor out; it alone knows all other modules."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from threading import Event
from typing import Final, TextIO

from msgspec import Struct

from processor.apart import until_answered
from processor.codecs.formats import Codecs
from processor.crash import CrashPoints
from processor.index.cache import CachedIndex
from processor.index.errors import IndexUnavailable
from processor.index.port import Index
from processor.kafka import topics
from processor.kafka.asking import Unreachable, asking, wait_for_cluster_id
from processor.kafka.clock import Clock
from processor.kafka.loop.horizon import HorizonPace
from processor.kafka.loop.open import Process, open_loop
from processor.kafka.residues import Residues as Asked
from processor.kafka.survey import topic_id
from processor.pipeline.native import recall
from processor.pipeline.pacing import SweepPace
from processor.pipeline.pipeline import Parts, Pipeline
from processor.pipeline.tally import Tally
from processor.privacy.receipt import Residues, no_residues
from processor.profiles.sections import PART
from processor.redis.generations import open_generations
from processor.redis.index import open_index
from processor.registry import open_codecs, open_registry
from processor.settings import Settings, SettingsError
from processor.settings.addresses import shown
from processor.settings.computed import meanings
from processor.watch.admin import Admin, Health, answers
from processor.watch.aside import tell_set_aside
from processor.watch.contact import Contact, Server
from processor.watch.drops import Drops
from processor.watch.expected import expected
from processor.watch.logs import Log, open_log
from processor.watch.metrics import Metrics
from processor.watch.patience import Patience
from processor.watch.timed import RemoteIndex, TimedIndex
from processor.watch.watch import Garbage, Watch

BOUND_BY: Final = {
    "profiles": "limits.max_profile_bytes",
    "enriched": "limits.max_record_bytes or limits.max_profile_bytes",
}
"""By role, the limits that decide how large records of a topic may get."""


class RunOptions(Struct, frozen=True):
    """How to run, beyond the settings."""

    embedded: bool = False
    accept_offsets: bool = False
    worker: int = 0
    """The number among the workers of one command; 0: it is the only one."""
    listening: socket.socket | None = None
    """For the admin server, in place of the address of the settings."""

    def facts(self) -> Mapping[str, object]:
        """Return what every event of the log says."""
        return {"worker": self.worker} if self.worker else {}


class Edge(Struct, frozen=True):
    """What a pipeline reads from and writes to: the index, and the formats of the topics."""

    index: Index
    codecs: Codecs
    residues: Residues = no_residues
    """Where else data of people is who ask to be forgotten."""


def serve(
    settings: Settings,
    environ: Mapping[str, str],
    stop: Event,
    log_to: TextIO,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
) -> None:
    """Run the processor until *stop* is set. An error that ends it before is raised."""
    clock, points, kafka = Clock(), CrashPoints(environ), settings.kafka
    log = open_log(log_to, settings.observability.log_level, clock.now, environ, options.facts())
    with ExitStack() as opened:
        opened.callback((remote := open_index(settings)).close)
        watched = watch_over(settings, remote, log, clock)
        watch = watched.watch
        admin = open_admin(settings, watched, options)
        opened.callback(admin.stop)
        patience = Patience(watched.kafka, watch, log, stop)
        log.info(
            "starting",
            guarantee=kafka.guarantee,
            group=kafka.group_id,
            admin_port=admin.port,
            native=recall is not None,
        )
        watch.turn()
        cluster = "embedded" if options.embedded else wait_for_cluster_id(kafka, patience.cluster)
        codecs = None if cluster is None else open_formats(settings, patience)
        if codecs is None:
            return
        watched.kafka.answered()
        owner = f"{kafka.group_id}@{cluster}"
        if not options.embedded:
            compare_topics(settings, log, patience)
        bind(settings, owner, patience, options)
        step = build_pipeline(
            settings,
            Edge(
                CachedIndex(watched.index, settings.redis.cache_bytes // 2),
                codecs,
                _residues(settings, options, opened),
            ),
            owner,
            counting(watched.metrics, log, clock),
            points,
            options,
        )
        open_loop(kafka, step, _process(settings, options, points, clock), watch).run(stop)
        log.info("stopped")


def counting(metrics: Metrics, log: Log, clock: Clock) -> Callable[[Tally], None]:
    """Return the function that counts what a committed transaction held."""
    drops = Drops(log, clock.now)

    def counted(tally: Tally) -> None:
        metrics.count(tally)
        metrics.clock.count(tally)
        drops.count(tally)
        tell_set_aside(log, tally)

    return counted


def open_admin(settings: Settings, watched: "Watched", options: RunOptions) -> Admin:
    """Return the admin server of a process, which answers from now on."""
    said = answers(watched.health, watched.metrics.registry)
    listen = settings.observability
    return Admin(listen.host, listen.port, said, options.listening)


class Watched(Struct, frozen=True):
    """Everything that watches a process: metrics, health, and contacts to its servers.

    *index* is the index itself, whose calls are timed.
    """

    metrics: Metrics
    health: Health
    watch: Watch
    kafka: Contact
    index: TimedIndex


def watch_over(settings: Settings, remote: RemoteIndex, log: Log, clock: Clock) -> Watched:
    """Return the watch over a process of *settings* with the index *remote*; asks no server yet."""
    metrics = Metrics()
    metrics.expect(expected(settings.rules(), settings.kafka.guarantee, settings.computed))

    def to(server: Server, address: str) -> Contact:
        return Contact(server, address, log, clock.now, metrics.connection(server))

    kafka = to("kafka", settings.kafka.bootstrap_servers)
    redis = to("redis", shown(settings.redis.url))
    health = Health(clock=clock.now, contacts=(kafka, redis))
    index = TimedIndex(remote, redis, metrics.index_call, clock.now)
    watch = Watch(metrics, health, kafka, index.look, Garbage())
    return Watched(metrics, health, watch, kafka, index)


def compare_topics(settings: Settings, log: Log, patience: Patience) -> None:
    """Log what is wrong with the topics; refuse to start where ours would not fit into them.

    A profile or an enriched batch that its topic refuses would stop the processor for good.
    """
    inspect = partial(topics.inspect, settings.kafka, settings.limits)
    reports = until_answered(inspect, Unreachable, patience.topics) or ()
    for report in reports:
        for problem in report.problems:
            log.warning("topic_problem", topic=report.name, role=report.role, problem=problem)
    refuse_small(reports)


def bind(settings: Settings, owner: str, patience: Patience, options: RunOptions) -> None:
    """Bind the index to the topic of its documents, and to what definitions mean."""
    if not options.embedded:
        recognise_changelog(settings, owner, patience)
    if settings.computed:
        remember_definitions(settings, owner, patience)


def recognise_changelog(settings: Settings, owner: str, patience: Patience) -> None:
    """Bind every space to its key and to the topic ``profiles``; refuse to start with others.

    Under another key nothing in the index would be found, and it could not be rebuilt from a topic
    made anew.
    """
    found = until_answered(partial(_changelog_id, settings), Unreachable, patience.topics)
    changelog = found or ""  # it is not made yet, or stopped meanwhile; the next start looks again
    generations = open_generations(settings)

    def remember() -> None:
        for space in settings.spaces():
            generations.remember(space, owner, changelog)

    try:
        until_answered(remember, IndexUnavailable, patience.index)
    finally:
        generations.close()


def remember_definitions(settings: Settings, owner: str, patience: Patience) -> None:
    """Let the index remember what definitions mean.

    Raises SettingsError where one means something else than under the same version before.
    """
    generations = open_generations(settings)

    def remember() -> None:
        for space in settings.spaces():
            scope = settings.computed.get(space.scope)
            if scope is not None:
                generations.define(space, owner, partial(meanings, scope))

    try:
        until_answered(remember, IndexUnavailable, patience.index)
    finally:
        generations.close()


def _changelog_id(settings: Settings) -> str | None:
    with asking(settings.kafka):
        return topic_id(settings.kafka, settings.kafka.topics.profiles)


def refuse_small(reports: Sequence[topics.TopicReport]) -> None:
    """Raise SettingsError where a topic would refuse what the limits let grow."""
    for report in reports:
        if report.is_too_small and report.role in BOUND_BY:
            raise SettingsError(
                f"topic {report.name} takes smaller records than [limits] allows:"
                f" {report.problems[0]}; raise it, or lower {BOUND_BY[report.role]}"
            )


def open_formats(settings: Settings, patience: Patience) -> Codecs | None:
    """Return the codecs of the topics' formats; None if stopped while they were opened."""
    registry = open_registry(settings.registry_url())
    memory_bytes = settings.redis.cache_bytes // PART
    return open_codecs(registry, settings.avro_topics(), patience.registry, memory_bytes)


def build_pipeline(
    settings: Settings,
    edge: Edge,
    owner: str,
    counted: Callable[[Tally], None],
    points: CrashPoints,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
) -> Pipeline:
    """Return the pipeline of *settings* at *edge*."""
    spaces = settings.space_rules()
    return Pipeline(
        Parts(
            rules=settings.rules(),
            spaces=spaces,
            index=edge.index,
            memory_bytes=settings.redis.cache_bytes // 2,
            pace=SweepPace(
                settings.clock.max_per_s,
                settings.kafka.commit_interval_ms / 1000,
                time.monotonic,
            ),
            computed=settings.computed,
            owner=owner,
            key=settings.key(),
            codecs=edge.codecs,
            with_outcomes=bool(settings.kafka.topics.outcomes),
            accept_offsets=options.accept_offsets,
            residues=edge.residues,
            wait=time.sleep,
            reach=points.reach,
            look=points.look,
            counted=counted,
        )
    )


def _residues(settings: Settings, options: RunOptions, opened: ExitStack) -> Residues:
    """Return what tells where else data of a person is, as the cluster says from time to time."""
    if options.embedded or not settings.kafka.topics.privacy:
        return no_residues
    asked = Asked(settings.kafka)
    opened.callback(asked.start())
    return asked.at


def _process(settings: Settings, options: RunOptions, points: CrashPoints, clock: Clock) -> Process:
    pace, is_timed = settings.clock, bool(settings.kafka.topics.clock)
    return Process(
        name=process_name(),
        embedded=options.embedded,
        accept_offsets=options.accept_offsets,
        reach=points.reach,
        clock=clock,
        horizon=HorizonPace(pace.grace_s, pace.max_silence_s) if is_timed else None,
    )


def process_name() -> str:
    """Name this process among those of its group: host, process and start time."""
    return f"{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}"

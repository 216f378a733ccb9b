"""The composition root: settings in, running processor out; it alone knows all other modules."""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Final, TextIO

from msgspec import Struct

from processor.codecs.avro.reading import RegistryUnavailable
from processor.codecs.formats import Codecs
from processor.crash import CrashPoints
from processor.index.port import Index
from processor.kafka import topics
from processor.kafka.asking import Unreachable, wait_for_cluster_id
from processor.kafka.loop.open import Options, open_loop
from processor.pipeline.pipeline import Parts, Pipeline
from processor.redis.index import RedisIndex
from processor.registry import Registry, open_codecs
from processor.settings import Settings, SettingsError
from processor.watch.admin import Admin, Health
from processor.watch.logs import Log, open_log
from processor.watch.metrics import Metrics
from processor.watch.watch import Garbage, Watch

TOPICS_AGAIN_S: Final = 0.5
REGISTRY_AGAIN_S: Final = 0.5
"""How long a registry that is away is left alone."""
BOUND_BY: Final = {
    "profiles": "limits.max_profile_bytes",
    "enriched": "limits.max_record_bytes or limits.max_profile_bytes",
}
"""By role, the limits that decide how large records of a topic may get."""


class How(Struct, frozen=True):
    """How to run, beyond the settings."""

    embedded: bool = False
    accept_offsets: bool = False


class Edge(Struct, frozen=True):
    """What a pipeline reads from and writes to: the index, and the formats of the topics."""

    index: Index
    codecs: Codecs


def serve(
    settings: Settings, environ: Mapping[str, str], stop: Event, log_to: TextIO, how: How
) -> None:
    """Run the processor until *stop* is set; whatever ends it otherwise is raised."""
    log = open_log(log_to, settings.observability.log_level)
    points = CrashPoints(environ)
    metrics, health = Metrics(), Health()
    watch = Watch(metrics, health, Garbage())
    listen = settings.observability
    admin = Admin(listen.host, listen.port, health, metrics.registry)
    index = RedisIndex.connect(
        settings.redis.url.reveal(),
        settings.redis.prefix,
        settings.key(),
        cluster=settings.redis.cluster,
    )
    try:
        kafka = settings.kafka
        log.info("starting", guarantee=kafka.guarantee, group=kafka.group_id, admin_port=admin.port)
        cluster = "embedded" if how.embedded else wait_for_cluster_id(settings.kafka, stop, watch)
        codecs = None if cluster is None else open_formats(settings, stop, watch)
        if codecs is None:
            return
        if not how.embedded:
            compare_topics(settings, log, stop, watch)
        owner = f"{settings.kafka.group_id}@{cluster}"
        step = build_pipeline(
            settings,
            Edge(index, codecs),
            owner,
            metrics,
            points,
            accept_offsets=how.accept_offsets,
        )
        options = Options(
            process=process_name(),
            embedded=how.embedded,
            accept_offsets=how.accept_offsets,
            reach=points.reach,
        )
        open_loop(settings.kafka, step, options, watch).run(stop)
        log.info("stopped")
    finally:
        index.close()
        admin.stop()


def compare_topics(settings: Settings, log: Log, stop: Event, watch: Watch) -> None:
    """Log what is wrong with the topics; refuse to start where ours would not fit into them.

    A profile or an enriched batch that its topic refuses would stop the processor for good. A
    cluster that does not answer is waited for; one that does not let us ask is not.
    """
    reports: Sequence[topics.TopicReport] = ()
    while not stop.is_set():
        try:
            reports = topics.inspect(settings.kafka, settings.limits)
            break
        except Unreachable as away:
            log.warning("topics_not_compared", why=str(away))
            if not away.is_passing:
                break
        watch.turn()
        watch.error("kafka", "topics_not_compared")
        stop.wait(TOPICS_AGAIN_S)
    for report in reports:
        for problem in report.problems:
            log.warning("topic_problem", topic=report.name, role=report.role, problem=problem)
    refuse_small(reports)


def refuse_small(reports: Sequence[topics.TopicReport]) -> None:
    """Raise SettingsError where a topic would refuse what the limits let grow."""
    for report in reports:
        if report.is_too_small and report.role in BOUND_BY:
            raise SettingsError(
                f"topic {report.name} takes smaller records than [limits] allows:"
                f" {report.problems[0]}; raise it, or lower {BOUND_BY[report.role]}"
            )


def open_formats(settings: Settings, stop: Event, watch: Watch) -> Codecs | None:
    """Return what reads and writes the topics' formats, waiting for an unreachable registry."""

    def waits(away: RegistryUnavailable) -> bool:
        watch.turn()
        watch.error("registry", str(away))
        return not stop.wait(REGISTRY_AGAIN_S)

    url = settings.registry_url()
    return open_codecs(Registry(url) if url else None, settings.avro_topics(), waits)


def build_pipeline(
    settings: Settings,
    edge: Edge,
    owner: str,
    metrics: Metrics,
    points: CrashPoints,
    *,
    accept_offsets: bool = False,
) -> Pipeline:
    """Return the pipeline of *settings* at *edge*."""
    spaces = settings.space_rules()
    return Pipeline(
        Parts(
            rules=settings.rules(),
            spaces=spaces,
            index=edge.index,
            owner=owner,
            key=settings.key(),
            codecs=edge.codecs,
            with_outcomes=bool(settings.kafka.topics.outcomes),
            accept_offsets=accept_offsets,
            wait=time.sleep,
            reach=points.reach,
            look=points.look,
            counted=metrics.count,
        )
    )


def process_name() -> str:
    """Name this process among those of its group: host, process and start time."""
    return f"{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns()}"

"""The command: everything is looked at, every fault told once, and the last line counts them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct

from processor.codecs.avro.reading import RegistryUnavailable
from processor.commands.check.computed import ageing, computed
from processor.commands.check.findings import Finding, accepted, show, show_json, summary
from processor.commands.check.index import index
from processor.commands.check.privacy import privacy
from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.crash import POINTS
from processor.index.errors import IndexRefused, IndexUnavailable
from processor.kafka import topics
from processor.kafka.asking import Unreachable, reach
from processor.pipeline.witness import MOST_METADATA, Witness, write_witnesses
from processor.redis.index import open_index
from processor.registry import RegistryRefused, open_registry
from processor.settings import Settings, load
from processor.settings.advice import Advice

_LARGEST: Final = Witness(cursor=2**63 - 1, seq=2**63 - 1)


class How(Struct, frozen=True):
    """What the command line asks for."""

    create: bool = False
    width: topics.Width = topics.Width()
    as_json: bool = False


def asked(*, create: bool, partitions: int | None, replicas: int | None, as_json: bool) -> How:
    """Return what the options ask for; widths are those of topics that are made."""
    if not create and (partitions or replicas):
        raise click.UsageError("--partitions and --replication-factor belong to --create")
    return How(create=create, width=topics.Width(partitions, replicas), as_json=as_json)


def list_crash_points() -> None:
    """Print the names of the crash points, one per line."""
    for point in POINTS:
        say(point)


def check(config: Path, environ: Mapping[str, str], how: How | None = None) -> None:
    """Print what is right and wrong; raise Failure if anything is wrong."""
    how = how or How()
    settings = load(config, environ)
    created = _created(settings, how) if how.create else []
    findings = list(accepted(_findings(settings), settings.check.accept))
    if how.as_json:
        show_json(findings, [_as_json(topic) for topic in created])
    else:
        for topic in created:
            say(f"created topic {topic.name} ({_width(topic)})")
        show(findings)
    if any(one.verdict == "wrong" for one in findings):
        raise Failure(summary(findings))
    if not how.as_json:
        say(summary(findings))


def _created(settings: Settings, how: How) -> list[topics.Topic]:
    try:
        reach(settings.kafka)
        return topics.create_missing(settings.kafka, settings.limits, how.width)
    except Unreachable as error:
        raise Failure(str(error)) from None


def _width(topic: topics.Topic) -> str:
    counts = (topic.partitions, "partition"), (topic.replicas, "replica")
    return ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for n, name in counts)


def _as_json(topic: topics.Topic) -> dict[str, Any]:
    return {"name": topic.name, "partitions": topic.partitions, "replicas": topic.replicas}


def _findings(settings: Settings) -> Sequence[Finding]:
    of_redis, of_kafka = list(redis(settings)), list(kafka(settings))
    found = [*configuration(settings), *of_redis, *of_kafka]
    # What does not answer has been told; a topic that is missing leaves nothing to compare.
    if not any(one.verdict == "wrong" and one.what in ("redis", "kafka") for one in found):
        found += index(settings)
    return [*found, *schema_registry(settings)]


def configuration(settings: Settings) -> Iterator[Finding]:
    """Say what the configuration is, what it warns of, and whether its spaces fit an offset."""
    names = [space.name for space in settings.spaces()]
    counts = (("workspace", settings.workspaces), ("input", settings.inputs))
    says = ", ".join(f"{len(of)} {name}{'s' if len(of) != 1 else ''}" for name, of in counts)
    yield Finding("configuration", "ok", says)
    for path, text in settings.advice():
        yield Finding(path, "warning", text, path)
    yield from computed(settings)
    yield from ageing(settings)
    length = len(write_witnesses(dict.fromkeys(names, _LARGEST)))
    if length > MOST_METADATA:
        says = (
            f"{len(names)} spaces need up to {length} characters of an offset's metadata,"
            f" {MOST_METADATA} fit: use fewer scopes or shorter names, or another process group"
        )
        yield Finding("spaces", "wrong", says)
    else:
        yield Finding("spaces", "ok", ", ".join(names))


def redis(settings: Settings) -> Iterator[Finding]:
    """Say whether the server can be trusted with the index."""
    server = open_index(settings)
    try:
        for report in server.server_report():
            what = f"redis {report.node}" if report.is_cluster else "redis"
            yield Finding(what, "ok", f"{report.server} {report.version}")
            yield from _told(what, report.problems, report.warnings)
    except (IndexRefused, IndexUnavailable) as error:
        yield Finding("redis", "wrong", str(error))
    finally:
        server.close()


def kafka(settings: Settings) -> Iterator[Finding]:
    """Say whether the topics are there, and such that nothing is lost or refused."""
    try:
        reach(settings.kafka)
        reports = topics.inspect(settings.kafka, settings.limits)
        of_privacy = list(privacy(settings))
    except Unreachable as error:
        yield Finding("kafka", "wrong", str(error))
        return
    for report in reports:
        what = f"topic {report.name}"
        if not report.problems:
            yield Finding(what, "ok", report.role)
        yield from _told(what, report.problems, report.warnings)
    yield from of_privacy


def _told(what: str, problems: Iterable[str], warnings: Iterable[Advice]) -> Iterator[Finding]:
    yield from (Finding(what, "wrong", text) for text in problems)
    yield from (Finding(what, "warning", one.text, one.path) for one in warnings)


def schema_registry(settings: Settings) -> Iterator[Finding]:
    """Say whether the registry answers and takes our schemas; nothing where there is none."""
    try:
        registry = open_registry(settings.registry_url())
        if registry is None:
            return
        try:
            for role, topic in settings.avro_topics().items():
                if not registry.accepts(role, topic):
                    says = (
                        f"does not take our schema for {topic}: it is not compatible with its own"
                    )
                    yield Finding("schema registry", "wrong", says)
            registry.writer(1)
            yield Finding("schema registry", "ok", "answers")
        finally:
            registry.close()
    except RegistryRefused as error:
        yield Finding("schema registry", "wrong", str(error))
    except RegistryUnavailable as error:
        yield Finding("schema registry", "wrong", f"cannot be asked: {error}")

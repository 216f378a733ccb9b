"""``idstream check``: the configuration and everything it points to, as a list of findings."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

from processor.codecs.avro.reading import RegistryUnavailable
from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.tables import print_table
from processor.crash import POINTS
from processor.index.errors import IndexRefused, IndexUnavailable
from processor.kafka import topics
from processor.kafka.asking import Unreachable, reach
from processor.pipeline.witness import MOST_METADATA, Witness, write_witnesses
from processor.redis.index import open_index
from processor.registry import RegistryRefused, open_registry
from processor.settings import Settings, load

_LARGEST: Final = Witness(cursor=2**63 - 1, seq=2**63 - 1)


class Finding(NamedTuple):
    """One line of the list: the thing looked at, the verdict, and the reason or the detail."""

    what: str
    verdict: Literal["ok", "warning", "wrong"]
    says: str


def list_crash_points() -> None:
    """Print the names of the crash points, one per line."""
    for point in POINTS:
        say(point)


def check(config: Path, environ: Mapping[str, str]) -> None:
    """Print what is right and wrong; raise Failure if anything is wrong."""
    _report(load(config, environ))


def check_and_create(config: Path, environ: Mapping[str, str]) -> None:
    """Create missing topics with the right settings, then check."""
    settings = load(config, environ)
    try:
        reach(settings.kafka)
        created = topics.create_missing(settings.kafka, settings.limits)
    except Unreachable as error:
        raise Failure(str(error)) from None
    for name in created:
        say(f"created topic {name}")
    _report(settings)


def _report(settings: Settings) -> None:
    findings = [
        *configuration(settings),
        *redis(settings),
        *kafka(settings),
        *schema_registry(settings),
    ]
    print_table("idstream check", ("what", "", "says"), findings)
    wrong = [f for f in findings if f.verdict == "wrong"]
    if wrong:
        listed = "; ".join(f"{f.what}: {f.says}" for f in wrong)
        raise Failure(f"{len(wrong)} wrong: {listed}")


def configuration(settings: Settings) -> Iterator[Finding]:
    """Yield what the configuration has, its warnings, and whether its spaces fit into an offset."""
    names = [space.name for space in settings.spaces()]
    counts = (("workspace", settings.workspaces), ("input", settings.inputs))
    says = ", ".join(f"{len(of)} {name}{'s' if len(of) != 1 else ''}" for name, of in counts)
    yield Finding("configuration", "ok", says)
    for path, text in settings.advice():
        yield Finding(path, "warning", text)
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
    """Yield whether each server is set up so that the index is safe there."""
    index = open_index(settings)
    try:
        for report in index.server_report():
            what = f"redis {report.node}" if report.is_cluster else "redis"
            yield Finding(what, "ok", f"{report.server} {report.version}")
            yield from (Finding(what, "wrong", text) for text in report.problems)
            yield from (Finding(what, "warning", text) for text in report.warnings)
    except (IndexRefused, IndexUnavailable) as error:
        yield Finding("redis", "wrong", str(error))
    finally:
        index.close()


def kafka(settings: Settings) -> Iterator[Finding]:
    """Yield whether the topics exist, with settings under which nothing is lost or refused."""
    try:
        reach(settings.kafka)
        reports = topics.inspect(settings.kafka, settings.limits)
    except Unreachable as error:
        yield Finding("kafka", "wrong", str(error))
        return
    for report in reports:
        what = f"topic {report.name}"
        if not report.problems:
            yield Finding(what, "ok", report.role)
        yield from (Finding(what, "wrong", text) for text in report.problems)
        yield from (Finding(what, "warning", text) for text in report.warnings)


def schema_registry(settings: Settings) -> Iterator[Finding]:
    """Yield whether the registry answers and takes our schemas; nothing where none is set."""
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

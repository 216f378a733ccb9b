"""The command: looks at a deployment once; status 1 where something is not as it should be."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from processor.commands.check.index import compared
from processor.commands.status.picture import Partition, Picture, Space, picture
from processor.commands.status.view import show
from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.kafka.asking import NoTopic, Unreachable, asking
from processor.kafka.group import Unsettled
from processor.kafka.survey import logs, members, newest_ms
from processor.kafka.topics import TopicReport, inspect
from processor.redis.generations import open_generations
from processor.settings import Settings, load


def status(config: Path, environ: Mapping[str, str], *, as_json: bool = False) -> None:
    """Print how the deployment stands; raise Failure with what is not as it should be."""
    settings = load(config, environ)
    try:
        found = look(settings)
    except (Unreachable, NoTopic, Unsettled) as error:
        raise Failure(str(error)) from None
    if as_json:
        text = msgspec.json.format(msgspec.json.encode(found)).decode()
        say(text)
    else:
        show(found)
    if found.problems:
        raise Failure("; ".join(found.problems))


def look(settings: Settings) -> Picture:
    """Ask Kafka and Redis, and put together what they say. It writes nothing."""
    topics = settings.kafka.topics
    generations = open_generations(settings)
    try:
        with asking(settings.kafka):
            present = members(settings.kafka)
            kafka, spaces = compared(settings, generations)
            ends = logs(settings.kafka, topics.inputs)
            published_ms = newest_ms(settings.kafka, topics.profiles)
            reports = inspect(settings.kafka, settings.limits)
        censuses = generations.censuses({one.space: one.survey.number for one in spaces})
    finally:
        generations.close()
    owners = {key: member.name for member in present for key in member.partitions}
    found = picture(
        settings.kafka.group_id,
        [member.name for member in present],
        [
            Partition(
                topic=one.topic,
                partition=one.partition,
                position=one.committed,
                end=ends[one.row].end,
                lag=ends[one.row].end - max(one.committed or 0, ends[one.row].begin),
                owner=owners.get(one.row),
            )
            for one in kafka.standing
        ],
        [
            Space(
                name=one.space.name,
                profiles=censuses[one.space].profiles,
                identifiers=censuses[one.space].identifiers,
                graves=censuses[one.space].graves,
                memory_bytes=censuses[one.space].memory_bytes,
                commits=one.survey.seq,
                changed_ms=one.survey.changed_ms,
                agrees=not one.problems,
                problems=one.problems,
            )
            for one in spaces
        ],
        published_ms,
    )
    wrong, warned = _of_topics(reports, settings.check.accept)
    return replace(found, problems=(*found.problems, *wrong), warnings=warned)


def _of_topics(
    reports: Sequence[TopicReport], accept: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is wrong with topics, and what is warned of and was not accepted."""
    return (
        tuple(f"topic {of.name}: {text}" for of in reports for text in of.problems),
        tuple(
            f"topic {of.name}: {one.text} [{one.path}]"
            for of in reports
            for one in of.warnings
            if one.path not in accept
        ),
    )

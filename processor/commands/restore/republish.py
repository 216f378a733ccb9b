"""``idstream restore --republish``: the topic ``profiles``, filled from the index that is there.

It is for a topic that was made anew or emptied under a sound index. Nothing in the index changes
but the id of the topic that it is bound to, last of all: ended before, it is simply begun again.
"""

from collections.abc import Mapping
from pathlib import Path

from processor.commands.agreement import Kafka, problems_of
from processor.commands.restore.publication import SLICE, Channel, outputs_of_index
from processor.commands.restore.servers import Servers, connected
from processor.commands.restore.standstill import check_unchanged, standing_of, wait_alone
from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.index.port import Assignment
from processor.kafka.survey import topic_id
from processor.profiles.document import is_case, is_grave, unpack, unpack_grave, version_of
from processor.redis.generations import Survey

Standing = tuple[Assignment, ...]


def republish(config: Path, environ: Mapping[str, str], *, wait: bool) -> None:
    """Publish every document of every space again, and bind the spaces to the topic."""
    with connected(config, environ) as servers:
        kafka = servers.settings.kafka
        wait_alone(servers.group, wait=wait)
        standing = standing_of(servers.group)
        owner = servers.group.owner()
        changelog = topic_id(kafka, kafka.topics.profiles)
        if changelog is None:
            raise Failure(f"topic {kafka.topics.profiles} is not there: `idstream check --create`")
        rows = [one.row for one in standing]
        surveys = {s: servers.generations.survey(s, rows) for s in servers.settings.spaces()}
        _check_sound(servers, surveys, standing, owner)
        channel = Channel(servers.settings)
        for space, survey in surveys.items():
            count = _publish(servers, channel, space, survey, standing)
            say(f"{space.name}: {count:,} documents published again")
            servers.reach("restore_published")
        check_unchanged(servers.group, standing, wait=wait)
        for space in surveys:
            servers.generations.remember(space, owner, changelog, anew=True)
        say("the topic has every profile: processors may be started")


def _check_sound(
    servers: Servers, surveys: Mapping[Space, Survey], standing: Standing, owner: str
) -> None:
    """Refuse to publish an index that a start would refuse for anything but the topic."""
    for rules in servers.settings.space_rules():
        survey = surveys[rules.space]
        known = Kafka(owner, standing, survey.changelog, ())
        for problem in problems_of(rules, survey, known):
            raise Failure(f"nothing was published: {problem}")


def _publish(
    servers: Servers, channel: Channel, space: Space, survey: Survey, standing: Standing
) -> int:
    """Publish the documents of one space; return how many they were."""
    count = 0
    for found in servers.generations.documents(space, survey.number):
        for at in range(0, len(found), SLICE):
            lot = [_unpacked(*one) for one in found[at : at + SLICE]]
            channel.publish(outputs_of_index(servers.settings, space, lot, standing))
            count += len(lot)
    return count


def _unpacked(mpid: int, data: bytes) -> Profile | Grave | Filed:
    if is_grave(data):
        return unpack_grave(mpid, data)
    return Filed(mpid, version_of(data), data) if is_case(data) else unpack(data)

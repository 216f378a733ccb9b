"""``idstream restore``: the index built anew from the ``profiles`` topic, beside what is left.

Everything is written into a new generation that nobody reads. When it is whole, and the group still
has no members and stands where it stood, one script per space makes it the live one, with rows that
begin at the committed offsets. Interrupted at any point, it is simply begun again.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from processor.codecs.formats import Codecs
from processor.commands.restore.records import (
    REGISTRY_AWAY,
    ChangelogReader,
    TooManyUnreadable,
    again,
    outputs_of,
)
from processor.commands.restore.suspicions import (
    check_any,
    check_none_under_way,
    check_unanimous,
    check_whole,
    surveyed,
)
from processor.commands.restore.telling import (
    say,
    tell_blank,
    tell_foreign,
    tell_read,
    tell_verdicts,
    unreadable,
)
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.progress import progress
from processor.crash import CrashPoints
from processor.identity.model import Space
from processor.index.port import Assignment
from processor.index.shape import announcement, shape, unfinished
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.changelog import Changelog
from processor.kafka.clock import Clock
from processor.kafka.group import AtWork, Group, Unsettled
from processor.kafka.oneshot import OneShot
from processor.pipeline.witness import Witness, carry_witnesses, read_witnesses
from processor.records import Output, RowKey
from processor.redis.generations import (
    Generations,
    Life,
    NewGeneration,
    NewRow,
    OtherShape,
    Survey,
    open_generations,
)
from processor.redis.restoration import Restoration
from processor.registry import open_codecs, open_registry
from processor.settings import Settings, load

SEQ_MARGIN: Final = 1_000_000
"""More commits than one can have made that no committed offset has seen."""
ASK_AGAIN_S: Final = 0.5
SLICE: Final = 1000
"""Profiles that are published in one transaction: it must end in time, and fit into memory."""


class How(Struct, frozen=True):
    """What the command line asks for."""

    wait: bool = False
    reindex: bool = False
    accept_loss: bool = False
    """Also where the index is better than what would take its place."""


class _Servers(Struct, frozen=True):
    settings: Settings
    group: Group
    generations: Generations
    reach: Callable[[str], None]


class _Built(Struct, frozen=True):
    """One space, built and not switched."""

    building: NewGeneration
    rebuilding: Restoration


def restore(config: Path, environ: Mapping[str, str], how: How) -> None:
    """Rebuild every space of the configuration, and switch to what was built."""
    with _servers(config, environ) as servers:
        _wait_alone(servers.group, wait=how.wait)
        standing = _standing(servers.group)
        tell_foreign(standing)
        owner = servers.group.owner()
        # From here on whoever claims a space keeps it from being switched.
        spaces = {space: _begin(servers, space, owner, how) for space in servers.settings.spaces()}
        live = surveyed(servers.generations, list(spaces), standing)
        if not how.accept_loss:
            check_none_under_way(live, standing)
        servers.reach("restore_begun")
        _delete(servers, spaces)  # what others have left: there must be room for what comes
        _read(servers, spaces, how)
        if not how.reindex:
            tell_blank([s for s in spaces if not live[s].shape and spaces[s].rebuilding.profiles])
        if not how.accept_loss:
            _check_better(servers, spaces, live, standing)
        _reconcile(servers, spaces, standing, how)
        servers.reach("before_restore_switch")
        _check_unchanged(servers.group, standing, wait=how.wait)
        _switch(servers, spaces, standing, owner)
        say("the index is restored: processors may be started")
        _delete(servers, spaces)


@contextmanager
def _servers(config: Path, environ: Mapping[str, str]) -> Iterator[_Servers]:
    settings = load(config, environ)
    generations = open_generations(settings)
    group = Group(settings.kafka, say, Clock())
    try:
        with reaching(settings.kafka):
            yield _Servers(settings, group, generations, CrashPoints(environ).reach)
    except Unreachable as error:
        raise Failure(str(error)) from None
    except NoTopic as error:
        raise Failure(f"{error}: nothing was switched") from None
    finally:
        group.close()
        generations.close()


def _standing(group: Group) -> tuple[Assignment, ...]:
    try:
        return group.standing()
    except Unsettled as error:
        raise Failure(str(error)) from None


def _wait_alone(group: Group, *, wait: bool) -> None:
    """Return when the group has no members; where it has some, refuse or, if told so, wait."""
    told: list[str] = []
    while members := group.members():
        if not wait:
            raise Failure(
                f"the group has {len(members)} live members ({', '.join(members)}): stop them, or"
                " let restore wait for their sessions to end with --wait"
            )
        if members != told:
            say(f"waiting for {len(members)} members to leave: {', '.join(members)}")
            told = members
        time.sleep(ASK_AGAIN_S)


def _check_unchanged(group: Group, standing: Sequence[Assignment], *, wait: bool) -> None:
    _wait_alone(group, wait=wait)
    if _standing(group) != standing:
        raise Failure("the group has gone on meanwhile: nothing was switched, begin again")


def _begin(servers: _Servers, space: Space, owner: str, how: How) -> _Built:
    policy = servers.settings.policy(space.scope)
    try:
        building = servers.generations.begin(space, owner, shape(policy), is_new=how.reindex)
    except OtherShape as held:
        if (way_out := unfinished(space, str(held))) is not None:
            raise Failure(way_out) from None
        raise Failure(
            f"the index of space {space.name} was built under other identity settings ({held}):"
            " change them back, or derive it anew with --reindex"
        ) from None
    return _Built(building, Restoration(building, policy, is_new_policy=how.reindex))


def _read(servers: _Servers, spaces: Mapping[Space, _Built], how: How) -> None:
    kafka = servers.settings.kafka
    changelog = Changelog(kafka, kafka.topics.profiles)
    reading = ChangelogReader(servers.settings.registry_url())
    try:
        with progress(f"reading {kafka.topics.profiles}") as shown:
            for part in changelog.read():
                for space, records in reading.parsed(part.records).items():
                    if space in spaces:
                        spaces[space].rebuilding.add(records)
                    else:
                        reading.note_unknown(space, len(records))
                shown.at(part.done, part.total)
                servers.reach("restore_reading")
    except TooManyUnreadable:
        raise Failure(unreadable(reading)) from None
    finally:
        changelog.close()
    if reading.unreadable and not how.accept_loss:
        raise Failure(unreadable(reading))
    tell_read({space: one.rebuilding for space, one in spaces.items()}, reading)


def _check_better(
    servers: _Servers,
    spaces: Mapping[Space, _Built],
    live: Mapping[Space, Survey],
    standing: Sequence[Assignment],
) -> None:
    built = {space: one.rebuilding for space, one in spaces.items()}
    check_whole(servers.generations, built, live, standing)
    check_any(built, standing)
    check_unanimous(built, servers.settings.kafka.topics.profiles)


def _reconcile(
    servers: _Servers, spaces: Mapping[Space, _Built], standing: Sequence[Assignment], how: How
) -> None:
    """Set right what contradicts itself, in the changelog first: begun again, it is right there."""
    channel = _Channel(servers)
    for space, built in spaces.items():
        overtaken = 0
        for records in built.rebuilding.overtaken():
            channel.publish(again(servers.settings, records, standing))
            overtaken += len(records)
        if overtaken:
            say(f"{space.name}: {overtaken:,} profiles published again, over a lower version")
        built.rebuilding.finish()
        edits, verdicts = built.rebuilding.reconcile()
        tell_verdicts(space, edits, verdicts)
        if edits:
            _announce(servers, space, built.building, standing, how)
        for at in range(0, len(edits), SLICE):
            some, token = edits[at : at + SLICE], servers.generations.token
            channel.publish(outputs_of(servers.settings, some, token, standing))
            built.rebuilding.write(some)
            servers.reach("restore_published")


class _Channel:
    """Publishes in the formats of the topics; connects when there is something."""

    def __init__(self, servers: _Servers) -> None:
        self._settings = servers.settings
        self._connected: tuple[Codecs, OneShot] | None = None

    def publish(self, outputs: list[Output]) -> None:
        """Publish *outputs* in a transaction of their own."""
        if self._connected is None:
            self._connected = _codecs(self._settings), OneShot(self._settings.kafka, "restore")
        codecs, producer = self._connected
        producer.publish(codecs.written(outputs))


def _announce(
    servers: _Servers,
    space: Space,
    building: NewGeneration,
    standing: Sequence[Assignment],
    how: How,
) -> None:
    """Keep everybody from going on with the old entries from now on; nobody may be at it."""
    wanted = shape(servers.settings.policy(space.scope))
    _wait_alone(servers.group, wait=how.wait)
    before = building.announce(announcement(wanted, is_new=how.reindex))
    try:
        _check_unchanged(servers.group, standing, wait=False)
    except BaseException:
        building.announce(before)  # nothing is published: the index may be used as it is
        raise


def _codecs(settings: Settings) -> Codecs:
    registry = open_registry(settings.registry_url())
    codecs = open_codecs(registry, settings.avro_topics(), lambda _away: False)
    if codecs is None:
        raise Failure(REGISTRY_AWAY)
    return codecs


def _switch(
    servers: _Servers,
    spaces: Mapping[Space, _Built],
    standing: Sequence[Assignment],
    owner: str,
) -> None:
    """Switch each space, then give the committed offsets witnesses of what they meet now.

    Where the group has gone on since the switch, its own commits bear witness.
    """
    settings = servers.settings
    seqs: dict[str, int] = {}
    for space, built in spaces.items():
        rows = tuple(
            NewRow(RowKey(one.topic, one.partition), one.topic_id, one.committed)
            for one in standing
            if one.committed is not None
        )
        life = Life(
            owner=owner,
            config=settings.fingerprint(space.scope),
            shape=shape(settings.policy(space.scope)),
            least_seq=_seen(space, standing) + SEQ_MARGIN,
            rows=rows,
        )
        seqs[space.name] = built.building.switch(life)
        servers.reach("after_restore_switch")
    told = [
        replace(one, metadata=_metadata(one.metadata, one.committed, seqs))
        for one in standing
        if one.committed is not None
    ]
    try:
        _check_unchanged(servers.group, standing, wait=False)
        servers.group.commit(told)
    except (Failure, AtWork):
        say("the group is at work already")


def _metadata(before: str, cursor: int, seqs: Mapping[str, int]) -> str:
    """Return the witnesses of an offset; those of spaces that were not restored go on."""
    ours = {name: Witness(cursor=cursor, seq=seq) for name, seq in seqs.items()}
    return carry_witnesses(read_witnesses(before) or {}, ours)


def _seen(space: Space, standing: Sequence[Assignment]) -> int:
    """Return the highest seq of *space* that a committed offset bears witness of."""
    found = [read_witnesses(one.metadata) or {} for one in standing]
    return max((w[space.name].seq for w in found if space.name in w), default=0)


def _delete(servers: _Servers, spaces: Mapping[Space, _Built]) -> None:
    """Delete what no generation needs any more; stopped here, the next restore goes on with it."""
    deleted = 0
    for space in spaces:
        for number in servers.generations.discarded(space):
            for count in servers.generations.delete(space, number):
                deleted += count
                servers.reach("restore_deleting")
    if deleted:
        say(f"{deleted:,} keys of old generations deleted")

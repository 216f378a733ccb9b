"""``idstream restore``: the index, rebuilt from the ``profiles`` topic beside what is left of it.

Everything is written into a new generation that nobody reads. When it is whole, and the group still
has no members and its offsets are what they were, one script per space makes it the live one, with
rows that begin at the committed offsets. Interrupted at any point, it is simply begun again.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from processor.commands.restore.cases import read_cases
from processor.commands.restore.notices import (
    tell_blank,
    tell_foreign,
    tell_read,
    tell_verdicts,
)
from processor.commands.restore.publication import (
    Channel,
    outputs_of_edits,
    outputs_over_older,
)
from processor.commands.restore.reader import ChangelogReader, TooManyUnreadable
from processor.commands.restore.safeguards import (
    check_any,
    check_none_under_way,
    check_unanimous,
    check_whole,
    surveyed,
)
from processor.commands.restore.servers import Servers, connected
from processor.commands.restore.standstill import check_unchanged, standing_of, wait_alone
from processor.commands.restore.switch import switch
from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.progress import progress
from processor.identity.model import Space
from processor.index.port import Assignment
from processor.index.shape import announcement, shape, unfinished
from processor.kafka.changelog import Changelog
from processor.redis.generations import NewGeneration, OtherShape, Survey
from processor.redis.restoration import Restoration

SLICE: Final = 1000
"""Profiles that are published in one transaction: it must end in time, and fit into memory."""


class RestoreOptions(Struct, frozen=True):
    """The options of the command line."""

    wait: bool = False
    reindex: bool = False
    accept_loss: bool = False
    """Also where the index is better than what would take its place."""


class _Successor(Struct, frozen=True):
    """The generation that is to take the place of a space's live one."""

    generation: NewGeneration
    """Its keys in Redis, and the switch to it."""
    contents: Restoration
    """The profiles and entries that records of the topic have put there."""


_Successors = Mapping[Space, _Successor]


def restore(config: Path, environ: Mapping[str, str], options: RestoreOptions) -> None:
    """Rebuild every space of the configuration, and switch to what was built."""
    with connected(config, environ) as servers:
        wait_alone(servers.group, wait=options.wait)
        standing = standing_of(servers.group)
        tell_foreign(standing)
        owner = servers.group.owner()
        # From here on a processor that takes a space over keeps it from being switched.
        successors = {s: _begin(servers, s, owner, options) for s in servers.settings.spaces()}
        live = surveyed(servers.generations, list(successors), standing)
        if not options.accept_loss:
            check_none_under_way(live, standing)
        servers.reach("restore_begun")
        _delete(servers, successors)  # old generations: there must be room for the new one
        _set_up_cases(servers, successors, options)
        _read(servers, successors, options)
        if not options.reindex:
            _tell_blank(live, successors)
        if not options.accept_loss:
            _check_better(servers, successors, live, standing)
        _reconcile(servers, successors, standing, options)
        servers.reach("before_restore_switch")
        check_unchanged(servers.group, standing, wait=options.wait)
        switch(servers, {s: one.generation for s, one in successors.items()}, standing, owner)
        say("the index is restored: processors may be started")
        _delete(servers, successors)


def _begin(servers: Servers, space: Space, owner: str, options: RestoreOptions) -> _Successor:
    policy = servers.settings.policy(space.scope)
    try:
        generation = servers.generations.begin(space, owner, shape(policy), is_new=options.reindex)
    except OtherShape as held:
        if (way_out := unfinished(space, str(held))) is not None:
            raise Failure(way_out) from None
        raise Failure(
            f"the index of space {space.name} was built under other identity settings ({held}):"
            " change them back, or derive it anew with --reindex"
        ) from None
    return _Successor(
        generation,
        Restoration(
            generation,
            policy,
            is_new_policy=options.reindex,
            grave_days=servers.settings.limits.grave_days,
        ),
    )


def _set_up_cases(servers: Servers, successors: _Successors, options: RestoreOptions) -> None:
    """Set up what people have asked for, before any profile: who was erased stays so."""
    found = read_cases(servers.settings, accept_loss=options.accept_loss)
    for space, cases in found.items():
        if space in successors:
            successors[space].contents.erasures.set_up(cases)
            say(f"{space.name}: {len(cases):,} requests under privacy law")


def _read(servers: Servers, successors: _Successors, options: RestoreOptions) -> None:
    kafka = servers.settings.kafka
    changelog = Changelog(kafka, kafka.topics.profiles)
    reader = ChangelogReader(servers.settings.registry_url())
    try:
        with progress(f"reading {kafka.topics.profiles}") as shown:
            for part in changelog.read():
                for space, records in reader.read(part.records).items():
                    if space in successors:
                        successors[space].contents.add(records)
                    else:
                        reader.note_unknown(space, len(records))
                shown.at(part.done, part.total)
                servers.reach("restore_reading")
    except TooManyUnreadable:
        raise Failure(reader.complaint()) from None
    finally:
        changelog.close()
    if reader.unreadable and not options.accept_loss:
        raise Failure(reader.complaint())
    tell_read(_contents(successors), reader)


def _tell_blank(live: Mapping[Space, Survey], successors: _Successors) -> None:
    tell_blank([s for s, one in successors.items() if not live[s].shape and one.contents.profiles])


def _contents(successors: _Successors) -> dict[Space, Restoration]:
    return {space: one.contents for space, one in successors.items()}


def _check_better(
    servers: Servers,
    successors: _Successors,
    live: Mapping[Space, Survey],
    standing: Sequence[Assignment],
) -> None:
    contents = _contents(successors)
    check_whole(servers.generations, contents, live, standing)
    check_any(contents, standing)
    check_unanimous(contents, servers.settings.kafka.topics.profiles)


def _reconcile(
    servers: Servers,
    successors: _Successors,
    standing: Sequence[Assignment],
    options: RestoreOptions,
) -> None:
    """Settle identifiers with too many holders, and repeat what compaction would lose.

    The topic gets every change before the new generation does: a restore that is begun again finds
    it there.
    """
    channel = Channel(servers.settings)
    for space, successor in successors.items():
        contents = successor.contents
        overtaken = 0
        for records in contents.overtaken():
            channel.publish(outputs_over_older(servers.settings, records, standing))
            overtaken += len(records)
        if overtaken:
            say(f"{space.name}: {overtaken:,} profiles published again, over a lower version")
        contents.finish()
        edits, verdicts = contents.reconcile()
        tell_verdicts(space, edits, verdicts)
        if edits:
            _announce(servers, space, successor.generation, standing, options)
        for at in range(0, len(edits), SLICE):
            some, token = edits[at : at + SLICE], servers.generations.token
            channel.publish(outputs_of_edits(servers.settings, some, token, standing))
            contents.write(some)
            servers.reach("restore_published")


def _announce(
    servers: Servers,
    space: Space,
    generation: NewGeneration,
    standing: Sequence[Assignment],
    options: RestoreOptions,
) -> None:
    """Announce the restore in the live generation: no processor starts on the old entries now."""
    wanted = shape(servers.settings.policy(space.scope))
    wait_alone(servers.group, wait=options.wait)
    before = generation.announce(announcement(wanted, is_new=options.reindex))
    try:
        check_unchanged(servers.group, standing, wait=False)
    except BaseException:
        generation.announce(before)  # nothing is published: the index may be used as it is
        raise


def _delete(servers: Servers, successors: _Successors) -> None:
    """Delete discarded generations; where this is interrupted, the next restore goes on with it."""
    deleted = 0
    for space in successors:
        for number in servers.generations.discarded(space):
            for count in servers.generations.delete(space, number):
                deleted += count
                servers.reach("restore_deleting")
    if deleted:
        say(f"{deleted:,} keys of old generations deleted")

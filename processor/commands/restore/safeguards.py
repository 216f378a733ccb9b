"""Safeguards: a restore is refused where the live index is better than what would replace it.

Each check names one way to lose data by restoring: decisions that only the index has, fewer
profiles in the topic than in the index, a topic without any, one that contradicts itself. All of
them can be waived with ``--accept-loss``.
"""

from collections.abc import Iterator, Mapping, Sequence

from processor.commands.terminal.failure import Failure
from processor.identity.model import Space
from processor.index.port import Assignment
from processor.index.shape import unfinished
from processor.pipeline.journal import Entry, unpack_entries
from processor.pipeline.witness import Witness, read_witnesses
from processor.redis.generations import Generations, Survey
from processor.redis.restoration import Restoration

_MOST_SHOWN = 5
_ACCEPT = "or restore with --accept-loss"


def witnesses_of(partition: Assignment) -> Mapping[str, Witness]:
    """Return the witnesses of a committed offset by space name; none where it is not ours."""
    return read_witnesses(partition.metadata) or {}


def surveyed(
    generations: Generations, spaces: Sequence[Space], standing: Sequence[Assignment]
) -> dict[Space, Survey]:
    """Return, per space, what its live generation holds of the group's partitions."""
    rows = [one.row for one in standing]
    return {space: generations.survey(space, rows) for space in spaces}


def check_none_under_way(live: Mapping[Space, Survey], standing: Sequence[Assignment]) -> None:
    """Refuse while a sound index holds decisions that Kafka lacks: they would be decided again."""
    if any(_has_lost(space, one, standing) for space, one in live.items()):
        return
    for space, one in live.items():
        count = len(_under_way(one, standing))
        if count and unfinished(space, one.shape) is None:
            raise Failure(
                f"records are under way: the index of space {space.name} lost nothing, and holds"
                f" {count:,} decisions that Kafka does not have. Start the processors once with"
                " the settings as they were, stop them (SIGTERM), then restore;"
                f" {_ACCEPT}: these records are then decided anew"
            )


def check_whole(
    generations: Generations,
    contents: Mapping[Space, Restoration],
    live: Mapping[Space, Survey],
    standing: Sequence[Assignment],
) -> None:
    """Refuse to replace more profiles by fewer.

    Profiles made by uncommitted records are not in the topic yet, and erased ones may still be in
    the index: both are allowed for.
    """
    for space, content in contents.items():
        made = {m for e in _uncommitted(live[space], standing) for m, _ in e.touched}
        most = content.profiles + content.erased + len(made)
        count = generations.count(space, live[space].number, most)
        if count > most:
            raise Failure(_too_few(space, f"{content.profiles:,}", f"the index has {count:,}"))


def check_any(contents: Mapping[Space, Restoration], standing: Sequence[Assignment]) -> None:
    """Refuse a topic without any profile where committed offsets say that some were decided."""
    if any(one.profiles for one in contents.values()):
        return
    for space, witness in _witnesses(standing):
        if witness.cursor is not None and space in {one.name for one in contents}:
            found = next(one for one in contents if one.name == space)
            raise Failure(_too_few(found, "no", "committed offsets tell of decisions"))


def check_unanimous(contents: Mapping[Space, Restoration], topic: str) -> None:
    """Refuse a topic with two different records of one version: only one of them was ever live."""
    for space, content in contents.items():
        if found := content.twofold:
            places = [f"{space.name}/{mpid} version {version}" for mpid, version in found]
            more = f" and {len(found) - _MOST_SHOWN:,} more" if len(found) > _MOST_SHOWN else ""
            raise Failure(
                f"{topic} has two records of one version with different content, of"
                f" {len(found):,} profiles: {', '.join(places[:_MOST_SHOWN])}{more}. Nothing was"
                " switched; restore with --accept-loss: then the last one of each counts"
            )


def _too_few(space: Space, found: str, but: str) -> str:
    return (
        f"the profiles topic has {found} profiles of space {space.name}, but {but}: nothing was"
        " switched. Was the topic made anew, has it a retention (cleanup.policy must be compact),"
        f" or is it another one? Bring its records back, {_ACCEPT} to go on with what is there"
    )


def _has_lost(space: Space, live: Survey, standing: Sequence[Assignment]) -> bool:
    """Whether the index is behind a committed offset's witness: it would refuse a start."""
    for one in standing:
        witness = witnesses_of(one).get(space.name)
        if witness is None:
            continue
        cursor = live.rows[one.row].cursor
        if live.seq < witness.seq or (cursor or 0) < (witness.cursor or 0):
            return True
    return False


def _under_way(live: Survey, standing: Sequence[Assignment]) -> list[Entry]:
    """Return the decisions that a starting processor would take from the journal."""
    ours = [
        one
        for one in standing
        if one.committed is not None
        and read_witnesses(one.metadata) is not None
        and live.rows[one.row].topic_id == one.topic_id
    ]
    return list(_uncommitted(live, ours))


def _uncommitted(live: Survey, standing: Sequence[Assignment]) -> Iterator[Entry]:
    """Yield the decisions of records that the group has not committed."""
    for one in standing:
        for seq, chunk in live.rows[one.row].chunks:
            try:
                entries = unpack_entries(seq, chunk)
            except ValueError as error:
                raise Failure(str(error)) from None
            yield from (e for e in entries if e.offset >= (one.committed or 0))


def _witnesses(standing: Sequence[Assignment]) -> Iterator[tuple[str, Witness]]:
    for one in standing:
        yield from witnesses_of(one).items()

"""A picture of a deployment at one time, and its problems. Pure."""

from collections.abc import Iterator, Sequence

from msgspec import Struct


class Partition(Struct, frozen=True):
    """An input partition: where the group stands, and who has it."""

    topic: str
    partition: int
    position: int | None
    """The committed offset; None where the group has none."""
    end: int
    """The offset that the next record gets."""
    lag: int
    """Records, markers of transactions included, that wait."""
    owner: str | None
    """The member of the group that it is assigned to."""


class Space(Struct, frozen=True):
    """A space of the index."""

    name: str
    profiles: int
    identifiers: int
    graves: int
    """What stands in place of profiles that have ended."""
    memory_bytes: int | None
    """An estimate; None where Redis does not let us ask."""
    commits: int
    """How many commits and claims it has had: it grows while records are decided."""
    changed_ms: int | None
    """When a commit or a claim last changed it, by the clock of its process."""
    agrees: bool
    """Whether index, committed offsets and the topic ``profiles`` agree."""
    problems: tuple[str, ...]


class Picture(Struct, frozen=True):
    """A deployment, seen from outside."""

    group: str
    members: tuple[str, ...]
    lag: int
    partitions: tuple[Partition, ...]
    spaces: tuple[Space, ...]
    published_ms: int | None
    """Time of the newest record of ``profiles``: when a commit last changed a profile."""
    problems: tuple[str, ...]
    """One line each; none where all is well."""
    warnings: tuple[str, ...] = ()
    """What ``idstream check`` warns of the topics, and was not told to accept."""


def picture(
    group: str,
    members: Sequence[str],
    partitions: Sequence[Partition],
    spaces: Sequence[Space],
    published_ms: int | None,
) -> Picture:
    """Put a picture together."""
    return Picture(
        group=group,
        members=tuple(sorted(members)),
        lag=sum(one.lag for one in partitions),
        partitions=tuple(sorted(partitions, key=lambda one: (one.topic, one.partition))),
        spaces=tuple(spaces),
        published_ms=published_ms,
        problems=tuple(_problems(group, members, partitions, spaces)),
    )


def _problems(
    group: str, members: Sequence[str], partitions: Sequence[Partition], spaces: Sequence[Space]
) -> Iterator[str]:
    alone = sum(one.owner is None for one in partitions)
    if not members:
        yield f"group {group} has no members: nobody processes records; start `idstream run`"
    elif alone:
        yield f"{alone} partitions have no owner: the group is rebalancing, or lacks the topic"
    for space in spaces:
        yield from (f"index {space.name}: {text}" for text in space.problems)

"""The switch: what was built becomes the live generation of every space, in one script each.

Its rows begin at the committed offsets, and its seq is above every witness. The offsets get
witnesses of the new generation last (docs/architecture.md, "Restore switches at once").
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from processor.commands.restore.safeguards import witnesses_of
from processor.commands.restore.servers import Servers
from processor.commands.restore.standstill import check_unchanged
from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.identity.model import Space
from processor.index.port import Assignment
from processor.index.shape import shape
from processor.kafka.group import AtWork
from processor.kafka.survey import topic_id
from processor.pipeline.witness import Witness, carry_witnesses
from processor.redis.generations import Life, NewGeneration, NewRow

SEQ_MARGIN: Final = 1_000_000
"""More commits than can have been made without a committed offset that bears witness of them."""


def switch(
    servers: Servers,
    buildings: Mapping[Space, NewGeneration],
    standing: Sequence[Assignment],
    owner: str,
) -> None:
    """Switch each space to its new generation, then write witnesses of it to the group's offsets.

    Where the group has committed since the switch, its own offsets have the new witnesses already.
    """
    settings = servers.settings
    changelog = topic_id(settings.kafka, settings.kafka.topics.profiles)
    seqs: dict[str, int] = {}
    for space, building in buildings.items():
        rows = tuple(
            NewRow(one.row, one.topic_id, one.committed)
            for one in standing
            if one.committed is not None
        )
        life = Life(
            owner=owner,
            config=settings.fingerprint(space.scope),
            shape=shape(settings.policy(space.scope)),
            least_seq=_seen(space, standing) + SEQ_MARGIN,
            rows=rows,
            changelog=changelog or "",
        )
        seqs[space.name] = building.switch(life)
        servers.reach("after_restore_switch")
    witnessed = [
        replace(one, metadata=_metadata(one, one.committed, seqs))
        for one in standing
        if one.committed is not None
    ]
    try:
        check_unchanged(servers.group, standing, wait=False)
        servers.group.commit(witnessed)
    except (Failure, AtWork):
        say("the group is at work already")


def _metadata(partition: Assignment, cursor: int, seqs: Mapping[str, int]) -> str:
    """Return the metadata of an offset: new witnesses, and the old ones of other spaces."""
    ours = {name: Witness(cursor=cursor, seq=seq) for name, seq in seqs.items()}
    return carry_witnesses(witnesses_of(partition), ours)


def _seen(space: Space, standing: Sequence[Assignment]) -> int:
    """Return the highest seq of *space* in the witnesses of the committed offsets."""
    found = [witnesses_of(one) for one in standing]
    return max((w[space.name].seq for w in found if space.name in w), default=0)

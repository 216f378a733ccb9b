"""What a restore says on standard output."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

from processor.commands.restore.records import ChangelogReader
from processor.identity.model import Space
from processor.identity.view import Edit
from processor.index.port import Assignment
from processor.pipeline.witness import read_witnesses
from processor.redis.restoration import LostIdentifier, Restoration

MOST_SHOWN: Final = 20
"""Conflicts told one by one."""


def say(text: str) -> None:
    """Say *text* at once: what comes next may take long."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell_foreign(partitions: Sequence[Assignment]) -> None:
    """Tell which committed offsets bear no witnesses."""
    for one in partitions:
        if one.committed is not None and read_witnesses(one.metadata) is None:
            say(
                f"the committed offset of {one.topic}/{one.partition} was not written by idstream;"
                f" it is taken as it is, {one.committed}"
            )


def tell_read(spaces: Mapping[Space, Restoration], reading: ChangelogReader) -> None:
    """Tell what the changelog held."""
    for space, rebuilding in spaces.items():
        erased = f", {rebuilding.erased:,} erased" if rebuilding.erased else ""
        say(f"{space.name}: {rebuilding.profiles:,} profiles{erased}")
    if reading.unreadable:
        say(f"{len(reading.unreadable):,} records left out that cannot be read")
    for space, count in reading.unknown.items():
        say(f"{space.name}: {count:,} records left out, no workspace has this scope")


def unreadable(reading: ChangelogReader) -> str:
    """Return what to do about records that cannot be read."""
    count, place = len(reading.unreadable), next(iter(reading.unreadable.values()))
    return (
        f"{count:,} records of the profiles topic cannot be read, the first one is {place}."
        " Nothing was switched. Publish a readable document or a tombstone under the same key,"
        " or restore with --accept-loss: then they are left out"
    )


def tell_blank(spaces: Sequence[Space]) -> None:
    """Tell of which spaces the index knew no settings any more."""
    if spaces:
        say(
            "nothing is left to tell by which identity settings"
            f" {', '.join(space.name for space in spaces)} was indexed: if they have changed since,"
            " run `idstream restore --reindex` after this"
        )


def tell_verdicts(space: Space, edits: Sequence[Edit], verdicts: Sequence[LostIdentifier]) -> None:
    """Tell who lost what to whom."""
    if not edits:
        return
    say(
        f"{space.name}: {len(verdicts):,} identifiers had more holders than they can have;"
        f" {len(edits):,} profiles were changed"
    )
    for one in verdicts[:MOST_SHOWN]:
        kept, lost = (", ".join(map(str, mpids)) for mpids in (one.kept_by, one.lost_by))
        say(f"  {one.identity_type} {one.token}: {kept} keeps it, {lost} lost it")
    if len(verdicts) > MOST_SHOWN:
        say(f"  and {len(verdicts) - MOST_SHOWN:,} more; all are in the topic of identity changes")

"""The notices that a restore prints: what it found, left out and set right."""

from collections.abc import Mapping, Sequence
from typing import Final

from processor.commands.restore.reader import ChangelogReader
from processor.commands.terminal.console import say
from processor.identity.model import Space
from processor.identity.view import Edit
from processor.index.port import Assignment
from processor.pipeline.witness import read_witnesses
from processor.redis.restoration import LostIdentifier, Restoration

MOST_SHOWN: Final = 20
"""Conflicts that are listed one by one."""


def tell_foreign(partitions: Sequence[Assignment]) -> None:
    """Name the committed offsets that carry no witnesses of ours."""
    for one in partitions:
        if one.committed is not None and read_witnesses(one.metadata) is None:
            say(
                f"the committed offset of {one.topic}/{one.partition} was not written by idstream;"
                f" it is taken as it is, {one.committed}"
            )


def tell_read(contents: Mapping[Space, Restoration], reader: ChangelogReader) -> None:
    """Say how many profiles each space has, and which records were left out."""
    for space, content in contents.items():
        erased = f", {content.erased:,} erased" if content.erased else ""
        say(f"{space.name}: {content.profiles:,} profiles{erased}")
    if reader.unreadable:
        say(f"{len(reader.unreadable):,} records left out that cannot be read")
    for space, count in reader.unknown.items():
        say(f"{space.name}: {count:,} records left out, no workspace has this scope")


def tell_blank(spaces: Sequence[Space]) -> None:
    """Name the spaces whose index no longer says which identity settings it was derived by."""
    if spaces:
        say(
            "nothing is left to tell by which identity settings"
            f" {', '.join(space.name for space in spaces)} was indexed: if they have changed since,"
            " run `idstream restore --reindex` after this"
        )


def tell_verdicts(space: Space, edits: Sequence[Edit], verdicts: Sequence[LostIdentifier]) -> None:
    """Say how many identifiers had too many holders, and list the first of them by token."""
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

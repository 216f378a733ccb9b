"""TODO processor.index.errors."""

from processor.identity.model import Space
from processor.records import RowKey


class IndexUnavailable(Exception):
    """Redis cannot be asked now (away, loading, read-only, out of memory ...): wait, then rewind.

    Whether the last commit was applied is unknown; the rewind finds out from the journal.
    """


class IndexRefused(Exception):
    """Redis refuses what is asked of it (rights, a key of another type ...): stop, and say so."""


class LostWrites(Exception):
    """The index holds less than was acknowledged: stop, and name ``idstream restore``."""


class Fenced(Exception):
    """A row has a newer owner, or the space belongs to another group or cluster: abort and exit."""


class NoStart(Exception):
    """There is no safe place to start a partition from: stop, and name the ways out."""


_RESTORE = "stop every process of this group and run `idstream restore`"


def newer_owner(space: Space, row: RowKey) -> Fenced:
    """Return the error for a row that another process was given after us."""
    return Fenced(f"{row.topic}/{row.partition} of space {space.name} has a newer owner")


def moved(space: Space, row: RowKey) -> Fenced:
    """Return the error for a cursor that went ahead under our epoch: we know the row no more."""
    return Fenced(
        f"the cursor of {row.topic}/{row.partition} in space {space.name} was moved ahead"
    )


def other_group(space: Space) -> Fenced:
    """Return the error for a space that is bound to another consumer group or Kafka cluster."""
    return Fenced(
        f"space {space.name} belongs to another consumer group or Kafka cluster:"
        " use another [redis] prefix, or the group that it was made with"
    )


def lost_row(space: Space, row: RowKey) -> LostWrites:
    """Return the error for an epoch or cursor older than what was acknowledged to us, or gone."""
    return LostWrites(
        f"the index lost acknowledged writes of {row.topic}/{row.partition}"
        f" in space {space.name}: {_RESTORE}"
    )


def lost_space(space: Space) -> LostWrites:
    """Return the error for a seq of the space below one that this process saw."""
    return LostWrites(f"the index lost acknowledged writes of space {space.name}: {_RESTORE}")

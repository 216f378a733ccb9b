"""The errors of an index: what each means, and what the process does then.

``IndexUnavailable`` is waited for; the others end the process, and their text says what to do
(docs/operations.md, "When it stops").
"""

from processor.identity.model import Space
from processor.records import RowKey


class IndexUnavailable(Exception):
    """Redis cannot be asked now: unreachable, loading, read-only, out of memory ...

    Whether the last call was carried out is unknown. The loop goes back to the committed offsets
    and asks until an answer comes; what the call had written is then in the journal.
    """


class IndexRefused(Exception):
    """Redis refuses a call and would again: a right is missing, a key has another type ...

    No record is to blame. The process ends with Redis's words.
    """


class LostWrites(Exception):
    """The index holds less than it has acknowledged: the server forgot writes, or its data is gone.

    The process ends and names ``idstream restore``: to go on would be to forget people.
    """


class Fenced(Exception):
    """Another process owns what this one works on: it aborts its transaction and ends.

    A row has a newer owner, or the space belongs to another consumer group or Kafka cluster.
    """


class NoStart(Exception):
    """No offset is safe to start a partition from: the process ends and names the ways out.

    For example the group has lost its committed offset while the index holds decisions of the
    partition.
    """


_RESTORE = "stop every process of this group and run `idstream restore`"


def newer_owner(space: Space, row: RowKey) -> Fenced:
    """Return the error for a row that another process was given after us."""
    return Fenced(f"{row.topic}/{row.partition} of space {space.name} has a newer owner")


def moved(space: Space, row: RowKey) -> Fenced:
    """Return the error for a cursor that is ahead of where we left it, though the epoch is ours."""
    return Fenced(
        f"the cursor of {row.topic}/{row.partition} in space {space.name} was moved ahead"
    )


def other_group(space: Space) -> Fenced:
    """Return the error for a space that is bound to another consumer group or Kafka cluster."""
    return Fenced(
        f"space {space.name} belongs to another consumer group or Kafka cluster:"
        " use another [redis] prefix, or the group that it was made with"
    )


def other_changelog(space: Space) -> NoStart:
    """Return the refusal of a ``profiles`` topic that is not the one with the space's documents."""
    return NoStart(
        f"the topic profiles is another one than that which has the documents of space {space.name}"
        " (made anew, or renamed): stop every process of this group and run"
        " `idstream restore --republish`, which publishes every document again, or"
        " `idstream restore` where the topic has them"
    )


def other_key(space: Space) -> NoStart:
    """Return the refusal of a key that the tokens of the space were not made with."""
    return NoStart(
        f"the index of space {space.name} was made with another redis.key_file, and nothing in it"
        f" would be found: put that key back, or {_RESTORE}, which builds it anew with this one"
    )


def lost_row(space: Space, row: RowKey) -> LostWrites:
    """Return the error for an epoch or cursor that is lower than acknowledged to us, or gone."""
    return LostWrites(
        f"the index lost acknowledged writes of {row.topic}/{row.partition}"
        f" in space {space.name}: {_RESTORE}"
    )


def lost_space(space: Space) -> LostWrites:
    """Return the error for a space whose seq is below one that this process saw."""
    return LostWrites(f"the index lost acknowledged writes of space {space.name}: {_RESTORE}")

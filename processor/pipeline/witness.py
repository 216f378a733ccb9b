"""Witnesses: what the metadata of a committed offset says that the index had reached."""

import re
from collections.abc import Mapping

from msgspec import Struct

from processor.index.port import Assignment
from processor.records import RowKey

_WITNESS = re.compile(r"^([A-Za-z0-9_.\-]+/[a-z]+)=(\d*),(\d+)$")
WITNESS_FORMAT = "idstream1"
MOST_METADATA = 4095
"""Characters of an offset's metadata that brokers take by default (offset.metadata.max.bytes)."""


class Witness(Struct, frozen=True):
    """What a committed offset says that the index had reached in a space."""

    cursor: int | None
    seq: int


def write_witnesses(witnesses: dict[str, Witness]) -> str:
    """Return the metadata of an offset: ``idstream1 scope/environment=cursor,seq …``."""
    parts = [WITNESS_FORMAT]
    for name, witness in witnesses.items():
        cursor = "" if witness.cursor is None else witness.cursor
        parts.append(f"{name}={cursor},{witness.seq}")
    return " ".join(parts)


def carry_witnesses(held: Mapping[str, Witness], ours: dict[str, Witness]) -> str:
    """Return the metadata of an offset: our witnesses, and those of spaces that are not ours now.

    A space that is left out for a while must not have its losses forgotten meanwhile. Ours alone
    fit, as ``idstream check`` sees to.
    """
    text = write_witnesses({**held, **ours})
    return text if len(text) <= MOST_METADATA else write_witnesses(ours)


def read_witnesses(metadata: str) -> dict[str, Witness] | None:
    """Return the witnesses in an offset's metadata; None where it is not ours."""
    form, *parts = metadata.split(" ") if metadata else [""]
    if form != WITNESS_FORMAT:
        return None
    found = {}
    for part in parts:
        match = _WITNESS.match(part)
        if match is None:
            return None
        name, cursor, seq = match.groups()
        found[name] = Witness(cursor=int(cursor) if cursor else None, seq=int(seq))
    return found


class Offset(Struct, frozen=True):
    """The committed offset of a partition, read."""

    row: RowKey
    topic_id: str
    committed: int | None
    """None where the group has none."""
    witnesses: Mapping[str, Witness] | None
    """By the names of spaces; None where idstream did not write the offset."""
    is_moved: bool
    """*committed* is not the group's own: that is outside of the log."""

    @classmethod
    def of(cls, partition: Assignment) -> "Offset":
        """Read what Kafka has for *partition*."""
        witnesses = read_witnesses(partition.metadata)
        topic_id, committed = partition.topic_id, partition.committed
        return cls(partition.row, topic_id, committed, witnesses, partition.is_moved)

    @property
    def is_ours(self) -> bool:
        """Whether a process of ours committed here: the row's cursor speaks of what follows."""
        return self.committed is not None and self.witnesses is not None and not self.is_moved

    @property
    def position(self) -> int:
        """The offset of the next record."""
        return self.committed or 0

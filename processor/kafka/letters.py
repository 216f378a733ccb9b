"""TODO processor.kafka.letters."""

import re
from typing import Final, get_args

from msgspec import Struct, field

from processor.codecs.headers import ATTEMPTS, REPLAY_OF, count
from processor.records import DeadLetterReason, Record

OTHER: Final = "other"
"""Stands for reasons that this release does not know."""


REASONS: Final = (*get_args(DeadLetterReason), OTHER)


FORMAT: Final = "idstream-replay1"


NAME: Final = "replay"
"""What the group and the transactional id have behind the group's own."""


_POSITION: Final = re.compile(r"([a-z_]+)=([0-9]{1,19})")


_PLACE: Final = re.compile(rb"[0-9]{1,10}")


_OFFSET: Final = re.compile(rb"[0-9]{1,19}")


Positions = dict[str, int]
"""For each reason the offset before which its letters are done with."""


class Letter(Struct, frozen=True):
    """A dead letter as it is put back."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Wanted(Struct, frozen=True):
    """Which letters are to be put back."""

    reasons: frozenset[str]
    inputs: frozenset[str]
    """Topics that are consumed: letters of others cannot be put back."""
    reserved: frozenset[str]
    """Headers that only the processor writes: not given back."""
    most: int | None = None
    pass_over: bool = False
    """Leave letters behind for good that cannot be put back."""


class PutBack(Struct):
    """What became of the letters."""

    replayed: dict[str, int] = field(default_factory=dict)
    """By reason."""
    no_input: int = 0
    """Of topics that are no inputs (any more)."""
    too_large: int = 0
    """With the headers of a replay, larger than their topic takes."""

    def total(self) -> int:
        """Return how many were put back."""
        return sum(self.replayed.values())


def read_positions(offset: int, metadata: str) -> Positions:
    """Return the positions that an offset and its metadata say."""
    form, *parts = metadata.split(" ")
    found = dict.fromkeys(REASONS, max(0, offset))
    if form == FORMAT:
        matches = (_POSITION.fullmatch(part) for part in parts)
        found |= {m[1]: int(m[2]) for m in matches if m is not None and m[1] in found}
    return found


def write_positions(positions: Positions) -> tuple[int, str]:
    """Return the offset to commit, and its metadata."""
    parts = [f"{reason}={positions[reason]}" for reason in REASONS]
    return min(positions.values()), " ".join([FORMAT, *parts])


def reason_of(letter: Record) -> str:
    """Return why *letter* is a dead letter."""
    reason = dict(letter.headers).get("reason", b"").decode("utf-8", "replace")
    return reason if reason in REASONS else OTHER


def put_back(letter: Record, wanted: Wanted) -> Letter | None:
    """Return *letter* as the record it was, or None where no input topic is known for it."""
    said = dict(letter.headers)
    topic = said.get("source-topic", b"").decode("utf-8", "replace")
    partition, offset = said.get("source-partition", b""), said.get("source-offset", b"")
    is_place = _PLACE.fullmatch(partition) and _OFFSET.fullmatch(offset)
    if topic not in wanted.inputs or not is_place:
        return None
    place = b"/".join((topic.encode(), partition, offset))
    kept = tuple(header for header in letter.headers if header[0] not in wanted.reserved)
    past = (
        (REPLAY_OF, said.get(REPLAY_OF, place)),
        (ATTEMPTS, b"%d" % max(1, count(said.get(ATTEMPTS, b"")))),
    )
    return Letter(topic, int(partition), letter.key, letter.value, (*kept, *past))

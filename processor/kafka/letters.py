"""The rules of a replay: which dead letters go back, as what, and how far each reason is done.

Letters of several reasons lie between each other, and one reason may be replayed today and another
next week. So a position is kept for each reason, in the metadata of the one offset that the group
``<group>-replay`` commits for a partition. Nothing here talks to Kafka; ``replay`` does.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final, get_args

from msgspec import Struct, field

from processor.codecs.headers import ATTEMPTS, REPLAY_OF, count, replay_time
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
"""By reason: letters below this offset of a partition have been put back or passed over."""


class Selection(Struct, frozen=True):
    """Which letters are to be put back."""

    reasons: frozenset[str]
    inputs: frozenset[str]
    """Topics that are consumed: letters of others cannot be put back."""
    reserved: frozenset[str]
    """Headers that only the processor writes: not given back."""
    most: int | None = None
    """How many letters; None for all."""
    pass_over: bool = False
    """Leave letters behind for good that cannot be put back."""


class Letter(Struct, frozen=True):
    """A dead letter as it is put back."""

    place: tuple[int, int]
    """Partition and offset of the dead letter."""
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class ReplayTally(Struct):
    """How many letters were put back, and how many were passed over."""

    replayed: dict[str, int] = field(default_factory=dict)
    """By reason."""
    no_input: int = 0
    """Of topics that are no inputs (any more)."""
    too_large: int = 0
    """With the headers of a replay, larger than their topic takes."""

    def total(self) -> int:
        """Return how many were put back."""
        return sum(self.replayed.values())

    def is_full(self, selection: Selection) -> bool:
        """Whether as many were put back as *selection* asks for."""
        return selection.most is not None and self.total() >= selection.most

    def copy(self) -> "ReplayTally":
        """Return a tally that may go on by itself."""
        return ReplayTally(dict(self.replayed), self.no_input, self.too_large)


class Parcel(Struct, frozen=True):
    """What one transaction puts back, and what is so once it has committed."""

    letters: tuple[Letter, ...]
    after: dict[int, int]
    """By partition, the offset after the last letter that was looked at."""
    tally: ReplayTally


# ---- one letter ---------------------------------------------------------------------------------


def reason_of(letter: Record) -> str:
    """Return why *letter* is a dead letter."""
    reason = dict(letter.headers).get("reason", b"").decode("utf-8", "replace")
    return reason if reason in REASONS else OTHER


def origin_of(letter: Record) -> str:
    """Return the topic that *letter* says it came from, '' where it names none."""
    return dict(letter.headers).get("source-topic", b"").decode("utf-8", "replace")


def put_back(letter: Record, selection: Selection) -> Letter | None:
    """Return *letter* as the record it was, or None where no input topic is known for it."""
    said = dict(letter.headers)
    topic = origin_of(letter)
    partition, offset = said.get("source-partition", b""), said.get("source-offset", b"")
    is_place = _PLACE.fullmatch(partition) and _OFFSET.fullmatch(offset)
    if topic not in selection.inputs or not is_place:
        return None
    origin = b"/".join((topic.encode(), partition, offset))
    kept = tuple(header for header in letter.headers if header[0] not in selection.reserved)
    past = (
        (REPLAY_OF, said.get(REPLAY_OF, origin)),
        (ATTEMPTS, b"%d" % max(1, count(said.get(ATTEMPTS, b"")))),
    )
    return Letter(
        place=(letter.partition, letter.offset),
        topic=topic,
        partition=int(partition),
        key=letter.key,
        value=letter.value,
        headers=(*kept, *past, *replay_time(said)),
    )


# ---- several ------------------------------------------------------------------------------------


def is_wanted(letter: Record, held: Mapping[int, Positions], selection: Selection) -> bool:
    """Return whether *selection* asks for *letter*, and no earlier replay is done with it."""
    reason = reason_of(letter)
    is_done = letter.offset < held[letter.partition][reason]
    return not is_done and reason in selection.reasons


def pack(
    letters: Iterable[Record],
    held: Mapping[int, Positions],
    selection: Selection,
    tally: ReplayTally,
    refused: Collection[tuple[int, int]],
) -> Parcel:
    """Return what goes back of *letters*, as many as *selection* still asks for after *tally*.

    *refused* are the places of letters that their topic does not take: passed over, and counted.
    """
    tally, packed, after = tally.copy(), [], {}
    for letter in letters:
        if tally.is_full(selection):
            break
        after[letter.partition] = letter.offset + 1
        if not is_wanted(letter, held, selection):
            continue
        back = put_back(letter, selection)
        if back is None:
            tally.no_input += 1
        elif back.place in refused:
            tally.too_large += 1
        else:
            packed.append(back)
            reason = reason_of(letter)
            tally.replayed[reason] = tally.replayed.get(reason, 0) + 1
    return Parcel(tuple(packed), after, tally)


# ---- positions ----------------------------------------------------------------------------------


def read_positions(offset: int, metadata: str) -> Positions:
    """Return the positions in a committed offset and its metadata, or its offset for all."""
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


def first_of(positions: Positions, reasons: Collection[str]) -> int:
    """Return where reading begins: no letter of *reasons* before it is wanted."""
    return min(positions[reason] for reason in reasons)


def moved(positions: Positions, selection: Selection, offset: int) -> Positions:
    """Return *positions* once letters below *offset* are done with, for the reasons selected."""
    return {
        reason: max(at, offset) if reason in selection.reasons else at
        for reason, at in positions.items()
    }

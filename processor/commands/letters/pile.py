"""Dead letters in piles: those of one reason and detail lie together. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from processor.kafka.letters import Positions, origin_of, reason_of
from processor.records import Record

_PLACE: Final = re.compile(r"\[\d+\]")
OTHERS: Final = "(other details)"
MOST: Final = 500
"""How many piles of one reason there are; letters of more details lie together."""


class Pile(Struct):
    """Letters of one reason and detail."""

    reason: str
    detail: str
    letters: int = 0
    waiting: int = 0
    """How many of them no replay has come to."""
    topics: set[str] = set()
    newest: tuple[int, int] = (0, 0)
    """Partition and offset of the newest letter."""
    newest_ms: int = -1


class Piles:
    """Sorts letters into piles; *held* is how far replays have come."""

    def __init__(self, held: Mapping[int, Positions], reasons: frozenset[str]) -> None:
        self._held = held
        self._reasons = reasons
        self._piles: dict[str, dict[str, Pile]] = {}

    def add(self, letter: Record) -> None:
        """Lay *letter* on its pile."""
        reason = reason_of(letter)
        if reason not in self._reasons:
            return
        piles, detail = self._piles.setdefault(reason, {}), detail_of(letter)
        if detail not in piles and len(piles) >= MOST:
            detail = OTHERS
        pile = piles.setdefault(detail, Pile(reason, detail, topics=set()))
        pile.letters += 1
        pile.waiting += letter.offset >= self._held[letter.partition][reason]
        pile.topics.add(origin_of(letter))
        if letter.timestamp_ms >= pile.newest_ms:
            pile.newest, pile.newest_ms = (letter.partition, letter.offset), letter.timestamp_ms

    def sorted(self) -> list[Pile]:
        """Return the piles, the largest first."""
        found = [pile for piles in self._piles.values() for pile in piles.values()]
        return sorted(found, key=lambda one: (-one.letters, one.reason, one.detail))


def detail_of(letter: Record) -> str:
    """Return what was wrong with *letter*, whatever the place in a list."""
    detail = dict(letter.headers).get("detail", b"").decode("utf-8", "replace")
    return _PLACE.sub("[…]", detail)

"""What a process forgets of what it remembers, where its room is too small."""

from collections.abc import Sequence
from typing import Final, TypeVar

Key = TypeVar("Key")

FEWEST: Final = 4
"""One of so many must be unused for the others to stay where something has to be forgotten."""


def spares_the_used(unused: int, held: int) -> bool:
    """Whether only what is unused is forgotten where there is too much.

    Asked of all tables that share the room: one that is used throughout loses nothing to the
    others. Where too little is unused for looking at all to pay, all of them lose.
    """
    return unused * FEWEST >= held


def older_half(those: Sequence[Key]) -> Sequence[Key]:
    """Return what to forget of *those*: of one, that one, or it would stay whatever it takes."""
    return those[: (len(those) + 1) // 2]

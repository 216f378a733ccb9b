"""Markers: up to when records that name an identifier are an erased person's. Pure.

(docs/privacy.md, "What keeps the erased away")
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

EVER_MS: Final = 2**63 - 1
"""The time of a marker that never ends: of a person who is suppressed."""
_FIRST_EVER_MS: Final = 2**63 - 2**32
EVERY_WORKSPACE: Final = bytes(4)


class Marker(NamedTuple):
    """Up to when records of a workspace that name the identifier are an erased person's."""

    until_ms: int
    workspace: bytes = EVERY_WORKSPACE
    """``workspace_mark`` of its name."""

    def covers(self, at_ms: int, workspace: bytes) -> bool:
        """Whether a record of *workspace* of that instant is the erased person's."""
        return at_ms <= self.until_ms and self.workspace in {EVERY_WORKSPACE, workspace}


Markers = tuple[Marker, ...]


def ever_ms(number: int) -> int:
    """Return the time of markers that never end, of the case of a *number*: each case has its own.

    So who lifts one suppression of a person lifts no other.
    """
    return EVER_MS - number % 2**32


def is_ever(time_ms: int) -> bool:
    """Whether a marker or grave of that time never ends."""
    return time_ms >= _FIRST_EVER_MS


def workspace_mark(workspace: str) -> bytes:
    """Return the four bytes that stand for a workspace in markers; never all zeros."""
    digest = blake2b(workspace.encode(), digest_size=4, person=b"idstream-mark").digest()
    return digest if digest != EVERY_WORKSPACE else b"\x00\x00\x00\x01"


def latest(markers: Iterable[Marker], at_ms: int, workspace: bytes) -> int | None:
    """Return up to when a record of that instant is covered; None where no marker covers it."""
    ends = [one.until_ms for one in markers if one.covers(at_ms, workspace)]
    return max(ends, default=None)


def added(markers: Sequence[Marker], marker: Marker) -> Markers:
    """Return *markers* with one more, in the one order in which they are stored."""
    return tuple(sorted({*markers, marker}))


def removed(markers: Sequence[Marker], marker: Marker) -> Markers:
    """Return *markers* without one of them."""
    return tuple(one for one in markers if one != marker)

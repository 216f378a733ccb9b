"""Notes in Redis: what the last changes of a space changed, as bytes (see scripts/shared.lua)."""

from collections.abc import Callable
from itertools import count
from os import urandom
from typing import Any, Final

from processor.index.port import Changed, Moment

_MPID: Final = 8
_TOKEN: Final = 16
_COUNT: Final = 4
_NONCE: Final = 8
"""Bytes of a tag that tell processes apart."""
_NUMBER: Final = 5
_TIME: Final = 6
OVERFLOW: Final = b"*"
"""A note that was too long: something has changed."""


class Tags:
    """Makes tags: each marks one change, is like no other, and tells when it was made."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._nonce = urandom(_NONCE)
        self._numbers = count()

    def new(self) -> bytes:
        """Return the next tag."""
        number = next(self._numbers).to_bytes(_NUMBER, "big")
        return self._nonce + number + self._now_ms().to_bytes(_TIME, "big")


def tag_ms(tag: bytes) -> int | None:
    """Return when *tag* was made, in ms since 1970, by the clock of its process; None for none."""
    return int.from_bytes(tag[-_TIME:], "big") if tag else None


def pack_note(changed: Changed) -> bytes:
    """Return the keys of a note: their number of MPIDs, these, then tokens."""
    mpids = b"".join([mpid.to_bytes(_MPID, "big", signed=True) for mpid in changed.mpids])
    return len(changed.mpids).to_bytes(_COUNT, "big") + mpids + b"".join(changed.tokens)


def changed_since(since: Moment | None, told: Any, seq: int) -> Changed | None:  # noqa: ANN401 - a reply
    """Return what the reply *told* of the changes between *since* and *seq*; None: not all of it.

    The notes must begin with that of *since* and follow each other up to *seq*. A writer of an
    older release leaves none.
    """
    if since is None or not told:
        return None
    if told == 1:
        return Changed()
    numbers = [int(name.partition(b"-")[0]) for name, _ in told]
    if numbers != list(range(since.seq, seq + 1)):
        return None
    mpids: list[int] = []
    tokens: list[bytes] = []
    for _, (_, _, _, keys) in told[1:]:
        if keys == OVERFLOW:
            return None
        _unpack_note(keys, mpids, tokens)
    return Changed(mpids, tokens)


def _unpack_note(keys: bytes, mpids: list[int], tokens: list[bytes]) -> None:
    if not keys:
        return
    middle = _COUNT + _MPID * int.from_bytes(keys[:_COUNT], "big")
    mpids += [
        int.from_bytes(keys[at : at + _MPID], "big", signed=True)
        for at in range(_COUNT, middle, _MPID)
    ]
    tokens += [keys[at : at + _TOKEN] for at in range(middle, len(keys), _TOKEN)]

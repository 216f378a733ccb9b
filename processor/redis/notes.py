"""Notes in Redis: what the last changes of a space changed, as bytes (see scripts/shared.lua)."""

from typing import Any, Final

from processor.index.port import Changed, Moment

_MPID: Final = 8
_TOKEN: Final = 16
_COUNT: Final = 4
OVERFLOW: Final = b"*"
"""A note that was too long: something has changed."""


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

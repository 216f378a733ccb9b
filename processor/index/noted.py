"""Notes of the last changes of a space in memory: what has changed since a moment."""

from collections.abc import Sequence

from msgspec import Struct

from processor.identity.model import Space
from processor.index.errors import lost_space
from processor.index.port import Changed, Moment


class Note(Struct, frozen=True):
    """What one commit or claim has changed, and the moment that it made."""

    moment: Moment
    changed: Changed


def moment_of(seq: int, notes: Sequence[Note]) -> Moment:
    """Return the moment of a space."""
    return notes[-1].moment if notes else Moment(seq, b"")


def changed_since(
    space: Space, seq: int, notes: Sequence[Note], since: Moment | None
) -> Changed | None:
    """Return what has changed since a moment, None where the notes do not reach back to it."""
    if since is None:
        return None
    if since.seq > seq:
        raise lost_space(space)
    if since.seq == seq:
        if since != moment_of(seq, notes):
            raise lost_space(space)
        return Changed()
    later = [note for note in notes if note.moment.seq >= since.seq]
    if len(later) != seq - since.seq + 1:
        return None
    if later[0].moment != since:
        raise lost_space(space)
    return Changed(
        mpids=[mpid for note in later[1:] for mpid in note.changed.mpids],
        tokens=[token for note in later[1:] for token in note.changed.tokens],
    )

"""The index, watched: every call is timed, and tells whether Redis answers."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from processor.identity.model import Space
from processor.identity.view import Effects
from processor.index.errors import IndexUnavailable
from processor.index.port import (
    Ask,
    ClaimReply,
    Commit,
    Conflict,
    Index,
    Mark,
    Moment,
    Opening,
    Reading,
    RowAdvance,
    RowClaim,
    Trim,
)
from processor.records import RowKey
from processor.watch.contact import Contact

QUIET_S: Final = 5.0
"""How long nothing is asked before it is asked whether it answers at all."""


class RemoteIndex(Index, Protocol):
    """An index on a server."""

    def reach(self) -> None:
        """Return if the server answers; raise IndexUnavailable otherwise."""
        ...


class TimedIndex:
    """An index that answers as *index* does, and notes seconds and contact of each call."""

    def __init__(
        self,
        index: RemoteIndex,
        contact: Contact,
        took: Callable[[str, float], None],
        now: Callable[[], float],
    ) -> None:
        self._index = index
        self._contact = contact
        self._took = took
        self._now = now
        self.token = index.token
        """Returns what stands for an identifier; asks nobody."""

    def claim(
        self, space: Space, owner: str, config: str, rows: Sequence[RowClaim], shape: str
    ) -> ClaimReply:
        """Claim rows, as the port says."""
        with self._noted("claim"):
            return self._index.claim(space, owner, config, rows, shape)

    def visit(
        self,
        space: Space,
        epochs: dict[RowKey, int],
        asks: Sequence[Ask],
        trims: Sequence[Trim] = (),
        marks: Sequence[Mark] = (),
        since: Moment | None = None,
    ) -> Reading:
        """Visit, as the port says."""
        with self._noted("visit"):
            return self._index.visit(space, epochs, asks, trims, marks, since)

    def commit(
        self,
        space: Space,
        effects: Effects,
        advances: Sequence[RowAdvance],
        since: Moment | None = None,
    ) -> Commit | Conflict:
        """Commit, as the port says."""
        with self._noted("commit"):
            return self._index.commit(space, effects, advances, since)

    def openings(self, space: Space, shards: Sequence[int]) -> tuple[Opening, ...]:
        """Look at the wheel, as the port says."""
        with self._noted("openings"):
            return self._index.openings(space, shards)

    def look(self) -> None:
        """Ask whether the server answers, if it was not asked anything lately; raises nothing."""
        heard_at = self._contact.heard_at
        if heard_at is not None and self._now() - heard_at < QUIET_S:
            return
        try:
            self._index.reach()
        except IndexUnavailable as away:
            self._contact.failed(_reason(away))
        else:
            self._contact.answered()

    @contextmanager
    def _noted(self, call: str) -> Iterator[None]:
        """Note what becomes of a call; any error but IndexUnavailable is an answer."""
        began = self._now()
        try:
            yield
        except IndexUnavailable as away:
            self._contact.failed(_reason(away))
            raise
        except Exception:
            self._contact.answered()
            raise
        else:
            self._contact.answered()
        finally:
            self._took(call, self._now() - began)


def _reason(away: IndexUnavailable) -> str:
    """Return the client's own words: they name addresses and commands, never values."""
    return str(away).removeprefix("Redis cannot be asked: ")

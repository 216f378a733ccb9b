"""The live index behind one record: what it asks for is read from Redis, nothing is written."""

from collections.abc import Sequence

from processor.identity.filed import Filing
from processor.identity.grave import Grave
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.identity.view import Effects
from processor.index.memory import MemoryIndex
from processor.index.port import Ask, Mark, Moment, Reading, Trim
from processor.records import RowKey
from processor.redis.index import RedisIndex
from processor.settings import Settings


class LiveIndex(MemoryIndex):
    """An index in memory that asks *live* for whatever a record asks of it, once."""

    def __init__(self, settings: Settings, live: RedisIndex) -> None:
        super().__init__(settings.key())
        self._live = live
        self._lookups = {
            w.scope: w.policy.priority.__contains__ for w in settings.workspaces.values()
        }
        self._read: dict[tuple[Space, int], Profile] = {}
        self._graves: dict[tuple[Space, int], Grave] = {}
        self._asked: set[object] = set()

    # typing.override is younger than our oldest Python
    def visit(  # type: ignore[explicit-override]
        self,
        space: Space,
        epochs: dict[RowKey, int],
        asks: Sequence[Ask],
        trims: Sequence[Trim] = (),
        marks: Sequence[Mark] = (),
        since: Moment | None = None,
    ) -> Reading:
        """Read what *asks* name and was not asked for before; then answer as the memory does."""
        for ask in asks:
            self._look(space, ask)
        return super().visit(space, epochs, asks, trims, marks, since)

    def _look(self, space: Space, ask: Ask) -> None:
        identifiers = tuple(i for i in ask.identifiers if (space, i) not in self._asked)
        mpids = tuple(m for m in ask.mpids if (space, m) not in self._asked)
        if not identifiers and not mpids:
            return
        self._asked |= {(space, one) for one in (*identifiers, *mpids)}
        found = self._live.visit(space, {}, [Ask(identifiers, mpids)]).found
        for mpid, profile in found.profiles.items():
            if profile is not None:
                self._read[space, mpid] = profile
        self._graves |= {(space, mpid): grave for mpid, grave in found.graves.items()}
        self.load(self._read.values(), self._lookups)
        marks = [(self.token(i), one) for i, its in found.markers.items() for one in its]
        if marks:
            self.commit(space, Effects({}, {}, {}, {}, filing=Filing(marks=marks)), [])
        for (of, mpid), grave in self._graves.items():
            self.commit(of, Effects({}, {}, {}, {}, graves={mpid: grave}), [])

"""Inputs and what came of them, put together by the place that outputs name. Pure."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field

from processor.records import Record
from processor.rules import INPUT_ROLES

Place = tuple[str, int, int]

SETTLE_S: Final = 0.4
"""How long after a record's output its changes may come: they are on another topic."""
PASSED_S: Final = 1.5
"""How long after a later record's output one without any is given up."""
MOST: Final = 20_000
"""Records that are waited for; with more, the oldest are forgotten."""
ANSWERS: Final = frozenset({"enriched", "responses", "receipts", "dead_letters", "outcomes"})


class Passage(Struct):
    """A record that passes."""

    source: Record | None = None
    outputs: dict[str, Record] = field(default_factory=dict)
    """By role, of ``ANSWERS``."""
    changes: list[Record] = field(default_factory=list)
    since: float = 0.0
    """When the last of its parts came."""


class Joining:
    """Waits for the parts of records; gives each once, in the order in which they came."""

    def __init__(self, *, has_outcomes: bool = False) -> None:
        self._waiting: OrderedDict[Place, Passage] = OrderedDict()
        self._passed: dict[tuple[str, int], tuple[int, float]] = {}
        """By partition, the last offset that something came of, and when."""
        self._has_outcomes = has_outcomes
        self.forgotten = 0

    def add(self, role: str, record: Record, now: float) -> None:
        """Take a record of a topic of *role* in, at *now* (seconds that only grow)."""
        is_source = role in INPUT_ROLES
        place = record[:3] if is_source else source_of(record)
        if place is None:
            return
        passage = self._waiting.setdefault(place, Passage())
        passage.since = now
        if is_source:
            passage.source = record
        else:
            self._output(role, record, place, passage)
        while len(self._waiting) > MOST:
            self._waiting.popitem(last=False)
            self.forgotten += 1

    def ready(self, now: float) -> Iterator[Passage]:
        """Yield the records that are complete at *now*, as far as can be told."""
        done = [place for place, one in self._waiting.items() if self._is_done(place, one, now)]
        for place in done:
            passage = self._waiting.pop(place)
            if passage.source is not None:  # else it came before we did
                yield passage

    def _output(self, role: str, record: Record, place: Place, passage: Passage) -> None:
        if role == "changes":
            passage.changes.append(record)
        else:
            passage.outputs[role] = record
        row, offset = place[:2], place[2]
        if offset >= self._passed.get(row, (-1, 0.0))[0]:
            self._passed[row] = offset, passage.since

    def _is_done(self, place: Place, one: Passage, now: float) -> bool:
        wanted = {"outcomes"} if self._has_outcomes else ANSWERS
        if one.outputs.keys() & wanted:
            return now - one.since >= SETTLE_S
        offset, since = self._passed.get(place[:2], (-1, now))
        return offset >= place[2] and now - max(since, one.since) >= PASSED_S


def source_of(record: Record) -> Place | None:
    """Return the place of the record that caused *record*, None where it names none."""
    told = dict(record.headers)
    topic, partition, offset = (
        told.get(f"source-{part}", b"").decode("utf-8", "replace")
        for part in ("topic", "partition", "offset")
    )
    if not (partition.isdecimal() and offset.isdecimal()):
        return None
    return topic, int(partition), int(offset)

"""The clock of a process: once a second it looks whether time is to be let pass for anybody.

Whoever owns a partition of the topic of sweeps looks at its shards. Only where a bucket is open by
the wall is the cluster asked how far the clock may go (``horizon``); as of that instant sweeps go
into the partition, in the open transaction, and come back as records. A partition that has not been
read up since it was started may still hold a sweep of each shard, of before a rewind or of an
earlier owner: until then none is added.
"""

from collections.abc import Collection, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException
from msgspec import Struct
from msgspec.structs import replace

from processor.kafka.asking import NoTopic, partitions_of
from processor.kafka.clock import Clock
from processor.kafka.loop.horizon import Horizon
from processor.kafka.loop.partitions import Partitions
from processor.kafka.loop.step import Observer, SweepStep
from processor.pipeline.sweeps import Due, shards_of
from processor.records import Output, RowKey

LOOK_S: Final = 1.0
WIDTH_S: Final = 60.0
"""How often it is asked how many partitions the topic has."""
_ANSWER_S: Final = 1.0

NOTHING: Final = Due(is_open=False, lag_s=0.0, set_aside=0)


class SweepParts(Struct, frozen=True):
    """What the clock of a process works with."""

    consumer: Consumer
    topic: str
    horizon: Horizon
    sweeps: SweepStep
    observer: Observer
    clock: Clock


class Sweeping:
    """Asks for sweeps where they are due. Used in the loop's thread, once a turn."""

    def __init__(self, parts: SweepParts) -> None:
        self._parts = parts
        self._now, self._wall = parts.clock.now, parts.clock.wall
        self._due = NOTHING
        self._looked_at = self._look_at = 0.0
        self._width = 0
        self._width_at = 0.0

    def turn(self, partitions: Partitions) -> Sequence[Output]:
        """Return the sweeps that are to be appended now, where *partitions* are being read."""
        if self._now() >= self._look_at:
            self._look_at = self._now() + LOOK_S
            self._look(partitions)
        if not self._due.is_open:
            return []
        as_of_ms = self._parts.horizon.look()
        return self._parts.sweeps.issue(as_of_ms) if as_of_ms else []

    def _look(self, partitions: Partitions) -> None:
        parts = self._parts
        own = self._own(partitions.started)
        shards = shards_of(own, self._partitions()) if own else {}
        wall_ms, behind = round(self._wall() * 1000), own - self._own(partitions.read_up)
        due = parts.sweeps.look(shards, wall_ms, behind) if shards else NOTHING
        self._due = self._as_late(due) if self._own(partitions.waiting) else due
        self._looked_at = self._now()
        if not self._due.is_open:
            parts.horizon.rest()
        parts.observer.clock(self._due, *parts.horizon.held())

    def _as_late(self, due: Due) -> Due:
        """Return *due* no less late than told before: of partitions that wait, nobody hears."""
        before = self._due
        lag_s = before.lag_s and before.lag_s + self._now() - self._looked_at
        aside = max(due.set_aside, before.set_aside)
        return replace(due, lag_s=max(due.lag_s, lag_s), set_aside=aside)

    def _own(self, keys: Collection[RowKey]) -> set[int]:
        return {key.partition for key in keys if key.topic == self._parts.topic}

    def _partitions(self) -> int:
        """Return how many partitions the topic has, as far as is known; 0: nobody says."""
        if self._now() >= self._width_at:
            try:
                found = partitions_of(self._parts.consumer, self._parts.topic, _ANSWER_S)
            except (KafkaException, NoTopic):
                return self._width  # a broker that has just begun may not know the topic yet
            self._width, self._width_at = len(found), self._now() + WIDTH_S
        return self._width

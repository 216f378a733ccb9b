"""A stream small enough to think about: records in partitions, offsets, transactions, crashes.

Nothing here is a double of what the project owns: the pipeline and the index are the real ones.
Only Kafka's part of the protocol is played, in the few lines below: what is committed stays, what
is in an open transaction is gone after a crash.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from processor.index.port import Assignment
from processor.pipeline.pipeline import Pipeline
from processor.records import Output, Record


class Crash(Exception):
    """The process died here."""


@dataclass
class Crasher:
    """Dies at the n-th passage of any crash point; counts them all."""

    at: int | None = None
    passed: int = 0
    names: list[str] = field(default_factory=list)

    def reach(self, point: str) -> None:
        self.passed += 1
        self.names.append(point)
        if self.at is not None and self.passed == self.at:
            raise Crash(point)


@dataclass
class Stream:
    """Input partitions, the group's offsets with their metadata, and the committed outputs."""

    records: dict[tuple[str, int], list[Record]]
    offsets: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    published: list[Output] = field(default_factory=list)

    def assigned(self) -> list[Assignment]:
        return [
            Assignment(
                topic, partition, "topic-id", *self.offsets.get((topic, partition), (None, ""))
            )
            for topic, partition in self.records
        ]

    def start(self, pipeline: Pipeline) -> None:
        """Assign all partitions, and give each its first offset, as the loop does."""
        pipeline.assign(self.assigned(), [])
        for key in self.records:
            if key not in self.offsets:
                self.offsets[key] = (0, pipeline.metadata(*key))

    def run(
        self,
        pipeline: Pipeline,
        cuts: Sequence[int],
        commit_every: int,
        reach: Callable[[str], None] = lambda _point: None,
    ) -> None:
        """Process everything from the committed offsets on, in poll batches of *cuts* records."""
        self.start(pipeline)
        position = {key: self.offsets[key][0] for key in self.records}
        open_outputs: list[Output] = []
        turn = 0
        while batch := self._poll(position, cuts[turn % len(cuts)]):
            open_outputs += pipeline.process(batch)
            for record in batch:
                position[record.topic, record.partition] = record.offset + 1
            turn += 1
            if turn % commit_every == 0:
                open_outputs = self._commit(pipeline, position, open_outputs, reach)
        self._commit(pipeline, position, open_outputs, reach)
        for _ in range(3):
            self._commit(pipeline, position, pipeline.idle(), reach)

    def _poll(self, position: dict[tuple[str, int], int], size: int) -> list[Record]:
        """Take up to *size* records, partitions in turn, so that every run sees the same order."""
        batch: list[Record] = []
        ahead = dict(position)
        while len(batch) < size:
            waiting = [k for k in self.records if ahead[k] < len(self.records[k])]
            if not waiting:
                break
            key = min(waiting, key=lambda k: (ahead[k], k))
            batch.append(self.records[key][ahead[key]])
            ahead[key] += 1
        return batch

    def _commit(
        self,
        pipeline: Pipeline,
        position: dict[tuple[str, int], int],
        outputs: Sequence[Output],
        reach: Callable[[str], None],
    ) -> list[Output]:
        reach("before_kafka_commit")
        self.published += outputs
        for key, offset in position.items():
            self.offsets[key] = (offset, pipeline.metadata(*key))
        reach("after_kafka_commit")
        pipeline.committed()
        return []

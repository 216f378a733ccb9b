"""What the loop asks of the processing it drives, and what it tells those who watch it."""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

from processor.index.port import Assignment
from processor.records import Output, Record

TransactionKind = Literal["committed", "aborted"]
Source = Literal["kafka", "consumer", "producer", "index", "registry"]
"""Whose an error is; ``kafka``: the cluster's, as its clients see it."""


class Step(Protocol):
    """Turns poll batches into outputs. The pipeline is the one that resolves identity.

    Called from the loop's thread only. Any method may raise IndexUnavailable (the loop commits what
    it has, rewinds and waits), LostWrites (it commits what it has, and ends), Fenced or NoStart (it
    aborts and ends).
    """

    def assign(self, partitions: Sequence[Assignment], others: Sequence[Assignment]) -> None:
        """Get ready to process *partitions*: those just assigned, or all own ones after ``forget``.

        *others* are the group's other partitions, as far as they could be read within a second.
        """
        ...

    def revoke(self, partitions: Collection[tuple[str, int]]) -> None:
        """Forget partitions that were given up: asks nobody."""
        ...

    def process(self, records: Sequence[Record]) -> Sequence[Output]:
        """Process one poll batch, in order, and return what is to be published."""
        ...

    def lots(self, records: Sequence[Record]) -> Sequence[Sequence[Record]]:
        """Return *records* in lots, each to be processed and committed on its own; () as a rule.

        Order within a partition is kept.
        """
        ...

    def idle(self) -> Sequence[Output]:
        """Do what waits for a quiet moment; called at most once a second, when nothing came."""
        ...

    def metadata(self, topic: str, partition: int) -> str:
        """Return what is stored with the next committed offset of a partition."""
        ...

    def committed(self) -> None:
        """Take note: everything processed so far is committed in Kafka."""
        ...

    def forget(self) -> None:
        """Take note: what was processed since the last commit is undone, all partitions are gone.

        ``assign`` with all that are left follows.
        """
        ...

    def excuse(self) -> None:
        """Take note: the process ends now, for a reason that no record in hand has to do with."""
        ...


class Observer(Protocol):
    """Hears how the loop fares: a few calls per poll batch or transaction, none per record."""

    def turn(self) -> None:
        """Hear that the loop is alive (also while it waits for something)."""
        ...

    def phase(self, name: str, seconds: float) -> None:
        """Hear of time spent in consume, process, produce (a poll batch) or commit."""
        ...

    def transaction(self, seconds: float, records: int, kind: TransactionKind) -> None:
        """Hear that a transaction ended, *seconds* after its first record was taken."""
        ...

    def lag(self, topic: str, partition: int, n: int) -> None:
        """Hear that *n* records of an own partition wait to be taken; told about once a second."""
        ...

    def error(self, source: Source, kind: str) -> None:
        """Hear that *source* failed, and the loop goes on."""
        ...

    def partitions(self, started: int, waiting: int) -> None:
        """Hear how many own partitions are processed, and how many wait for Kafka or the index."""
        ...

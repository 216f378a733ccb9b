"""The step, which the loop drives, and the observer, which it tells how it fares: two ports."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

from processor.index.port import Assignment
from processor.kafka.loop.horizon import Held
from processor.kafka.loop.statistics import Standing
from processor.pipeline.sweeps import Due
from processor.records import Output, Record

TransactionKind = Literal["committed", "aborted"]
Source = Literal["kafka", "consumer", "producer", "index", "registry"]
"""Which part an error comes from; ``kafka`` is the cluster, as its clients report it."""


class SweepStep(Protocol):
    """What a step does for the clock: asked only where there is one (``kafka.loop.sweeping``)."""

    def look(self, shards: Mapping[int, int], wall_ms: int, behind: Collection[int]) -> Due:
        """Look whether anything is due in own *shards*, named with the partition of their sweeps.

        Partitions that are *behind* may hold sweeps already. Called about once a second.
        """
        ...

    def issue(self, as_of_ms: int) -> Sequence[Output]:
        """Return the sweeps to append: *as_of_ms* is an instant up to which all is decided."""
        ...


class Step(Protocol):
    """Turns records into outputs. The pipeline is the step that resolves identity.

    The loop calls from one thread, in this order, without end::

        assign ▸ process ▸ process ▸ … ▸ metadata ▸ committed ▸ process ▸ …

    *The loop promises*: records of a partition come between its ``assign`` and its ``revoke``, in
    the order of the log, from the committed offset that ``assign`` was told (from the log's start
    where there is none). What ``process`` and ``idle`` return is published in one Kafka transaction
    with the offsets after the records and their ``metadata``, all or nothing; under at_least_once
    the outputs come first, and may be published again. ``committed`` follows each commit. Whatever
    else becomes of a transaction, ``forget`` follows, then ``assign`` with all partitions still
    owned, and the same records once more.

    *The step promises*: ``process`` returns all outputs of the records that it is given and holds
    back none. For a record that comes again it returns what it returned before: its decisions must
    outlive the process, since a replay must not decide anew.

    *Errors*, of any method: after IndexUnavailable or RegistryUnavailable the call counts as not
    made; the loop commits what came before it, rewinds (``forget``) and tries again. After
    LostWrites it commits what came before, and ends. Fenced and NoStart abort what is open and end
    the process, unless the group's offsets have moved meanwhile: then NoStart is a rewind too. Any
    other error ends the process. Before it ends for Fenced, NoStart, IndexRefused, or a failure of
    Kafka that no record caused, ``excuse`` is called.
    """

    @property
    def sweeps(self) -> SweepStep:
        """What it does for the clock."""
        ...

    def assign(self, partitions: Sequence[Assignment], others: Sequence[Assignment]) -> None:
        """Get ready to process *partitions*: those just assigned, or all own ones after ``forget``.

        *others* are the group's other partitions, as far as they could be read within a second.
        """
        ...

    def revoke(self, partitions: Collection[tuple[str, int]]) -> None:
        """Forget partitions that were given up; must make no request, as others wait for it."""
        ...

    def process(self, records: Sequence[Record]) -> Sequence[Output]:
        """Process one poll batch, in order, and return what is to be published."""
        ...

    def lots(self, records: Sequence[Record]) -> Sequence[Sequence[Record]]:
        """Return *records* in lots, each to be processed and committed on its own.

        Called with each poll batch before ``process``. Returns () where all are to be processed
        together, as they are as a rule. Order within a partition is kept.
        """
        ...

    def idle(self) -> Sequence[Output]:
        """Do what waits for a quiet moment; called at most once a second, when nothing came."""
        ...

    def metadata(self, topic: str, partition: int) -> str:
        """Return what is stored with the offset of a partition that is being committed."""
        ...

    def committed(self) -> None:
        """Take note: everything processed so far is committed in Kafka."""
        ...

    def forget(self) -> None:
        """Take note: what was processed since the last commit is undone, no partition is assigned.

        ``assign`` with all that are still owned follows.
        """
        ...

    def excuse(self) -> None:
        """Take note: the process ends now, and no record in hand can be the reason."""
        ...


class Observer(Protocol):
    """Is told how the loop fares: a few calls per poll batch or transaction, none per record."""

    def turn(self) -> None:
        """Note that the loop is alive (also while it waits for something)."""
        ...

    def phase(self, name: str, seconds: float) -> None:
        """Note the time spent in consume, process, produce (a poll batch) or commit."""
        ...

    def transaction(self, seconds: float, records: int, kind: TransactionKind) -> None:
        """Note that a transaction ended, *seconds* after its first record was taken."""
        ...

    def lag(self, topic: str, partition: int, n: int) -> None:
        """Note that *n* records of an own partition wait to be taken; told about once a second."""
        ...

    def age(self, topic: str, partition: int, seconds: float) -> None:
        """Note how old the last record is that was taken of a partition; 0 where none waits."""
        ...

    def latencies(self, seconds: Sequence[float]) -> None:
        """Note of each record of a transaction how long it took from its timestamp to the commit.

        Records without a timestamp are left out.
        """
        ...

    def error(self, source: Source, kind: str) -> None:
        """Note that *source* failed, and the loop goes on."""
        ...

    def cluster(self, standing: Standing) -> None:
        """Note how the consumer stands with the cluster and its group; told every few seconds."""
        ...

    def clock(self, due: Due, held: Held, seconds: float) -> None:
        """Note what is due, and for how long the clock has stood, and why; about once a second."""
        ...

    def partitions(self, started: int, waiting: int) -> None:
        """Note how many own partitions are processed, and how many wait for Kafka or the index."""
        ...

"""Kafka as the loop sees it, played: a group, transactions, and readers who wait for their end.

Only what confluent_kafka and a broker do is played here; the loop, the transactions' error classes
and everything behind them are the real ones. Rules are those of Kafka's protocol: offsets pending
in an open transaction are told to nobody, a newer producer of one transactional id fences the older
and aborts what it left, a member that the group has put out cannot commit offsets.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from processor.kafka.errors import END
from processor.kafka.loop.inputs import Ends
from processor.records import Record, RowKey

Key = tuple[str, int]
NO_OFFSET = -1001
FOREVER_MS = 2**62


def failure(code: int, *, fatal: bool = False, abort: bool = False) -> KafkaException:
    """Return an error as librdkafka classes it."""
    return KafkaException(KafkaError(code, "played", fatal=fatal, txn_requires_abort=abort))


@dataclass(eq=False)
class Appended:
    """One output in the log, visible once its transaction has committed."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    transaction: "Transaction"
    partition: int = 0
    time_ms: int = 0


@dataclass(eq=False)
class Transaction:
    """What one producer has begun; the cluster knows of it from the first request on."""

    state: str = "begun"
    offsets: dict[Key, tuple[int, str]] = field(default_factory=dict)


@dataclass(eq=False)
class Owner:
    """What the cluster knows of one transactional id."""

    epoch: int = 0
    open: Transaction | None = None


@dataclass(eq=False)
class Member:
    """A member of the group, as the coordinator sees it."""

    name: str
    owned: set[Key] = field(default_factory=set)
    to_give: set[Key] = field(default_factory=set)
    to_take: set[Key] = field(default_factory=set)
    is_out: bool = False


class Membership(NamedTuple):
    """What a member knows of its place in the group, sent with its offsets."""

    member: Member
    generation: int


class Cluster:
    """Input partitions, the group with its offsets, and one log of all outputs in append order."""

    with_transactions = True
    """False: what is produced is seen at once (a guard that a test switches off)."""

    def __init__(self, inputs: dict[Key, list[Record]], note: Callable[[str], None]) -> None:
        self.inputs = inputs
        self.note = note
        self.now_ms = FOREVER_MS
        """The time at the broker: records of later are not there yet."""
        self.offsets: dict[Key, tuple[int, str]] = {}
        self.log: list[Appended] = []
        self.owners: dict[str, Owner] = {}
        self.members: list[Member] = []
        self.target: dict[Key, Member] = {}
        self.generation = 0

    def end(self, key: Key) -> int:
        """Return the offset of the next record of a partition that is yet to come."""
        return bisect_right(self.inputs[key], self.now_ms, key=lambda one: one.timestamp_ms)

    # ---- the group --------------------------------------------------------------------------

    def join(self, name: str, *, static: bool) -> Member:
        """Add a member; a static one takes over the partitions of the one of its name."""
        member = Member(name)
        old = next((m for m in self.members if m.name == name), None) if static else None
        if old is not None:
            member.to_give = old.owned | old.to_give
            self.target = {k: member if m is old else m for k, m in self.target.items()}
            self._put_out(old)
        self.members.append(member)
        return member

    def put_out(self, member: Member) -> None:
        """End a member's session: others get its partitions at the next rebalance."""
        self._put_out(member)
        self.target = {k: m for k, m in self.target.items() if m is not member}

    def _put_out(self, member: Member) -> None:
        member.is_out = True
        member.owned, member.to_give, member.to_take = set(), set(), set()
        self.members.remove(member)

    def rebalance(self, salt: int) -> None:
        """Deal the partitions out anew, cooperatively: who loses one gives it up first."""
        if not self.members:
            return
        self.generation += 1
        for at, key in enumerate(self.inputs):
            self.target[key] = self.members[(salt // (at + 1) + at) % len(self.members)]
        self.hand_over()

    def hand_over(self) -> None:
        """Give free partitions to those who are to have them; ask owners for the others."""
        for key, member in self.target.items():
            holder = next((m for m in self.members if key in m.owned | m.to_give), None)
            if holder is None:
                member.to_give.add(key)
            elif holder is not member:
                if key in holder.to_give:
                    holder.to_give.discard(key)
                    member.to_give.add(key)
                else:
                    holder.to_take.add(key)
            else:
                holder.to_take.discard(key)

    # ---- transactions -----------------------------------------------------------------------

    def init(self, transactional_id: str) -> int:
        """Fence older producers of this id and abort what they left; return the new epoch."""
        owner = self.owners.setdefault(transactional_id, Owner())
        owner.epoch += 1
        self._end(owner, "aborted")
        return owner.epoch

    def append(
        self,
        transactional_id: str,
        epoch: int,
        transaction: Transaction,
        outputs: Sequence[dict[str, Any]],
    ) -> None:
        """Append outputs to the open transaction of a producer, which may be its first.

        What comes late, when the transaction has ended, is refused for its sequence numbers.
        """
        self._open(transactional_id, epoch, transaction)
        self.log += [
            Appended(transaction=transaction, time_ms=self.now_ms, **output) for output in outputs
        ]

    def add_offsets(
        self,
        transactional_id: str,
        epoch: int,
        transaction: Transaction,
        known: Membership,
        offsets: dict[Key, tuple[int, str]],
    ) -> None:
        """Add offsets to the open transaction; who was put out may not, nor who knows less."""
        self._open(transactional_id, epoch, transaction)
        if known.member.is_out:
            raise failure(KafkaError.UNKNOWN_MEMBER_ID, abort=True)
        if known.generation != self.generation:
            self.note("  a rebalance has overtaken the offsets")
            raise failure(KafkaError.ILLEGAL_GENERATION, abort=True)
        transaction.offsets.update(offsets)

    def finish(
        self, transactional_id: str, epoch: int, transaction: Transaction, state: str
    ) -> None:
        """Commit or abort the transaction of a producer."""
        owner = self.owners[transactional_id]
        self._check_epoch(owner, epoch)
        if transaction.state == "begun":
            transaction.state = state
        if owner.open is transaction:
            self._end(owner, state)
        if transaction.state != state:
            raise failure(KafkaError.INVALID_TXN_STATE, fatal=True)

    def time_out(self, transactional_id: str) -> None:
        """Abort a transaction that was open for too long; its producer is fenced."""
        self.init(transactional_id)

    def committed(self, keys: Sequence[Key]) -> list[TopicPartition]:
        """Return committed offsets; raise where one of them is pending, as librdkafka does."""
        if any(
            key in owner.open.offsets
            for owner in self.owners.values()
            if owner.open
            for key in keys
        ):
            raise failure(KafkaError._TIMED_OUT)
        return [TopicPartition(*key, *self.offsets.get(key, (NO_OFFSET, ""))) for key in keys]

    def seen(self) -> list[Appended]:
        """Return what a read_committed reader sees, in append order."""
        return [
            one
            for one in self.log
            if one.transaction.state == "committed" or not self.with_transactions
        ]

    def _open(self, transactional_id: str, epoch: int, transaction: Transaction) -> None:
        owner = self.owners[transactional_id]
        self._check_epoch(owner, epoch)
        if transaction.state == "begun":
            assert owner.open is None
            owner.open = transaction
            transaction.state = "open"
        if transaction.state != "open":
            raise failure(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, abort=True)

    def _check_epoch(self, owner: Owner, epoch: int) -> None:
        if owner.epoch != epoch:
            raise failure(KafkaError._FENCED, fatal=True)

    def _end(self, owner: Owner, state: str) -> None:
        if owner.open is not None:
            owner.open.state = state
            at = {f"{topic}/{p}": o for (topic, p), (o, _) in owner.open.offsets.items()}
            self.note(f"  in Kafka: {state}, offsets {at}")
            if state == "committed":
                self.offsets.update(owner.open.offsets)
                self._feed(owner.open)
            owner.open = None

    def _feed(self, transaction: Transaction) -> None:
        """Let what a transaction appended to an input topic be consumed, as of now."""
        for one in self.log:
            if one.transaction is transaction and (one.topic, one.partition) in self.inputs:
                fed = self.inputs[one.topic, one.partition]
                place = one.topic, one.partition, len(fed)
                fed.append(Record(*place, self.now_ms, one.key, one.value))


class Message:
    """A consumed record, as confluent_kafka hands it out, or that a partition ends there."""

    def __init__(self, record: Record, error: KafkaError | None = None) -> None:
        self._record, self._error = record, error

    def topic(self) -> str:
        return self._record.topic

    def partition(self) -> int:
        return self._record.partition

    def offset(self) -> int:
        return self._record.offset

    def timestamp(self) -> tuple[int, int]:
        return 1, self._record.timestamp_ms

    def key(self) -> bytes | None:
        return self._record.key

    def value(self) -> bytes | None:
        return self._record.value

    def headers(self) -> list[tuple[str, bytes]]:
        return list(self._record.headers)

    def error(self) -> KafkaError | None:
        return self._error


Pause = Callable[[str], int]
"""Waits at a named step until the schedule lets it go on; returns a number to choose by."""


class PlayedConsumer:
    """What the loop needs of a consumer."""

    def __init__(self, cluster: Cluster, name: str, pause: Pause, *, static: bool) -> None:
        self._cluster = cluster
        self._name = name
        self._pause = pause
        self._static = static
        self._at: dict[Key, int] = {}
        self._mine: set[Key] = set()
        self.member: Member | None = None

    def subscribe(self, _topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        self._callbacks = callbacks
        self._join()

    def _join(self) -> None:
        self.member = self._cluster.join(self._name, static=self._static)
        self._cluster.rebalance(0)

    def consume(self, most: int, _timeout: float) -> list[Message]:
        chosen = self._pause("consume")
        self._serve_the_group()
        records: list[Record] = []
        ends: list[Message] = []
        for key in sorted(self._at):
            room = min(most, chosen % 5) - len(records)
            end = min(self._at[key] + max(0, room), self._cluster.end(key))
            batch = self._cluster.inputs[key][self._at[key] : end]
            records += batch
            self._at[key] += len(batch)
            if batch:
                self._cluster.note(f"  {self._name} takes {batch[0].offset}.. of {_names({key})}")
            if self._at[key] == self._cluster.end(key):
                ends.append(Message(Record(*key, self._at[key], 0, None, None), KafkaError(END)))
        return [*(Message(record) for record in records), *ends]

    @property
    def started(self) -> set[Key]:
        """The partitions that are being read."""
        return set(self._at)

    def _serve_the_group(self) -> None:
        assert self.member is not None
        if self.member.is_out:
            if self._static and any(m.name == self._name for m in self._cluster.members):
                raise failure(KafkaError.FENCED_INSTANCE_ID, fatal=True)
            lost, self._mine = self._mine, set()
            self._cluster.note(f"  {self._name} has lost {_names(lost)}")
            self._callbacks["on_lost"](self, _partitions(lost))
            self._at = {}
            self._join()
            return
        if taken := set(self.member.to_take):
            self._cluster.note(f"  {self._name} gives up {_names(taken)}")
            self._callbacks["on_revoke"](self, _partitions(taken))
            self._mine -= taken
            self._at = {k: at for k, at in self._at.items() if k not in taken}
            if not self.member.is_out:
                self.member.owned -= taken
                self.member.to_take -= taken
                self._cluster.hand_over()
        elif given := set(self.member.to_give):
            self.member.owned |= given
            self.member.to_give = set()
            self._mine |= given
            self._cluster.note(f"  {self._name} is given {_names(given)}")
            self._callbacks["on_assign"](self, _partitions(given))

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        starts = {(p.topic, p.partition): p.offset for p in partitions}
        if starts:
            self._cluster.note(f"  {self._name} starts at {starts}")
        self._at.update(starts)

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        for p in partitions:
            self._at.pop((p.topic, p.partition), None)

    def committed(self, partitions: Sequence[TopicPartition], _timeout: float) -> Any:
        self._pause("ask for offsets")
        return self._cluster.committed([(p.topic, p.partition) for p in partitions])

    def get_watermark_offsets(
        self, partition: TopicPartition, *_: float, **__: bool
    ) -> tuple[int, int]:
        return 0, self._cluster.end((partition.topic, partition.partition))

    def list_topics(self, topic: str, timeout: float) -> Any:
        return _Metadata({topic: _Topic({p: None for t, p in self._cluster.inputs if t == topic})})

    def memberid(self) -> str:
        assert self.member is not None
        return "" if self.member.is_out else self._name

    def consumer_group_metadata(self) -> Membership:
        assert self.member is not None
        return Membership(self.member, self._cluster.generation)

    def close(self) -> None:
        self._pause("leave")
        assert self.member is not None
        if not self.member.is_out and self._mine:
            self._callbacks["on_revoke"](self, _partitions(self._mine))
        if not self.member.is_out:  # its session may have ended meanwhile
            self._cluster.put_out(self.member)
            self._cluster.rebalance(0)


@dataclass
class _Topic:
    partitions: dict[int, None]
    error: None = None


@dataclass
class _Metadata:
    topics: dict[str, _Topic]


Send = Callable[[str, Callable[[], Any]], Any]
"""Sends a request to the cluster, where it may be held up, lost, or come late."""


class PlayedProducer:
    """What the transactions need of a producer."""

    def __init__(self, cluster: Cluster, transactional_id: str, send: Send) -> None:
        self._cluster = cluster
        self._id = transactional_id
        self._send = send
        self._epoch = 0
        self._queue: list[dict[str, Any]] = []
        self._is_broken = False
        self._transaction = Transaction()

    def init_transactions(self, _within: float) -> None:
        self._epoch = self._send("init transactions", lambda: self._cluster.init(self._id))

    def begin_transaction(self) -> None:
        self._queue, self._transaction = [], Transaction()

    def produce(
        self, topic: str, value: bytes, key: bytes, headers: Any, partition: int = 0
    ) -> None:
        output = {"topic": topic, "key": key, "value": value, "headers": headers}
        self._queue.append({**output, "partition": partition})

    def poll(self, _timeout: float) -> int:
        return 0

    def flush(self, _timeout: float) -> int:
        outputs, self._queue = self._queue, []
        if outputs:
            now = self._id, self._epoch, self._transaction
            try:
                self._send("append", lambda: self._cluster.append(*now, outputs))
            except KafkaException as failed:
                if failed.args[0].fatal():
                    raise
                self._is_broken = True
        return 0

    def send_offsets_to_transaction(
        self, offsets: Sequence[TopicPartition], known: Membership, _within: float
    ) -> None:
        now = self._id, self._epoch, self._transaction
        found = {(o.topic, o.partition): (o.offset, o.metadata) for o in offsets}
        self._check()
        self._send("send offsets", lambda: self._cluster.add_offsets(*now, known, found))

    def commit_transaction(self, _within: float) -> None:
        now = self._id, self._epoch, self._transaction
        self._check()
        self._send("commit in Kafka", lambda: self._cluster.finish(*now, "committed"))

    def abort_transaction(self, _within: float) -> None:
        now = self._id, self._epoch, self._transaction
        self._queue, self._is_broken = [], False
        self._send("abort in Kafka", lambda: self._cluster.finish(*now, "aborted"))

    def _check(self) -> None:
        """Refuse to go on with a transaction whose outputs did not all arrive."""
        if self._is_broken:
            raise failure(KafkaError._TIMED_OUT, abort=True)


class PlayedInputs:
    """What is asked of all inputs: where they end now, and where the group stands."""

    def __init__(self, cluster: Cluster, inputs: Collection[Key], pause: Pause) -> None:
        self._cluster = cluster
        self._inputs = inputs
        self._pause = pause

    def ends(self, _since_ms: int | None) -> Generator[None, None, Ends]:
        self._pause("ask for ends")
        ends = {RowKey(*key): self._cluster.end(key) for key in self._inputs}
        yield  # the answer is under way
        return Ends(ends, is_silent=False)

    def committed(self, keys: Collection[RowKey]) -> Generator[None, None, dict[RowKey, int]]:
        self._pause("ask for the group")
        yield
        return {key: self._cluster.offsets.get(key, (NO_OFFSET, ""))[0] for key in keys}


def _partitions(keys: set[Key]) -> list[TopicPartition]:
    return [TopicPartition(*key) for key in sorted(keys)]


def _names(keys: set[Key]) -> str:
    return ", ".join(f"{topic}/{partition}" for topic, partition in sorted(keys))

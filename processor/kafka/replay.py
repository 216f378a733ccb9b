"""Dead letters back to the topics they came from, exactly once, by reasons.

One transaction holds letters put back and the position after them. Letters of several reasons lie
between each other, and one may be replayed today and another next week: so a position is kept for
each reason, in the metadata of the one offset that the group ``<group>-replay`` commits.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.kafka.asking import committed, partitions_of
from processor.kafka.clients import client_config, transactional_config
from processor.kafka.errors import passes
from processor.kafka.letters import (
    NAME,
    Letter,
    Positions,
    PutBack,
    Wanted,
    put_back,
    read_positions,
    reason_of,
    write_positions,
)
from processor.kafka.messages import record
from processor.records import Record, RowKey
from processor.settings import KafkaSettings

_TAKE: Final = 500
_WITHIN_S: Final = 30.0
_WAIT_S: Final = 0.5
_END: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - its own codes begin with an underscore


class TooLarge(Exception):
    """A letter is larger than its topic takes, and may not be passed over; says how to go on."""


class Replay:
    """One run over the dead letters, up to where their topic ended when it began."""

    def __init__(self, kafka: KafkaSettings, wanted: Wanted, reach: Callable[[str], None]) -> None:
        self._topic = kafka.topics.dead_letters
        self._wanted = wanted
        self._reach = reach
        self._failed: dict[tuple[int, int], KafkaError] = {}
        self._consumer = Consumer(
            {
                **client_config(kafka, "consumer"),
                "group.id": f"{kafka.group_id}-{NAME}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": False,
            }
        )
        config = transactional_config(kafka, NAME)
        config["transactional.id"] = f"{kafka.group_id}-{NAME}"
        self._producer = Producer(config)
        self._counts: dict[str, int] = {}
        self._held: dict[int, Positions] = {}
        self._starts: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._unplaced: list[int] = []
        self.tally = PutBack()

    def begin(self) -> list[int]:
        """Find out what there is to do; return the partitions with letters but no position."""
        # Fences a replay that runs or has died; its open transaction ends here.
        self._producer.init_transactions(_WITHIN_S)
        for one in self._committed():
            low, high = self._marks(one.partition)
            held = self._held[one.partition] = read_positions(one.offset, one.metadata or "")
            wanted = min(held[reason] for reason in self._wanted.reasons)
            self._starts[one.partition], self._ends[one.partition] = max(wanted, low), high
            if one.offset < 0 and low < high:
                self._unplaced.append(one.partition)
        return self._unplaced

    def passed_over(self) -> dict[str, int]:
        """Return how many wanted letters cannot go back, by topic; nothing is put back."""
        found: dict[str, int] = {}
        for letters in self._slices():
            for letter in letters:
                if self._is_wanted(letter) and put_back(letter, self._wanted) is None:
                    topic = dict(letter.headers).get("source-topic", b"").decode("utf-8", "replace")
                    found[topic] = found.get(topic, 0) + 1
        return found

    def run(self) -> Iterator[tuple[int, int]]:
        """Put letters back; after each transaction yield how many offsets are done, of how many."""
        at, ends = dict(self._starts), self._ends
        total = sum(max(0, ends[p] - at[p]) for p in ends)
        for letters in self._slices():
            at.update(self._replayed(letters))
            yield total - sum(max(0, ends[p] - at[p]) for p in ends), total
            if self._is_enough():
                return

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _is_enough(self) -> bool:
        return self._wanted.most is not None and self.tally.total() >= self._wanted.most

    def _is_wanted(self, letter: Record) -> bool:
        reason = reason_of(letter)
        is_done = letter.offset < self._held[letter.partition][reason]
        return not is_done and reason in self._wanted.reasons

    def _slices(self) -> Iterator[list[Record]]:
        """Yield what there is from the positions to the ends."""
        ends = self._ends
        open_parts = {p for p, start in self._starts.items() if start < ends[p]}
        self._consumer.assign([TopicPartition(self._topic, p, self._starts[p]) for p in open_parts])
        while open_parts:
            letters = self._taken(ends, open_parts)
            yield letters
            open_parts -= {
                one.partition for one in letters if one.offset + 1 >= ends[one.partition]
            }

    def _taken(self, ends: Mapping[int, int], open_parts: set[int]) -> list[Record]:
        letters = []
        for message in self._consumer.consume(_TAKE, _WAIT_S):
            partition, offset = message.partition() or 0, message.offset() or 0
            error = message.error()
            if error is None and offset < ends[partition]:
                letters.append(record(message))
            elif error is None or error.code() == _END:
                open_parts.discard(partition)
            elif not passes(error):
                raise KafkaException(error)
        return letters

    def _replayed(self, letters: Sequence[Record]) -> dict[int, int]:
        """Put *letters* back in one transaction; return the positions after them."""
        refused: set[tuple[int, int]] = set()
        while letters:
            tally, after = self._chosen(letters, refused)
            self._reach("replay_produced")
            too_large = self._too_large()
            if too_large:
                self._producer.abort_transaction(_WITHIN_S)
                if not self._wanted.pass_over:
                    raise TooLarge(self._too_large_are(too_large))
                refused |= too_large
                continue
            moved = {}
            for partition, offset in after.items():
                held = self._held[partition]
                held.update({r: max(held[r], offset) for r in self._wanted.reasons})
                moved[partition] = write_positions(held)
            self._producer.send_offsets_to_transaction(
                [TopicPartition(self._topic, p, at, data) for p, (at, data) in moved.items()],
                self._consumer.consumer_group_metadata(),
                _WITHIN_S,
            )
            self._reach("before_replay_commit")
            self._producer.commit_transaction(_WITHIN_S)
            self.tally = tally
            return after
        return {}

    def _chosen(
        self, letters: Sequence[Record], refused: Collection[tuple[int, int]]
    ) -> tuple[PutBack, dict[int, int]]:
        """Produce those of *letters* that are wanted, in a new transaction."""
        tally = PutBack(dict(self.tally.replayed), self.tally.no_input, self.tally.too_large)
        after: dict[int, int] = {}
        self._failed.clear()
        self._producer.begin_transaction()
        for letter in letters:
            if self._wanted.most is not None and tally.total() >= self._wanted.most:
                break
            after[letter.partition] = letter.offset + 1
            if not self._is_wanted(letter):
                continue
            reason, back = reason_of(letter), put_back(letter, self._wanted)
            if back is None:
                tally.no_input += 1
            elif (letter.partition, letter.offset) in refused:
                tally.too_large += 1
            else:
                self._produce(letter, back)
                tally.replayed[reason] = tally.replayed.get(reason, 0) + 1
        self._producer.flush(_WITHIN_S)
        return tally, after

    def _produce(self, letter: Record, back: Letter) -> None:
        partition = back.partition if back.partition < self._partitions_of(back.topic) else -1
        while True:
            try:
                self._producer.produce(
                    back.topic,
                    back.value,
                    back.key,
                    partition,
                    headers=list(back.headers),
                    on_delivery=self._heard(letter),
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as failure:
                if failure.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                self._failed[letter.partition, letter.offset] = failure.args[0]
                return
            else:
                return

    def _heard(self, letter: Record) -> Callable[[KafkaError | None, Message], None]:
        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self._failed[letter.partition, letter.offset] = error

        return delivered

    def _too_large(self) -> set[tuple[int, int]]:
        """Return the letters that their topic does not take; raise for any other failure."""
        too_large = {
            place
            for place, error in self._failed.items()
            if error.code() == KafkaError.MSG_SIZE_TOO_LARGE
        }
        if self._failed and not too_large:
            raise KafkaException(next(iter(self._failed.values())))
        return too_large

    def _too_large_are(self, places: Collection[tuple[int, int]]) -> str:
        shown = ", ".join(f"{self._topic}/{p} offset {at}" for p, at in sorted(places)[:5])
        return (
            f"{len(places):,} letters are larger than their topic takes with the headers of a"
            f" replay ({shown}): they and those beside them were not put back. Raise"
            " max.message.bytes of the topic, or leave them behind for good with --pass-over"
        )

    def _committed(self) -> list[TopicPartition]:
        partitions = range(self._partitions_of(self._topic))
        return committed(self._consumer, [RowKey(self._topic, p) for p in partitions], _WITHIN_S)

    def _marks(self, partition: int) -> tuple[int, int]:
        place = TopicPartition(self._topic, partition)
        low, high = self._consumer.get_watermark_offsets(place, _WITHIN_S)
        return low, high

    def _partitions_of(self, topic: str) -> int:
        if topic not in self._counts:
            self._counts[topic] = len(partitions_of(self._consumer, topic, _WITHIN_S))
        return self._counts[topic]

"""Dead letters back to the topics they came from, exactly once: the reading and writing of it.

One transaction holds letters put back and the positions after them. ``letters`` has the rules.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.kafka.clients import command_config
from processor.kafka.letters import (
    NAME,
    Letter,
    Parcel,
    ReplayTally,
    Selection,
    is_wanted,
    moved,
    origin_of,
    pack,
    put_back,
    write_positions,
)
from processor.kafka.mailbox import Mailbox
from processor.kafka.producer import produce
from processor.records import Record
from processor.settings import KafkaSettings

_WITHIN_S: Final = 30.0


class TooLarge(Exception):
    """A letter is larger than its topic takes, and may not be passed over; says how to go on."""


class Replay:
    """One run over the dead letters, up to where their topic ended when it began."""

    def __init__(
        self, kafka: KafkaSettings, selection: Selection, reach: Callable[[str], None]
    ) -> None:
        self._topic = kafka.topics.dead_letters
        self._selection = selection
        self._reach = reach
        self._failed: dict[tuple[int, int], KafkaError] = {}
        """By place, why letters of the open transaction were not delivered."""
        self._mailbox = Mailbox(kafka)
        self._producer = Producer(command_config(kafka, NAME))
        self.tally = ReplayTally()

    def begin(self) -> list[int]:
        """Find out what there is to do; return the partitions with letters but no position."""
        # Fences a replay that runs or has died; its open transaction ends here.
        self._producer.init_transactions(_WITHIN_S)
        return self._mailbox.look()

    def passed_over(self) -> dict[str, int]:
        """Return how many wanted letters cannot go back, by topic; nothing is put back."""
        found: dict[str, int] = {}
        for letters, _, _ in self._mailbox.read(self._selection.reasons):
            for letter in letters:
                is_wanted_here = is_wanted(letter, self._mailbox.held, self._selection)
                if is_wanted_here and put_back(letter, self._selection) is None:
                    topic = origin_of(letter)
                    found[topic] = found.get(topic, 0) + 1
        return found

    def run(self) -> Iterator[tuple[int, int]]:
        """Put letters back; after each transaction yield how many offsets are read, of how many."""
        for letters, done, total in self._mailbox.read(self._selection.reasons):
            if letters:
                self._put_back(letters)
            yield done, total
            if self.tally.is_full(self._selection):
                return

    def close(self) -> None:
        """Close the connections."""
        self._mailbox.close()

    # ---- a transaction ----------------------------------------------------------------------

    def _put_back(self, letters: Sequence[Record]) -> None:
        """Put *letters* back in one transaction; in a second one, without those too large."""
        refused: set[tuple[int, int]] = set()
        while True:
            parcel = pack(letters, self._mailbox.held, self._selection, self.tally, refused)
            self._send(parcel)
            self._reach("replay_produced")
            too_large = self._too_large()
            if not too_large:
                break
            self._producer.abort_transaction(_WITHIN_S)
            if not self._selection.pass_over:
                raise TooLarge(self._too_large_are(too_large))
            refused |= too_large
        self._commit(parcel)

    def _send(self, parcel: Parcel) -> None:
        """Produce the letters of *parcel* in a new transaction, and hear what failed."""
        self._failed.clear()
        self._producer.begin_transaction()
        for letter in parcel.letters:
            self._produce(letter)
        self._producer.flush(_WITHIN_S)

    def _produce(self, letter: Letter) -> None:
        is_there = letter.partition < self._mailbox.partitions_of(letter.topic)
        try:
            produce(
                self._producer,
                letter.topic,
                letter.value,
                letter.key,
                letter.headers,
                partition=letter.partition if is_there else -1,
                on_delivery=partial(self._heard, letter.place),
            )
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            self._failed[letter.place] = failure.args[0]

    def _heard(self, place: tuple[int, int], error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed[place] = error

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

    def _commit(self, parcel: Parcel) -> None:
        """Commit the open transaction, which holds *parcel*, with the positions after it."""
        held = self._mailbox.held
        after = {p: moved(held[p], self._selection, at) for p, at in parcel.after.items()}
        offsets = [
            TopicPartition(self._topic, p, *write_positions(positions))
            for p, positions in after.items()
        ]
        self._producer.send_offsets_to_transaction(
            offsets, self._mailbox.consumer.consumer_group_metadata(), _WITHIN_S
        )
        self._reach("before_replay_commit")
        self._producer.commit_transaction(_WITHIN_S)
        held |= after
        self.tally = parcel.tally

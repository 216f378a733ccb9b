"""What both guarantees share: handing outputs to a producer, and telling its errors apart."""

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.kafka.errors import ends_the_process
from processor.kafka.producer import produce, serve
from processor.records import Output

Delivered = Callable[[KafkaError | None, Message], None]
"""Hears of the delivery of a record; librdkafka's ``on_delivery``."""
NewProducer = Callable[[Delivered], Producer]
"""Makes the producer of a committer."""


class Undone(Exception):
    """What was published since the last commit does not count: abort it, and rewind."""

    def __init__(self, error: KafkaError) -> None:
        super().__init__(error.str())
        self.error = error
        self.kind = error.name()


class Committer(Protocol):
    """Publishes outputs and commits offsets, under one of the two guarantees.

    The loop calls ``ready`` until it is true, then ``publish`` as often as it likes, then
    ``commit`` or ``abort``, and so on. *within* is in seconds. Methods raise Undone, after which
    the loop calls ``abort``, or a KafkaException that ends the process.
    """

    def ready(self, within: float, /) -> bool:
        """Return whether it can publish, after having tried to become so; call until true."""
        ...

    def publish(self, outputs: Sequence[Output], /) -> None:
        """Add *outputs* to what is open."""
        ...

    def commit(self, offsets: Sequence[TopicPartition], within: float, /) -> None:
        """Commit all that was published, and *offsets* with their metadata."""
        ...

    def abort(self, within: float, /) -> None:
        """Give up what is open. Never raises Undone."""
        ...

    def serve(self) -> None:
        """Let the producer's callbacks run, while nothing is published."""
        ...


class Publisher:
    """Hands outputs to a producer, and keeps the first error of a delivery."""

    def __init__(self, topics: Mapping[str, str]) -> None:
        self._topics = topics
        self._failed: KafkaError | None = None

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        """Note a failed delivery; set as the producer's ``on_delivery``."""
        if error is not None and self._failed is None:
            self._failed = error

    def publish(self, producer: Producer, outputs: Sequence[Output]) -> None:
        """Queue *outputs* whose role has a topic; wait for room in the queue."""
        topics = self._topics
        for output in outputs:
            topic = topics.get(output.role)
            if topic is None:
                continue
            try:
                if output.partition is None:
                    produce(producer, topic, output.value, output.key, output.headers)
                else:
                    where = {"partition": output.partition}
                    produce(producer, topic, output.value, output.key, output.headers, **where)
            except KafkaException as failure:
                serve(producer.poll, 0)  # raises a fatal error by its own name
                self.refuse(failure.args[0])
        serve(producer.poll, 0)

    def check(self) -> None:
        """Raise if a delivery failed since the last ``clear``."""
        if self._failed is not None:
            self.refuse(self._failed)

    def clear(self) -> None:
        """Forget failed deliveries: what they were part of is undone."""
        self._failed = None

    def refuse(self, error: KafkaError) -> NoReturn:
        """Raise Undone for *error* of the open transaction, or what ends the process.

        A failed delivery comes first: the transaction's own error rarely names the record's.
        """
        cause = self._failed or error
        for one in (cause, error):
            if ends_the_process(one):
                raise KafkaException(one)
        raise Undone(cause)

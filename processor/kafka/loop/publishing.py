"""What both guarantees share: handing outputs to a producer, and telling its errors apart."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from processor.kafka.errors import FATAL, ends_the_process
from processor.records import Output

_TRIPPED: Final = "the producer failed for good (fenced, most likely); its client lost the reason"


class Undone(Exception):
    """What was published since the last commit does not count: abort it, and rewind."""

    def __init__(self, error: KafkaError) -> None:
        super().__init__(error.str())
        self.error = error
        self.kind = error.name()


class Committer(Protocol):
    """Publishes outputs and commits offsets, under one of the two guarantees.

    *within* is in seconds. Methods raise Undone, or a KafkaException that ends the process.
    """

    def ready(self, within: float) -> bool:
        """Return whether it can publish, after having tried to become so; call until true."""
        ...

    def publish(self, outputs: Sequence[Output]) -> None:
        """Add *outputs* to what is open."""
        ...

    def commit(self, offsets: Sequence[TopicPartition], within: float) -> None:
        """Commit all that was published, and *offsets* with their metadata."""
        ...

    def abort(self, within: float) -> None:
        """Give up what is open. Never raises Undone."""
        ...

    def serve(self) -> None:
        """Let the producer say what it has to say, while nothing is published."""
        ...


def serve(call: Callable[[float], int], seconds: float) -> int:
    """Call ``poll`` or ``flush``, which run callbacks, and raise what they mean to raise.

    The client raises a fatal error from its callback, and trips over it in every next callback;
    sometimes nothing but the trip is left, and then that it was fatal is all there is to tell.
    """
    try:
        return call(seconds)
    except SystemError as tripped:
        cause: BaseException | None = tripped
        while cause is not None and not isinstance(cause, KafkaException):
            cause = cause.__cause__ or cause.__context__
        raise cause or KafkaException(KafkaError(FATAL, _TRIPPED, fatal=True)) from tripped


class Publishing:
    """Hands outputs to *producer*, and keeps the first error of a delivery."""

    def __init__(self, topics: Mapping[str, str]) -> None:
        self._topics = topics
        self._failed: KafkaError | None = None

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        """Note a failed delivery; set as the producer's ``on_delivery``."""
        if error is not None and self._failed is None:
            self._failed = error

    def produce(self, producer: Producer, outputs: Sequence[Output]) -> None:
        """Queue *outputs* whose role has a topic; wait for room in the queue."""
        topics = self._topics
        for output in outputs:
            topic = topics.get(output.role)
            if topic is None:
                continue
            while True:
                try:
                    producer.produce(topic, output.value, output.key, headers=list(output.headers))
                    break
                except BufferError:
                    # Deliveries time out after seconds, so there will be room.
                    serve(producer.poll, 0.1)
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
        """Raise what *error* of the open transaction means: the end of it, or of the process."""
        cause = self._failed or error  # the transaction's error rarely names the record's
        for one in (cause, error):
            if ends_the_process(one):
                raise KafkaException(one)
        raise Undone(cause)

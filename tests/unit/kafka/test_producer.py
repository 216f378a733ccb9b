"""A full queue is waited for; what callbacks raise comes out of the call that runs them."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from processor.kafka.producer import produce, serve


def tripping(times: int):
    """Return a ``poll`` whose callback fails fatally, and which trips *times* over that."""

    def poll(_seconds: float) -> int:
        error: BaseException = KafkaException(KafkaError(KafkaError._FENCED, fatal=True))
        for _ in range(times):
            tripped = SystemError("returned a result with an exception set")
            tripped.__cause__ = error
            error = tripped
        raise error

    return poll


@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_a_fatal_error_is_raised_however_many_callbacks_tripped_over_it(times):
    with pytest.raises(KafkaException) as raised:
        serve(tripping(times), 0.1)
    assert raised.value.args[0].code() == KafkaError._FENCED


def test_a_trip_that_lost_its_reason_is_fatal_all_the_same():
    def poll(_seconds: float) -> int:
        raise SystemError("error return without exception set")

    with pytest.raises(KafkaException) as raised:
        serve(poll, 0.1)
    assert raised.value.args[0].fatal()


def test_a_fatal_error_is_found_behind_whatever_a_callback_made_of_it():
    def poll(_seconds: float) -> int:
        failure = RuntimeError("in a callback")
        tripped = SystemError("returned NULL")
        tripped.__context__ = failure
        failure.__context__ = KafkaException(KafkaError(KafkaError._FENCED, fatal=True))
        raise tripped

    with pytest.raises(KafkaException) as raised:
        serve(poll, 0.1)
    assert raised.value.args[0].code() == KafkaError._FENCED


class Full:
    """A producer whose queue is full until it was polled some times."""

    def __init__(self, polls: int) -> None:
        self.polls = polls
        self.sent: list[tuple] = []

    def produce(self, *record, **delivery) -> None:
        if self.polls:
            raise BufferError
        self.sent.append((record, delivery))

    def poll(self, _seconds: float) -> int:
        self.polls -= 1
        return 0


@pytest.mark.parametrize("polls", [0, 1, 3])
def test_a_full_queue_is_waited_for_and_each_record_is_sent_once(polls):
    producer = Full(polls)
    produce(producer, "t", b"v", b"k", (("a", b"1"),), partition=3)
    assert producer.sent == [(("t", b"v", b"k"), {"headers": [("a", b"1")], "partition": 3})]

"""Asking for a group's committed offsets while the answer does not come."""

from threading import Event

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from processor.kafka.errors import TIMED_OUT
from processor.kafka.loop.inputs import CommittedOffsets
from processor.records import RowKey
from tests.servers.waiting import eventually

PLACE = RowKey("batches", 0)


class Silent:
    """A consumer that answers when the test lets it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.asked = 0
        self.fails = False
        self.answers, self.closed = Event(), Event()

    def committed(self, places: list[TopicPartition], _timeout: float) -> list[TopicPartition]:
        self.asked += 1
        self.answers.wait(30)
        if self.fails:
            raise KafkaException(KafkaError(TIMED_OUT))
        return [TopicPartition(p.topic, p.partition, 7) for p in places]

    def close(self) -> None:
        assert self.answers.is_set(), "closed while it is asked"
        self.closed.set()


@pytest.fixture
def consumer():
    consumer = Silent()
    yield consumer
    consumer.answers.set()


@pytest.fixture
def offsets(consumer) -> CommittedOffsets:
    return CommittedOffsets(lambda: consumer, lambda: consumer.seconds)


def is_given_up(question) -> bool:
    try:
        next(question)
    except KafkaException:
        return True
    except StopIteration:
        return False
    return False


def answer(question):
    def found():
        try:
            return next(question)
        except StopIteration as end:
            return end.value

    return eventually(found)


def test_a_question_waits_for_nothing_and_has_its_answer_once_that_is_there(consumer, offsets):
    question = offsets.of([PLACE])
    assert not is_given_up(question)
    consumer.answers.set()
    assert answer(question) == {PLACE: 7}


def test_a_question_that_is_not_answered_in_time_is_given_up(consumer, offsets):
    question = offsets.of([PLACE])
    assert not is_given_up(question)
    consumer.seconds = 5.5
    assert not is_given_up(question)
    consumer.seconds = 6.0
    assert is_given_up(question)


def test_while_one_hangs_nothing_more_is_asked_and_once_it_came_back_it_is(consumer, offsets):
    next(offsets.of([PLACE]))
    assert is_given_up(offsets.of([PLACE]))
    assert consumer.asked == 1
    consumer.answers.set()
    eventually(lambda: not is_given_up(offsets.of([PLACE])))
    assert consumer.asked == 2


def test_closing_waits_for_no_answer_and_the_consumer_is_closed_behind_it(consumer, offsets):
    next(offsets.of([PLACE]))
    offsets.close()
    assert not consumer.closed.is_set()
    consumer.answers.set()
    assert consumer.closed.wait(30)


def test_who_is_not_asked_is_closed_at_once(consumer, offsets):
    consumer.answers.set()
    offsets.close()
    assert consumer.closed.is_set()


def test_who_did_not_answer_is_closed_and_another_is_asked():
    made: list[Silent] = []

    def new() -> Silent:
        made.append(Silent())
        made[-1].answers.set()
        return made[-1]

    offsets = CommittedOffsets(new, lambda: 0.0)
    made[0].fails = True
    eventually(lambda: is_given_up(offsets.of([PLACE])))
    assert made[0].closed.wait(30)
    assert answer(offsets.of([PLACE])) == {PLACE: 7}
    assert [one.asked for one in made] == [1, 1]


def test_who_did_not_answer_is_asked_again_where_no_other_can_be_made():
    made: list[Silent] = []

    def new() -> Silent:
        if made:
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG))
        made.append(Silent())
        made[-1].answers.set()
        return made[-1]

    offsets = CommittedOffsets(new, lambda: 0.0)
    made[0].fails = True
    with pytest.raises(KafkaException, match="_TIMED_OUT"):
        answer(offsets.of([PLACE]))
    made[0].fails = False
    assert answer(offsets.of([PLACE])) == {PLACE: 7}
    assert not made[0].closed.is_set()

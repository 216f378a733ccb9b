"""When a commit interval is over: no record waits longer, from when it was polled for."""

import math

from confluent_kafka import KafkaError

from processor.kafka.clock import Clock
from processor.kafka.errors import END
from processor.kafka.loop.consuming import Consuming
from processor.kafka.loop.interval import Interval, Pace
from processor.kafka.loop.partitions import Partitions
from processor.kafka.loop.starting import LoopParts
from processor.records import Record
from tests.kafka.deaf import Deaf
from tests.kafka.passing import PassThrough
from tests.model.kafka import Message


class Everything:
    """A consumer that has nothing, and a committer that takes all; what was asked is kept."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.commits = 0
        self.messages: list[Message] = []

    def consume(self, _most: int, seconds: float) -> list:
        self.waits.append(seconds)
        return self.messages

    def publish(self, _outputs) -> None:
        pass

    def commit(self, _offsets, _within: float) -> None:
        self.commits += 1


class Play:
    """An interval of a tenth of a second, by a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 50.0
        self.client = Everything()
        clock = Clock(lambda: self.now)
        pace = Pace(interval_s=0.1)
        step = PassThrough()
        self.interval = Interval(self.client, step, Deaf(), lambda _point: None, pace, clock)
        parts = LoopParts(
            consumer=self.client,
            leave=lambda: None,
            committer=self.client,
            interval=self.interval,
            positions=None,
            step=step,
            observer=Deaf(),
            reach=lambda _point: None,
            pace=pace,
            clock=clock,
        )
        self.consuming = Consuming(parts, Partitions(self.client, Deaf()), 500, 0.02)


def test_an_interval_counts_from_when_its_first_records_were_polled_for():
    play = Play()
    play.interval.add((), (), began=49.98, is_full=True)
    play.now = 50.075
    assert not play.interval.is_due()
    play.now = 50.0801
    assert play.interval.is_due()
    play.interval.commit()
    assert play.client.commits == 1


def test_half_an_interval_is_enough_as_long_as_no_poll_batch_is_full():
    play = Play()
    play.interval.add((), (), began=50.0)
    play.now = 50.0499
    assert not play.interval.is_due()
    play.now = 50.0501
    assert play.interval.is_due()
    play.interval.add((), (), began=50.0501, is_full=True)
    play.interval.add((), (), began=50.0501)
    assert not play.interval.is_due()
    play.now = 50.1001
    assert play.interval.is_due()


def test_a_transaction_is_pressed_by_its_own_poll_batches_alone():
    play = Play()
    play.interval.add((), (), began=50.0, is_full=True)
    play.interval.commit()
    play.interval.add((), (), began=50.0)
    assert round(play.interval.left_s(), 6) == 0.05


def test_a_poll_batch_waits_to_fill_but_never_past_the_end_of_the_interval():
    play = Play()
    assert play.interval.left_s() == math.inf
    play.consuming.take(play.interval.left_s())
    play.interval.add((), (), began=50.0, is_full=True)
    play.now = 50.095
    play.consuming.take(play.interval.left_s())
    play.now = 50.2
    play.consuming.take(play.interval.left_s())
    assert [round(seconds, 6) for seconds in play.client.waits] == [0.02, 0.005, 0.0]


def test_a_poll_batch_is_full_also_where_ends_of_partitions_take_some_of_its_room():
    play = Play()
    record = Record("in", 0, 0, 0, None, b"{}")
    end = Message(record, KafkaError(END))
    play.client.messages = [Message(record)] * 497 + [end] * 2
    play.consuming.take(0.02)
    assert not play.consuming.is_full
    play.client.messages.append(end)
    play.consuming.take(0.02)
    assert play.consuming.is_full

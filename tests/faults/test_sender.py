"""What is sent arrives, and what is read is seen, when a client of the suite had to be replaced."""

import pytest

from processor.kafka.loop.statistics import Standing
from tests.faults.reader import Reader
from tests.faults.sender import Sender
from tests.servers.kafka import Kafka
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

NO_BROKER = Standing("no broker is known", is_member=False, is_stranded=True)


def strand(client: Sender | Reader) -> None:
    """Let statistics say what they say of a client that has lost sight of every broker."""
    for _ in range(3):
        client._sight.told("producer", NO_BROKER)


def test_whatever_a_producer_still_had_is_sent_by_the_one_in_its_place(kafka: Kafka):
    topic = kafka.create_topic("sent", 1)
    sender = Sender(kafka.bootstrap, **{"linger.ms": 2_000})
    for number in range(5):
        sender.send(topic, str(number), str(number), partition=0)
    strand(sender)
    sender.flush(60)
    assert sender.replaced == 1
    values = [int(message.value() or b"") for message in kafka.read(topic)]
    assert values == [0, 1, 2, 3, 4]


def test_a_reader_goes_on_behind_what_it_has_seen(kafka: Kafka):
    topic, sender = kafka.create_topic("seen", 2), Sender(kafka.bootstrap)
    reader = Reader(kafka.bootstrap, {"profiles": topic})
    reader.start()
    try:
        for number in range(6):
            if number == 3:
                eventually(lambda: len(reader.seen["profiles"]) == 3, within=30)
                strand(reader)
            sender.send(topic, str(number), str(number), partition=number % 2)
            sender.flush(60)
        eventually(lambda: len(reader.seen["profiles"]) >= 6, within=30)
        assert sorted(one.value for one in reader.seen["profiles"]) == [b"%d" % n for n in range(6)]
    finally:
        reader.stop()

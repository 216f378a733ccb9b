"""What lies behind an open transaction: a changelog waits for it, a replay does not."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from processor.kafka.changelog import Changelog
from processor.kafka.clients import reader_config
from processor.kafka.span import Span
from processor.settings import KafkaSettings

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(kafka) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka.bootstrap, group_id=kafka.unique("group"))


@pytest.fixture
def under_way(kafka):
    """Give a topic with two records, a third in an open transaction, and that transaction."""
    topic = kafka.create_topic("letters")
    kafka.produce(topic, [b"0", b"1"], 0)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"2", partition=0)
    producer.flush(30)
    return topic, producer


def test_up_to_the_end_that_readers_see_nothing_is_waited_for(settings, under_way):
    topic, _ = under_way
    consumer = Consumer(reader_config(settings, settings.group_id))
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), 30)
        span = Span(consumer, topic, {0: low}, {0: high})
        assert [one.value for part in span.read(10) for one in part] == [b"0", b"1"]
        assert span.done == span.total == 2
    finally:
        consumer.close()


@pytest.mark.parametrize("commits", [True, False])
def test_a_changelog_is_read_past_what_was_under_way_when_it_began(settings, under_way, commits):
    topic, producer = under_way
    changelog = Changelog(settings, topic)
    found = []
    try:
        for part in changelog.read():
            found += [one.value for one in part.records]
            if not part.records and producer is not None:
                (producer.commit_transaction if commits else producer.abort_transaction)(30)
                producer = None
            assert part.total == 3
        assert part.done == 3
    finally:
        changelog.close()
    assert found == [b"0", b"1", *([b"2"] if commits else [])]

"""A look back into a topic finds the newest records of a key, and says how far it got."""

import time

import pytest
from confluent_kafka import Producer

from processor.kafka.partitioner import partition_of
from processor.kafka.recent import Budget, Recents
from processor.records import RowKey
from processor.settings.sections import KafkaSettings

pytestmark = pytest.mark.kafka
KEY, OTHER = b"retail/production/1", b"retail/production/22"


@pytest.fixture
def topic(kafka) -> str:
    return kafka.create_topic("recent", partitions=3)


def fill(servers: str, topic: str, keys: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
    for number, key in enumerate(keys):
        producer.produce(topic, str(number), key, timestamp=1_700_000_000_000 + number)
    producer.flush(20)


def recents(servers: str) -> Recents:
    return Recents(KafkaSettings(bootstrap_servers=servers), time.monotonic)


def test_records_of_a_key_come_newest_first_and_older_ones_on_demand(kafka, topic):
    fill(kafka.bootstrap, topic, [KEY, OTHER] * 30)
    look = recents(kafka.bootstrap)
    first = look.of_keys(topic, [KEY], Budget(found=10))
    assert [r.value for r in first.records] == [str(n).encode() for n in range(58, 38, -2)]
    assert first.since_ms == 1_700_000_000_040
    older = look.of_keys(topic, [KEY], Budget(found=50), first.before)
    assert [r.value for r in older.records] == [str(n).encode() for n in range(38, -2, -2)]
    assert older.before is None
    both = look.of_keys(topic, [KEY, OTHER], Budget(found=4))
    assert [r.value for r in both.records] == [b"59", b"58", b"57", b"56"]
    # What the other's records pushed out is where older ones begin.
    older = look.of_keys(topic, [KEY], Budget(found=2), both.before)
    assert [r.value for r in older.records] == [b"54", b"52"]
    more = look.of_keys(topic, [KEY, OTHER], Budget(found=4), both.before)
    assert [r.value for r in more.records] == [b"54", b"52", b"50", b"48"], "none was passed over"
    nobody = look.of_keys(topic, [b"retail/production/3"], Budget())
    assert (nobody.records, nobody.before) == ([], None)


def test_where_each_key_stands_is_known(kafka, topic):
    keys = [f"scope-{n}/production/{n * 7919 - 5}".encode() for n in range(50)]
    fill(kafka.bootstrap, topic, keys)
    for record in recents(kafka.bootstrap).of_all(topic, Budget(found=100)):
        assert record.partition == partition_of(record.key, 3)


def test_the_newest_of_all_and_where_the_group_stands(kafka, topic):
    fill(kafka.bootstrap, topic, [KEY] * 7)
    look = recents(kafka.bootstrap)
    newest = look.of_all(topic, Budget(found=3))
    assert [r.value for r in newest] == [b"6", b"5", b"4"]
    standing = look.standing([topic])
    row = RowKey(topic, partition_of(KEY, 3))
    assert (standing[row].end, standing[row].done) == (7, 0)

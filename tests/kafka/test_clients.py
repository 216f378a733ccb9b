import subprocess
import sys

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, KafkaError, Message

from processor.kafka.clients import (
    client_config,
    consumer_config,
    idempotent_config,
    transactional_config,
)
from processor.kafka.messages import OutOfRange, check, record
from processor.settings import KafkaSettings


def settings(**client: object) -> KafkaSettings:
    return KafkaSettings(client={k.replace("_", "."): v for k, v in client.items()})


def test_each_role_is_given_the_settings_that_it_knows():
    kafka = settings(session_timeout_ms=7000, linger_ms=1, security_protocol="SSL")
    consumer, producer = consumer_config(kafka), transactional_config(kafka, "p")
    admin = client_config(kafka, "admin")
    assert consumer["session.timeout.ms"] == 7000
    assert "linger.ms" not in consumer
    assert producer["linger.ms"] == 1
    assert "session.timeout.ms" not in producer
    assert admin.keys().isdisjoint({"session.timeout.ms", "linger.ms"})
    assert {c["security.protocol"] for c in (consumer, producer, admin)} == {"SSL"}


def test_the_guarantees_rest_on_these_settings():
    kafka = KafkaSettings(group_id="g")
    consumer, producer = consumer_config(kafka), transactional_config(kafka, "host-1-2")
    assert consumer["isolation.level"] == "read_committed"
    assert consumer["auto.offset.reset"] == "error"
    assert consumer["enable.auto.commit"] is False
    assert consumer["partition.assignment.strategy"] == "cooperative-sticky"
    assert producer["transactional.id"] == "g-host-1-2"
    assert producer["partitioner"] == "murmur2_random"
    assert 10_000 <= producer["transaction.timeout.ms"] <= 15_000
    assert "transactional.id" not in idempotent_config(kafka)
    assert idempotent_config(kafka)["enable.idempotence"] is True


def test_an_instance_id_makes_the_member_static_and_the_transactional_id_stable():
    kafka = KafkaSettings(group_id="g", instance_id="g-0")
    assert consumer_config(kafka)["group.instance.id"] == "g-0"
    assert transactional_config(kafka, "host-1-2")["transactional.id"] == "g-g-0"
    assert "group.instance.id" not in consumer_config(KafkaSettings())


def test_lines_of_librdkafka_that_nobody_asked_for_are_not_printed():
    program = "import logging, processor.kafka.clients;"
    program += "logging.getLogger('idstream.librdkafka').error('FAIL')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stderr == b""


def test_a_message_becomes_a_record():
    message = Message(
        "t", 3, 17, b"k", b"v", [("a", b"1"), ("a", None), ("b", b"")], None,
        (TIMESTAMP_CREATE_TIME, 1782900000000),
    )  # fmt: skip
    assert record(message) == (
        "t", 3, 17, 1782900000000, b"k", b"v", (("a", b"1"), ("a", b""), ("b", b"")),
    )  # fmt: skip


def test_a_message_without_timestamp_key_value_or_headers_becomes_a_record_too():
    message = Message("t", 0, 0, None, None, None, None, (TIMESTAMP_NOT_AVAILABLE, -1))
    assert record(message) == ("t", 0, 0, 0, None, None, ())


def test_headers_given_as_a_mapping_are_headers():
    message = Message("t", 0, 0, None, b"v", {"a": b"1", "b": "text"}, None, (1, 5))
    assert record(message).headers == (("a", b"1"), ("b", b"text"))


@pytest.mark.parametrize("code", [KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE])
def test_an_offset_outside_the_log_names_the_partition_and_the_ways_out(code):
    message = Message("t", 3, 17, None, None, None, KafkaError(code))
    with pytest.raises(OutOfRange, match=r"t/3.*--accept-offsets` goes on.*restore` does not"):
        check(message.error(), message)

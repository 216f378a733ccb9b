"""Records that no Python client would write."""

import ctypes

import pytest
from confluent_kafka import cimpl

from processor.kafka.messages import UNREADABLE
from tests.kafka.passing import PassThrough, fill, flow, running
from tests.servers.waiting import eventually

pytestmark = pytest.mark.kafka


def produce_header(bootstrap: str, topic: str, name: bytes) -> None:
    """Produce a record whose header has *name*, byte for byte, with librdkafka itself."""
    library = ctypes.CDLL(cimpl.__file__)
    for function in ("rd_kafka_conf_new", "rd_kafka_new"):
        getattr(library, function).restype = ctypes.c_void_p
    error, size = ctypes.create_string_buffer(512), ctypes.c_size_t(512)
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(conf, b"bootstrap.servers", bootstrap.encode(), error, size)
    producer = ctypes.c_void_p(library.rd_kafka_new(0, conf, error, size))
    to_topic, to_partition, value, header, end = 1, 3, 4, 9, 0
    code = library.rd_kafka_producev(
        producer,
        to_topic, topic.encode(),
        to_partition, ctypes.c_int32(0),
        value, b"v", ctypes.c_size_t(1),
        header, name, b"h", ctypes.c_size_t(1),
        end,
    )  # fmt: skip
    assert code == 0
    assert library.rd_kafka_flush(producer, 10_000) == 0
    library.rd_kafka_destroy(producer)


def test_a_header_whose_name_is_no_text_costs_nobody_anything_but_itself(kafka):
    line = flow(kafka, partitions=1)
    fill(line, 500)  # the interpreter specialises calls that it has seen often
    for _ in range(5):
        produce_header(kafka.bootstrap, line.input, b"bad\xff\xfe")
    fill(line, 1, start=500)
    seen = []

    class Seeing(PassThrough):
        def process(self, records):
            seen.extend(record.headers for record in records)
            return super().process(records)

    with running(line, Seeing()):
        eventually(lambda: len(seen) == 506)
    assert seen == [()] * 500 + [UNREADABLE] * 5 + [()]

"""A topic between two offsets of each partition, with gaps, control records and later ones."""

from collections import deque

import hypothesis.strategies as st
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, KafkaError, KafkaException, Message
from hypothesis import given

from processor.kafka.span import Span


class Reader:
    """A consumer of partitions that lack some offsets; an end is told when it is reached."""

    def __init__(self, logs: dict[int, dict[int, bytes]], ends: dict[int, int]) -> None:
        self._logs = logs
        self._ends = ends
        self._queue: deque[Message] = deque()
        self.assigned: list[int] = []

    def assign(self, partitions) -> None:
        self.assigned = [one.partition for one in partitions]
        self._queue.clear()
        for one in partitions:
            log = self._logs[one.partition]
            for offset in sorted(at for at in log if at >= one.offset):
                self._queue.append(message(one.partition, offset, log[offset]))
            self._queue.append(message(one.partition, self._ends[one.partition], None))

    def consume(self, most: int, _seconds: float) -> list[Message]:
        return [self._queue.popleft() for _ in range(min(most, len(self._queue)))]


def message(partition: int, offset: int, value: bytes | None) -> Message:
    error = KafkaError(KafkaError._PARTITION_EOF) if value is None else None
    return Message("t", partition, offset, None, value, None, error, (TIMESTAMP_CREATE_TIME, 1))


@given(
    st.dictionaries(
        st.integers(0, 3),
        st.tuples(st.sets(st.integers(0, 30)), st.integers(0, 35), st.integers(0, 30)),
        max_size=4,
    ),
    st.integers(1, 7),
)
def test_every_record_between_the_offsets_is_read_once(topic, most):
    logs = {p: dict.fromkeys(offsets, b"v") for p, (offsets, _, _) in topic.items()}
    starts = {p: start for p, (_, start, _) in topic.items()}
    ends = {p: end for p, (_, _, end) in topic.items()}
    # Others go on appending: the log ends later than the span.
    span = Span(Reader(logs, dict.fromkeys(topic, 31)), "t", starts, ends)
    for _ in range(2):
        found = [one for part in span.read(most) for one in part]
        assert sorted((one.partition, one.offset) for one in found) == sorted(
            (p, at) for p, log in logs.items() for at in log if starts[p] <= at < ends[p]
        )
        assert span.done == span.total == sum(max(0, ends[p] - starts[p]) for p in topic)


def test_a_partition_without_records_in_the_span_is_not_read():
    reader = Reader({0: {}, 1: {5: b"v"}}, {0: 0, 1: 6})
    assert [len(part) for part in Span(reader, "t", {0: 0, 1: 5}, {0: 0, 1: 6}).read(9)] == [1]
    assert reader.assigned == [1]


def test_a_partition_is_done_with_its_last_record_though_no_end_is_told():
    reader = Reader({0: dict.fromkeys(range(9), b"v")}, {0: 9})
    span = Span(reader, "t", {0: 0}, {0: 2})
    assert [len(part) for part in span.read(2)] == [2]
    assert span.done == 2


def test_a_permanent_error_is_raised():
    reader = Reader({0: {}}, {0: 4})
    error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    reader.consume = lambda *_: [Message("t", 0, 0, None, None, None, error, (0, 0))]
    with pytest.raises(KafkaException):
        list(Span(reader, "t", {0: 0}, {0: 4}).read(9))

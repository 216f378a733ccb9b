"""What a clock asks of a cluster, asked by tests; and transactions that its answers depend on."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress

from confluent_kafka import KafkaException, Producer

from processor.kafka.asking import just, open_admin
from processor.kafka.loop.inputs import AdminInputs, CommittedOffsets, Question
from processor.records import RowKey
from processor.settings import KafkaSettings
from tests.kafka.passing import Flow
from tests.servers.waiting import eventually


@contextmanager
def opened(kafka: KafkaSettings, topic: str) -> Iterator[AdminInputs]:
    """Give what is asked about *topic*, and close its connections."""
    with (
        open_admin(kafka) as admin,
        closing(CommittedOffsets.open(kafka, time.monotonic)) as offsets,
    ):
        yield AdminInputs(just(admin), offsets, [topic])


def inputs_of(line: Flow):
    """Give what is asked about the input of *line*."""
    return opened(line.settings, line.input)


def answer(question: Question):
    """Wait for the answer to a question; that it waits for nothing is what the loop rests on."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            next(question)
        except StopIteration as end:
            return end.value
        time.sleep(0.01)
    raise AssertionError("no answer")


def standing(inputs: AdminInputs, keys: Collection[RowKey]) -> Mapping[RowKey, int]:
    """Return where the group stands.

    A broker that has just begun says that it is not the coordinator; it is asked again, as by the
    clock.
    """

    def told() -> Mapping[RowKey, int]:
        with suppress(KafkaException):
            return answer(inputs.committed(keys))
        return {}

    return eventually(told)


@contextmanager
def transaction(line: Flow, *values: bytes) -> Iterator[Producer]:
    """Open a transaction with *values* in the first partition of the input."""
    producer = Producer(
        {"bootstrap.servers": line.kafka.bootstrap, "transactional.id": line.kafka.unique("tx")}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(line.input, value, partition=0)
    assert producer.flush(30) == 0
    yield producer

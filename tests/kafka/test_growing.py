"""The number of partitions of an input is raised while a processor runs (docs/partitions.md)."""

import pytest
from confluent_kafka.admin import NewPartitions

from tests.kafka.passing import GUARANTEES, PassThrough, all_came_out_once, fill, flow, running
from tests.servers.kafka import ANSWER_S, Kafka
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_partitions_that_are_added_are_read_from_their_first_record(kafka, guarantee):
    client = {"topic.metadata.refresh.interval.ms": 2000}
    line = flow(kafka, partitions=2, guarantee=guarantee, client=client)
    fill(line, 200)
    with running(line, PassThrough()) as one:
        eventually(lambda: one.listener.started == 2)
        added = kafka.admin.create_partitions([NewPartitions(line.input, 5)])
        added[line.input].result(ANSWER_S)
        # Written by somebody who knows of them before the processor does.
        other = Kafka(kafka.bootstrap, None)
        for partition in range(2, 5):
            other.produce(line.input, [b"first", b"second"], partition)
        eventually(lambda: one.listener.started == 5, within=60)
        all_came_out_once(line)

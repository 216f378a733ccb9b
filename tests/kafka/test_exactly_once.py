import json

import pytest

from tests.kafka.passing import PassThrough, all_came_out_once, fill, flow, origin, running
from tests.servers.waiting import eventually

pytestmark = pytest.mark.kafka


def test_every_record_comes_out_once_in_order_with_its_key_value_and_headers(kafka):
    line = flow(kafka)
    fill(line, 2000)
    with running(line, PassThrough()):
        all_came_out_once(line)

    for partition in range(line.partitions):
        mine = [m for m in line.kafka.read(line.input) if m.partition() == partition]
        out = [m for m in line.results() if origin(m)[0] == partition]
        out.sort(key=lambda m: origin(m)[1])
        assert [m.value() for m in out] == [m.value() for m in mine]


def test_the_metadata_of_the_step_is_stored_with_the_offsets_and_comes_back(kafka):
    line = flow(kafka, partitions=2)
    fill(line, 10)
    with running(line, PassThrough("first")):
        all_came_out_once(line)
        eventually(lambda: kafka.committed(line.group, line.input)[1].offset == 5)

    stored = kafka.committed(line.group, line.input)
    assert {p: json.loads(o.metadata)["by"] for p, o in stored.items()} == {0: "first", 1: "first"}

    second = PassThrough("second")
    with running(line, second):
        eventually(lambda: second.assigned)
    (partitions, _others) = second.assigned[0]
    assert [(p.partition, p.committed) for p in partitions] == [(0, 5), (1, 5)]
    assert all(json.loads(p.metadata)["by"] == "first" for p in partitions)
    assert all(p.topic_id not in ("", line.input) for p in partitions)

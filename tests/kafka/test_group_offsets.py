"""Where a group stands, asked by somebody who is no member of it, on a real broker."""

import time
from collections import Counter
from contextlib import closing

import pytest
from confluent_kafka import Consumer, TopicPartition
from msgspec.structs import replace

from processor.records import RowKey
from tests.kafka import shopping
from tests.kafka.asking import inputs_of, opened, standing, transaction
from tests.kafka.passing import PassThrough, fill, flow, running
from tests.kafka.shopping import flips, logged, open_shop, order
from tests.servers.kafka import ANSWER_S
from tests.servers.relay import API_VERSIONS, FIND_COORDINATOR, METADATA, OFFSET_FETCH
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

HOUR_MS = 3_600_000
PEOPLE = 20


def members(line) -> int:
    asked = line.kafka.admin.describe_consumer_groups([line.group], request_timeout=ANSWER_S)
    return len(asked[line.group].result(ANSWER_S).members)


def test_offsets_of_an_open_transaction_do_not_count_and_are_not_waited_for(kafka):
    line = flow(kafka, 1)
    place = RowKey(line.input, 0)
    member = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": line.group})
    with closing(member), inputs_of(line) as inputs:
        member.commit(offsets=[TopicPartition(line.input, 0, 1)], asynchronous=False)
        with transaction(line, b"1", b"2") as producer:
            producer.send_offsets_to_transaction(
                [TopicPartition(line.input, 0, 2)], member.consumer_group_metadata(), 30
            )
            assert standing(inputs, [place]) == {place: 1}
            producer.commit_transaction(30)
        eventually(lambda: standing(inputs, [place]) == {place: 2})


def test_whoever_asks_joins_no_group_and_lets_nobody_rebalance(kafka, relay):
    line = flow(kafka, 1)
    fill(line, 3)
    step, place = PassThrough(), RowKey(line.input, 0)
    through = replace(line.settings, bootstrap_servers=relay.bootstrap)
    with running(line, step), opened(through, line.input) as inputs:
        for n in range(1, 4):
            line.kafka.produce(line.input, [b"more"])
            eventually(lambda n=n: standing(inputs, [place]) == {place: 3 + n})
        assert members(line) == 1
        assert len(step.assigned) == 1
        assert step.revoked == []
    assert relay.asked.keys() <= {API_VERSIONS, METADATA, FIND_COORDINATOR, OFFSET_FETCH}


@pytest.mark.redis
def test_while_the_clock_is_not_told_where_the_group_stands_it_waits_and_nothing_else_does(
    kafka, relay, redis_url, redis_prefix, tmp_path
):
    path = tmp_path / "idstream.toml"
    topics = open_shop(kafka, (redis_url, redis_prefix), path)
    path.write_text(path.read_text().replace(kafka.bootstrap, relay.bootstrap))
    at_ms = round(time.time() * 1000) - HOUR_MS

    def told() -> Counter[tuple[str, str]]:
        return Counter(key[2:4] for key in flips(kafka, topics["audience_changes"]))

    order(kafka, topics["batches"], range(PEOPLE), at_ms)
    relay.fate = "swallowed"
    with shopping.running(path) as process:

        def has_met(count: int) -> bool:
            if process.poll() is not None:
                pytest.fail(f"ended with {process.returncode}: {logged(path)}")
            return relay.met >= count

        eventually(lambda: has_met(1), 60)
        order(kafka, topics["batches"], range(PEOPLE, 2 * PEOPLE), at_ms)
        eventually(lambda: told() == {("entered", "record"): 2 * PEOPLE}, every=0.3)
        relay.fate, met = "moved", relay.met
        eventually(lambda: has_met(met + 2))
        assert told() == {("entered", "record"): 2 * PEOPLE}
        relay.fate = "passed on"
        eventually(lambda: told()["left", "time"] == 2 * PEOPLE, 60, every=0.3)

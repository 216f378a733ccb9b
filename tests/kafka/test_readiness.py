"""A stopped broker is told by readiness within seconds, without traffic, and so is its return."""

import time

import pytest

from processor.watch.admin import Health
from processor.watch.contact import Contact
from processor.watch.metrics import Metrics
from processor.watch.watch import Watch
from tests.kafka.passing import PassThrough, all_came_out_once, fill, flow, running
from tests.servers.waiting import eventually
from tests.unit.watch.lines import Lines

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


class NoGarbage:
    def collect(self) -> None: ...


def test_readiness_goes_with_the_broker_and_comes_back(kafka):
    metrics, lines = Metrics(), Lines()
    contact = Contact("kafka", kafka.bootstrap, lines, time.monotonic, metrics.connection("kafka"))
    health = Health(clock=time.monotonic, contacts=(contact,))
    watch = Watch(metrics, health, contact, lambda: None, NoGarbage())
    line = flow(kafka)
    fill(line, 100)
    with running(line, PassThrough(), observer=watch):
        eventually(lambda: not health.missing() and contact.heard_at, within=30)
        kafka.node.kill()
        eventually(contact.missing, within=15)
        assert "Kafka does not answer" in health.missing()[-1]
        found = metrics.registry.get_sample_value
        # The session ends, which takes the partitions away: they wait none the less.
        eventually(lambda: found("idstream_partitions", {"state": "waiting"}) == 4, within=30)
        assert contact.missing()
        assert found("idstream_connected", {"to": "kafka"}) == 0
        kafka.node.start()
        eventually(lambda: not health.missing(), within=60)
        assert found("idstream_connected", {"to": "kafka"}) == 1
        fill(line, 100, start=100)
        all_came_out_once(line)
        eventually(lambda: found("idstream_record_latency_seconds_count") == 200)
        eventually(
            lambda: found("idstream_lag_seconds", {"topic": line.input, "partition": "0"}) == 0
        )
    assert [name for name, _ in lines.told] == ["waiting_for_kafka", "kafka_answers"]

"""A broker that is fenced as it goes away: clients that ask just then may find none any more."""

import time
from dataclasses import replace as changed

import pytest
from confluent_kafka import KafkaException
from msgspec.structs import replace

from processor.kafka.admin import LastingAdmin
from processor.kafka.errors import Stranded
from tests.kafka.passing import Listener, PassThrough, all_came_out_once, fill, flow, running
from tests.servers.relay import Relay
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

LOST_S = 30.0
"""Three statistics, and the end of the loop."""


@pytest.fixture
def relay(kafka):
    assert kafka.node
    relay = Relay(kafka.bootstrap)
    yield relay
    relay.close()


def restart(relay: Relay) -> None:
    """Let whoever asks next hear of no broker, as of one that restarts; then all is well again."""
    relay.is_fenced, before = True, relay.met
    eventually(lambda: relay.met > before, every=0.001)
    relay.is_fenced = False


def test_a_consumer_that_finds_no_broker_any_more_ends_the_loop_and_nothing_is_lost(kafka, relay):
    line = flow(kafka, client={"topic.metadata.refresh.interval.ms": 500})
    through = changed(line, settings=replace(line.settings, bootstrap_servers=relay.bootstrap))
    count = 0

    def goes_on() -> bool:
        """Return whether records come out after a restart of the broker, or the loop has ended."""
        nonlocal count
        restart(relay)
        fill(line, 4, start=count)
        count += 4
        until = time.monotonic() + LOST_S
        while time.monotonic() < until and not one.failures:
            if one.listener.records["committed"] >= count:
                return True
            time.sleep(0.05)
        return False

    with running(through, PassThrough(), observer=Listener()) as one:
        eventually(lambda: one.listener.started == 4)
        while goes_on():
            pass
        assert isinstance(one.failure(), Stranded)
    with running(line, PassThrough()):
        all_came_out_once(line)


def test_an_admin_client_that_finds_no_broker_any_more_is_replaced(kafka, relay):
    settings = flow(kafka, 1).settings
    admin = LastingAdmin(replace(settings, bootstrap_servers=relay.bootstrap))

    def finds() -> bool:
        """Return whether a question is answered."""
        try:
            with admin.asked() as client:
                return bool(client.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def is_stranded() -> bool:
        """Return whether the client finds no broker after a restart of it."""
        relay.is_fenced, before = True, relay.met
        eventually(lambda: finds() or relay.met > before, every=0.001)
        relay.is_fenced = False
        return not finds()

    eventually(finds)
    eventually(is_stranded, within=60)
    assert finds()
    admin.close()

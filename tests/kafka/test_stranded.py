"""A broker that is fenced as it goes away: clients that ask just then may find none any more."""

import time
from contextlib import closing, suppress
from dataclasses import replace as changed

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from msgspec.structs import replace

from processor.commands.terminal.failure import explained
from processor.kafka.admin import LastingAdmin
from processor.kafka.errors import TIMED_OUT, Stranded
from processor.kafka.loop.inputs import AdminInputs, CommittedOffsets
from processor.records import RowKey
from tests.kafka.asking import answer
from tests.kafka.passing import Listener, PassThrough, fill, flow, running
from tests.servers.kafka import ANSWER_S
from tests.servers.relay import FETCH, Relay
from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

LOST_S = 30.0
"""Three statistics, and the end of the loop."""


def restart(relay: Relay) -> None:
    """Let whoever asks next hear of no broker, as of one that restarts; then all is well again."""
    relay.is_fenced, before = True, relay.met
    eventually(lambda: relay.met > before, every=0.001)
    relay.is_fenced = False


@pytest.mark.parametrize(
    ("guarantee", "spares"),
    [("exactly_once", None), ("at_least_once", FETCH)],
    ids=["consumer", "producer"],
)
def test_a_client_that_finds_no_broker_any_more_ends_the_loop_and_nothing_is_lost(
    kafka, relay, guarantee, spares
):
    relay.spares = spares
    client = {"topic.metadata.refresh.interval.ms": 500}
    line = flow(kafka, guarantee=guarantee, client=client)
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

    step = PassThrough()
    with running(through, step, observer=Listener()) as one:
        eventually(lambda: one.listener.started == 4)
        while goes_on():
            pass
        failure = one.failure()
    assert isinstance(failure, Stranded)
    assert step.excused == 1, "no record's doing"
    told = explained(failure)
    assert told, "an end that is foreseen"
    assert len(told.splitlines()) == 1
    with running(line, PassThrough()):
        eventually(lambda: line.offsets_in() <= line.offsets_out().keys(), within=40, every=0.3)
    assert guarantee == "at_least_once" or set(line.offsets_out().values()) == {1}


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


def test_a_question_whose_client_is_replaced_meanwhile_goes_on_with_the_next(kafka):
    line = flow(kafka, 1)
    names = TopicCollection([line.input])
    with (
        closing(LastingAdmin(line.settings)) as admin,
        closing(CommittedOffsets.open(line.settings, time.monotonic)) as offsets,
    ):
        inputs = AdminInputs(admin.asked, offsets, [line.input])
        question = inputs.ends(None)
        next(question)
        with suppress(KafkaException), admin.asked() as client:
            # Answers come in turn: what the question asked first has been answered too.
            client.describe_topics(names)[line.input].result(ANSWER_S)
            raise KafkaException(KafkaError(TIMED_OUT))
        assert answer(question).ends == {RowKey(line.input, 0): 0}

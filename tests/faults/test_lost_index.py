"""Redis loses acknowledged writes: all stop, restore mends it, and nothing shows of it outside."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import losses
from tests.faults.processors import Processor
from tests.faults.stage import Servers, Stage

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(600)]


@pytest.fixture
def stage(servers: Servers, tmp_path: Path) -> Iterator[Stage]:
    one = Stage(servers, tmp_path, ("first", "second"), is_timed=True)
    yield one
    one.close()


def test_an_index_emptied_under_load_is_restored_and_the_run_goes_on_as_if_nothing_had_happened(
    servers: Servers, stage: Stage
):
    assert not losses.lose_and_restore(stage, lambda: losses.flush(servers), times=2)


def test_a_loss_between_two_lives_is_noticed(stage: Stage):
    assert not losses.lose_and_restore(stage, lambda: losses.flush_between_lives(stage), 2400)


def test_a_server_that_comes_back_without_its_data_is_noticed(servers: Servers, stage: Stage):
    assert not losses.lose_and_restore(stage, lambda: losses.restart_without_data(servers))


def test_a_failover_that_loses_acknowledged_writes_is_noticed(stage: Stage):
    with losses.failover(stage) as lose:
        assert not losses.lose_and_restore(stage, lose, 4800)


@pytest.mark.parametrize("disturb", [losses.restart, losses.reset])
def test_a_healthy_restart_after_known_users_only_is_no_loss(
    servers: Servers, stage: Stage, disturb: Callable[[Servers], None]
):
    assert not losses.seem_to_lose(stage, lambda: disturb(servers))


LOADS = """
import signal, sys, time
time.sleep(0.5)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("partitions_started", flush=True)
time.sleep(60)
"""


def test_a_processor_that_still_loads_is_asked_to_leave_when_it_can_hear_it(tmp_path: Path):
    processor = Processor("slow", tmp_path / "idstream.toml")
    processor.command = [sys.executable, "-c", LOADS]
    processor.start()
    losses.stop([processor])
    assert processor.status == 0

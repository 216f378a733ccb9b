"""A strike tells whether it hit by what came of it: against what is gone already, none does."""

import random
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.faults import strikes
from tests.faults.processors import Processor
from tests.faults.proxy import Proxy
from tests.faults.stage import Stage
from tests.faults.storm import Weather, deal
from tests.faults.strikes import AGAINST_ALL, AGAINST_ONE, CRASHES, FENCED, KINDS, NAMED, Struck


@pytest.fixture
def struck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return what is struck: a processor that ended at once, on servers nobody is connected to."""
    for seconds in ("PASS_S", "STARTED_S"):
        monkeypatch.setattr(strikes, seconds, 0.2)
    processor = Processor("anna", tmp_path / "idstream.toml")
    processor.command = [sys.executable, "-c", "pass"]
    processor.start()
    processor.wait()
    proxy = Proxy(1)
    stage: Any = SimpleNamespace(servers=SimpleNamespace(redis_proxy=proxy, broker_proxy=proxy))
    supervisor: Any = SimpleNamespace(bring_up=lambda _processor: None)
    yield Struck(processor, stage, supervisor, random.Random(1))
    proxy.close()


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSTOP past the session", FENCED])
def test_a_process_that_is_gone_is_not_hit(struck: Struck, name: str):
    assert not AGAINST_ONE[name](struck)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("server", ["Redis", "broker"])
def test_a_network_that_nobody_uses_is_not_hit(struck: Struck, server: str, kind: str):
    assert not AGAINST_ALL[f"{server} connection {kind}"](struck)


LIVES = """
import signal, time
signal.signal(signal.SIGCONT, lambda *_: print({told!r}, flush=True))
print("partitions_started", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("told", "has_hit"),
    [('{"source":"consumer","event":"rewound"}', True), ('{"event":"stopped"}', False)],
    ids=["its partitions were lost", "nobody noticed"],
)
def test_a_stop_hits_if_the_work_was_somebody_elses_by_then(
    struck: Struck, monkeypatch: pytest.MonkeyPatch, told: str, *, has_hit: bool
):
    monkeypatch.setattr(strikes, "SESSION_S", 0.1)
    struck.processor.command = [sys.executable, "-c", LIVES.format(told=told)]
    struck.processor.start()
    assert strikes._wait(lambda: struck.processor.has_started, 20)
    assert AGAINST_ONE["SIGSTOP past the session"](struck) == has_hit
    assert struck.processor.kill()


def three() -> Stage:
    """Return a stage whose third processor has no name of its own in the group."""
    names = ("anna", "bert", "cleo")
    processors = [SimpleNamespace(name=name, is_static=name != "cleo") for name in names]
    return cast("Stage", SimpleNamespace(processors=processors))


def test_who_takes_which_fault_is_a_matter_of_the_seed_and_all_are_taken():
    asked = [*CRASHES, *AGAINST_ONE, *AGAINST_ALL] * 3
    weather = Weather(1, 1, 1, 1, 0, asked)
    stage = three()
    hands = deal(weather, stage)
    assert hands == deal(weather, stage)
    assert hands != deal(replace(weather, seed=2), stage)
    assert sorted(name for hand in hands for name in hand) == sorted(asked)
    assert not NAMED & set(hands[2]), "one without a name has no known transactional id, nor sweeps"
    assert set(hands[3]) == set(AGAINST_ALL)

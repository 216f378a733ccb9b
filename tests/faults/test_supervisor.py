"""How processors end: each end is noted, and one that may not be is complained about."""

import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.faults.processors import Processor
from tests.faults.stage import End, Stage, Supervisor, beside
from tests.faults.storm import (
    EVERYBODY,
    Blow,
    Report,
    Striker,
    Weather,
    never_hit,
    told_by_metrics,
    unprovoked,
)
from tests.servers.waiting import eventually

LOST = "idstream: the index has lost acknowledged writes of space retail/production."
DIES = """
import os, signal, sys, time
if "IDSTREAM_CRASH_AT" in os.environ:
    {deed}
print("partitions_started", flush=True)
time.sleep(60)
"""


def stage_of(folder: Path, deed: str) -> Stage:
    """Return a stage of one processor that does *deed* when it is to crash, and then works."""
    processor = Processor("anna", folder / "idstream.toml")
    processor.command = [sys.executable, "-c", DIES.format(deed=deed)]
    return cast("Stage", SimpleNamespace(processors=[processor]))


def strike(stage: Stage) -> tuple[Supervisor, Report]:
    supervisor = Supervisor(stage)
    report = Report(Weather(1, 1, 1, 1, 0, ["crash after_claim"]))
    (processor,) = stage.processors
    try:
        Striker(stage, supervisor, report, processor)._strike("crash after_claim")
    finally:
        processor.close()
    return supervisor, report


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        (f"sys.exit({LOST!r})", LOST),
        ("os.kill(os.getpid(), signal.SIGABRT)", "SIGABRT"),
        ("print('why', flush=True); os.kill(os.getpid(), signal.SIGABRT)", "SIGABRT: why"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "SIGTERM"),
        ("sys.exit(0)", "stopped, and nobody had asked for it"),
    ],
    ids=["an error", "a signal of no strike", "and why", "a signal that nobody sent", "no reason"],
)
def test_an_end_that_may_not_be_is_told_though_a_striker_holds_the_processor(
    tmp_path: Path, deed: str, told: str
):
    supervisor, report = strike(stage_of(tmp_path, deed))
    assert supervisor.unexpected == [f"anna: {told}"]
    assert report.missed["crash after_claim"] == 1


@pytest.mark.parametrize(
    "deed",
    ["os.kill(os.getpid(), signal.SIGKILL)", "sys.exit('idstream: a newer owner has the row')"],
    ids=["a strike that hit", "a newer owner"],
)
def test_an_end_that_may_be_is_counted_and_not_told(tmp_path: Path, deed: str):
    supervisor, _report = strike(stage_of(tmp_path, deed))
    assert supervisor.unexpected == []
    assert supervisor.ends.total() == 1


def test_ends_by_themselves_are_bounded_by_the_faults_that_bring_them_about():
    frozen = Blow(10, 15, "SIGSTOP past the session", "anna")
    everywhere = Blow(100, 101, "broker SIGSTOP", EVERYBODY)
    harmless = Blow(10, 15, "crash after_claim", "bert")
    blows = [frozen, everywhere, harmless]
    once = [End(16, "anna", "fenced"), End(102, "anna", "fenced"), End(102, "bert", "fenced")]
    assert unprovoked(once, blows) == []
    for one in (
        End(9, "anna", "fenced"),  # before it
        End(17, "anna", "fenced"),  # a second time
        End(16, "bert", "fenced"),  # of another
        End(103, "bert", "fenced"),  # of all, but a second time
        End(500, "anna", "fenced"),  # long after
    ):
        (told,) = unprovoked([*once, one], blows)
        assert told == f"nothing had provoked it: {one.processor}: fenced"


def test_what_fails_beside_is_told_when_it_is_waited_for():
    def fail() -> None:
        raise KeyError("of the thread")

    with pytest.raises(KeyError, match="of the thread"), beside(fail):
        pass


def test_what_runs_beside_is_ended_whatever_happens_inside():
    is_over = threading.Event()
    with pytest.raises(ValueError, match="of the body"), beside(is_over.wait, is_over.set):
        raise ValueError("of the body")
    assert is_over.is_set()


def test_an_end_is_noted_once_whoever_meets_it(tmp_path: Path):
    stage = stage_of(tmp_path, "sys.exit('idstream: no such file')")
    (processor,) = stage.processors
    supervisor = Supervisor(stage)
    supervisor.bring_up(processor, IDSTREAM_CRASH_AT="after_claim")
    eventually(lambda: not processor.is_running, within=20)
    supervisor.note_end(processor)
    supervisor.note_end(processor)
    supervisor.bring_up(processor)
    processor.close()
    assert supervisor.unexpected == ["anna: idstream: no such file"]


def test_metrics_that_nobody_could_read_are_no_proof(tmp_path: Path):
    supervisor: Any = Supervisor(stage_of(tmp_path, "pass"))
    assert told_by_metrics(supervisor)
    supervisor.readings = 1
    assert not told_by_metrics(supervisor)


def test_a_fault_that_never_struck_is_told_whatever_else_did():
    report = Report(Weather(1, 1, 1, 1, 0, ["SIGKILL", "SIGKILL", "SIGTERM"]))
    report.faults["SIGKILL"] = 1
    report.missed["SIGKILL"] = 51
    report.faults["SIGTERM"] = 1
    assert never_hit(report) == ["SIGKILL: 1 strikes never hit"]

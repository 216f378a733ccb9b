"""How processors end: each end is noted, and one that may not be is complained about."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.faults.processors import Processor
from tests.faults.stage import Stage, Supervisor
from tests.faults.storm import Report, Striker, Weather, never_hit, told_by_metrics
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
    [(f"sys.exit({LOST!r})", LOST), ("os.kill(os.getpid(), signal.SIGABRT)", "SIGABRT")],
    ids=["an error", "a signal that nobody sent"],
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

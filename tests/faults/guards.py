"""Real processors without one of their guards: the suite has to notice, and say what is wrong."""

import sys
import tempfile
from pathlib import Path

from tests.faults import losses
from tests.faults.stage import Servers, Stage
from tests.faults.storm import Weather, owes_nothing, storm
from tests.faults.unguarded import GUARDS
from tests.servers.waiting import eventually

MEANT = {
    "journal": "decisions: ",
    "compare": "final states: ",
    "republishing": "changelog ends with the highest: ",
    "witness": "the loss was not noticed by ",
    "transaction": "one outcome each: 2 outcomes",
}
"""How the complaint begins that must tell the absence of each guard, whatever else is told."""
STRIKES = {
    "journal": ["crash after_index_commit", "crash before_kafka_commit"] * 4,
    "compare": ["SCRIPT FLUSH"] * 8,
    "republishing": ["SIGSTOP briefly after the index commit"] * 12,
    "transaction": ["crash before_kafka_commit", "crash after_produce"] * 4,
}

LOADS = {"compare": (6_000, 3_000, 2_000)}
"""Batches, requests and rate where they matter: commits meet only while there is always work."""


def complaints_without(guard: str, servers: Servers, seed: int = 1) -> list[str]:
    """Run for a while with *guard* switched off; return what the checks complain about."""
    assert guard in GUARDS
    return _complaints(guard, servers, seed, ("-m", "tests.faults.unguarded", guard))


def complaints_with(guard: str, servers: Servers, seed: int = 1) -> list[str]:
    """Run the same with *guard* in its place: there must be nothing to complain about."""
    return _complaints(guard, servers, seed, ())


def _complaints(guard: str, servers: Servers, seed: int, instead: tuple[str, ...]) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="idstream-faults-") as folder:
        stage = Stage(servers, Path(folder), ("anna", "bert", "cleo"))
        if instead:
            for processor in stage.processors:
                processor.command = [sys.executable, *instead]
        try:
            if guard == "witness":
                return _complaints_of_a_loss(stage)
            batches, requests, rate = LOADS.get(guard, (1_500, 400, 200))
            report = storm(stage, Weather(seed, batches, requests, rate, 0.02, STRIKES[guard]))
        finally:
            stage.close()
    return [f"{name}: {one}" for name, wrong in report.wrong.items() for one in wrong]


def _complaints_of_a_loss(stage: Stage) -> list[str]:
    records = 600

    def flush() -> None:
        # What one that leaves could not commit would rightly be decided anew, so all is done first.
        eventually(lambda: stage.sent == records, within=60)
        stage.wait_for_all()
        eventually(lambda: owes_nothing(stage), within=60, every=0.2)
        losses.flush_between_lives(stage)
        stage.produce_known_users(200)  # something to do after the restore

    complaints = losses.lose_and_restore(stage, flush, records)
    is_unnoticed = any(complaint.startswith(MEANT["witness"]) for complaint in complaints)
    if is_unnoticed and not any(processor.is_running for processor in stage.processors):
        # Who goes on has noticed nothing; who ended of something else may have.
        return [f"{p.name} has ended: {p.log().splitlines()[-1]}" for p in stage.processors]
    return complaints


def is_told(guard: str, complaints: list[str]) -> bool:
    """Return whether the check that is meant to is among those that complain."""
    return any(complaint.startswith(MEANT[guard]) for complaint in complaints)

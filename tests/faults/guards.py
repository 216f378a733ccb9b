"""Real processors without one of their guards: the suite has to notice, and say what is wrong."""

import sys
import tempfile
from pathlib import Path

from tests.faults import losses
from tests.faults.stage import Servers, Stage
from tests.faults.storm import Weather, storm
from tests.faults.unguarded import GUARDS

MEANT = {
    "journal": "changes",
    "compare": "final states",
    "republishing": "changelog ends with the highest",
    "witness": "the loss was not noticed",
    "transaction": "one outcome each",
}
"""The check that must tell the absence of each guard, whatever else complains."""
STRIKES = {
    "journal": ["crash after_index_commit", "crash before_kafka_commit"] * 4,
    "compare": ["SCRIPT FLUSH"] * 8,
    "republishing": ["SIGSTOP briefly after the index commit"] * 12,
    "transaction": ["crash before_kafka_commit", "crash after_produce"] * 4,
}


def complaints_without(guard: str, servers: Servers, seed: int = 1) -> list[str]:
    """Run for a while with *guard* switched off; return what the checks complain about."""
    assert guard in GUARDS
    with tempfile.TemporaryDirectory(prefix="idstream-faults-") as folder:
        stage = Stage(servers, Path(folder), ("anna", "bert", "cleo"))
        for processor in stage.processors:
            processor.command = [sys.executable, "-m", "tests.faults.unguarded", guard]
        try:
            if guard == "witness":
                return losses.lose_and_restore(
                    stage, lambda: losses.flush_between_lives(stage), 600
                )
            report = storm(stage, Weather(seed, 1_500, 400, 200, 0.02, STRIKES[guard]))
        finally:
            stage.close()
    return [f"{name}: {one}" for name, wrong in report.wrong.items() for one in wrong]


def is_told(guard: str, complaints: list[str]) -> bool:
    """Return whether the check that is meant to is among those that complain."""
    return any(complaint.startswith(MEANT[guard]) for complaint in complaints)

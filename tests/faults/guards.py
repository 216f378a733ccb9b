"""Real processors without one of their guards: the suite has to notice, and say what is wrong."""

import sys
import tempfile
import time
from pathlib import Path

from tests.faults import losses
from tests.faults.processors import Processor
from tests.faults.stage import DRIFT, Servers, Stage, beside
from tests.faults.storm import Weather, check, owes_nothing, storm
from tests.faults.unguarded import GUARDS
from tests.servers.waiting import eventually

MEANT = {
    "journal": "decisions: ",
    "compare": "final states: ",
    "republishing": "changelog ends with the highest: ",
    "witness": "the loss was not noticed by ",
    "transaction": "one outcome each: 2 outcomes",
    "horizon": "aged early: ",
}
"""How the complaint begins that must tell the absence of each guard, whatever else is told."""
STRIKES = {
    "journal": ["crash after_index_commit", "crash before_kafka_commit"] * 4,
    "compare": ["SCRIPT FLUSH"] * 8,
    "republishing": ["SIGSTOP briefly after the index commit"] * 24,
    "transaction": ["crash before_kafka_commit", "crash after_produce"] * 4,
}
AGEING = {"horizon"}
"""Guards of the clock: these runs have people who age."""
LONGEST_S = 60.0
"""The longest transaction that the settings allow."""
HUNG_S = 75.0
"""For how long a processor hangs: longer than a lifetime and the minute until it is looked at."""

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
        is_ageing = guard in AGEING
        stage = Stage(servers, Path(folder), ("anna", "bert", "cleo"), is_ageing=is_ageing)
        if instead:
            for processor in stage.processors:
                processor.command = [sys.executable, *instead]
        try:
            if guard == "witness":
                return _complaints_of_a_loss(stage)
            if guard == "horizon":
                return _complaints_of_a_hang(stage, seed)
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


def _complaints_of_a_hang(stage: Stage, seed: int) -> list[str]:
    """Let a processor hang, and keep its place, while records of people wait in its partitions."""
    away_s = HUNG_S + 30
    stage.configure(stage.servers.redis_proxy.port, away_s, transaction_s=LONGEST_S)
    stage.reader.start()
    for one in stage.processors:
        one.start()
    hung = stage.processors[0]
    counts = int(away_s * 50), int(away_s * 10)
    with beside(lambda: stage.produce(seed, counts, 60, drift=DRIFT)):
        eventually(lambda: len(stage.reader.done) > 600, within=90)
        hung.freeze()
        time.sleep(HUNG_S)  # it hangs for so long
        hung.thaw()
    eventually(lambda: _goes_on(hung, stage), within=180, every=0.5)
    for holds in (stage.clock_is_up, lambda: owes_nothing(stage)):
        eventually(holds, within=90, every=0.5)
    losses.stop(stage.processors)
    found = check(stage, stage.published())
    return [f"{name}: {one}" for name, wrong in found.items() for one in wrong]


def _goes_on(hung: Processor, stage: Stage) -> bool:
    """Whether all is done; a processor whose transaction was over as it hung is started again."""
    if not hung.is_running:
        hung.start()
    return len(stage.reader.done) >= stage.sent


def is_told(guard: str, complaints: list[str]) -> bool:
    """Return whether the check that is meant to is among those that complain."""
    return any(complaint.startswith(MEANT[guard]) for complaint in complaints)

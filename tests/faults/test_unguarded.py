"""The processor without one of its guards is still one: what is switched off is there."""

import subprocess
import sys

import pytest

from tests.faults.guards import MEANT
from tests.faults.unguarded import GUARDS


@pytest.mark.parametrize("guard", GUARDS)
def test_a_processor_runs_with_a_guard_switched_off(guard: str):
    command = [sys.executable, "-m", "tests.faults.unguarded", guard, "check", "--crash-points"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "before_index_commit" in done.stdout


def test_offsets_bear_witness_to_nothing_where_that_guard_is_off():
    program = """
from processor.index.port import Assignment
from processor.pipeline.witness import Offset
from tests.faults.unguarded import GUARDS

GUARDS["witness"]()
offset = Offset.of(Assignment("batches", 0, "id", 7, "idstream1 retail/production=7,7"))
print({name: one.seq for name, one in offset.witnesses.items()})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'retail/production': 0}\n"


def test_of_each_guard_it_is_said_what_must_tell_its_absence():
    assert GUARDS.keys() == MEANT.keys()

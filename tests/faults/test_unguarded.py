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


def test_of_each_guard_it_is_said_what_must_tell_its_absence():
    assert GUARDS.keys() == MEANT.keys()

"""Processes that are stopped where they are, and do not notice."""

import os
import signal
import subprocess

from tests.servers.waiting import eventually


def freeze(pid: int) -> None:
    """Stop a process; on a busy machine its threads may go on for a moment, which is waited for."""
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: state_of(pid) in {"T", "Z", ""}, every=0.01)


def state_of(pid: int) -> str:
    """Return the state of a process as the system sees it, such as T for stopped; '' if gone."""
    asked = ["ps", "-o", "state=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout[:1]

"""``tail`` tells every record that passes, once, with what became of it."""

import json
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]

COUNT = 300


def test_what_is_generated_passes_and_is_told_with_its_outcome(deployment):
    command = [sys.executable, "-m", "processor", "tail", "-c", str(deployment.config)]
    printed = deployment.config.with_suffix(".tail")
    with (
        printed.open("w") as file,
        subprocess.Popen([*command, "--json", "--records", str(COUNT)], stdout=file) as tail,
    ):
        # It listens from now on, and nobody knows when that was: records go on until it has enough.
        deadline = time.monotonic() + 120
        while tail.poll() is None and time.monotonic() < deadline:
            deployment.done("generate", "--rate", "200", "--bad", "0.1", "--records", "300")
        tail.kill()
    lines = [json.loads(line) for line in printed.read_text().splitlines()]
    assert len({told["place"] for told in lines}) == len(lines) == COUNT
    outcomes = {told["outcome"] for told in lines}
    assert {"forwarded", "answered", "dead_letter"} <= outcomes
    for told in lines:
        assert set(told["identities"].values()) <= {"•••"}
        if told["outcome"] in ("forwarded", "answered"):
            assert told["decision"], told
        if told["outcome"] == "dead_letter":
            assert told["reason"], told
    assert any("+email" in told["changes"] for told in lines)
    assert {told["input"] for told in lines} >= {"default", "support"}

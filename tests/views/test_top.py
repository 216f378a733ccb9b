"""``top`` shows the rates of a process that works."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]


def test_under_load_there_are_rates_latency_phases_and_refusals(deployment):
    load = ["--rate", "100", "--bad", "0.2", "--records", "2000"]
    command = [sys.executable, "-m", "processor", "generate", "-c", str(deployment.config), *load]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sends:
        found = json.loads(deployment.done("top", "--once", "--json", "--interval", "12"))
        sends.kill()
    assert found["processes"] == 1
    assert found["per_s"]["forwarded"] > 0
    assert found["per_s"]["dead_letter"] > 0
    assert found["by_input"]["default"]["answered"] > 0
    assert found["latency_ms"]["p50"] > 0
    assert {p["name"] for p in found["phases"]} >= {"consume", "process", "commit"}
    assert {r["reason"] for r in found["refusals"]} >= {"malformed", "invalid"}
    assert found["away"] == []
    deployment.stop()
    done = deployment.command("top", "--once")
    assert done.returncode == 1
    assert "no metrics at http://127.0.0.1" in done.stderr

"""A profile with its history, and what a further record would do, over the live index."""

import json
import re
import subprocess
import sys

import pytest

from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]


def batch(**identities):
    events = [{"event_type": "session_start"}]
    return json.dumps({"user_identities": identities, "events": events}).encode()


def test_history_tells_each_change_and_a_live_explanation_changes_nothing(deployment):
    kafka, topics = deployment.kafka, deployment.topics
    kafka.produce(topics["batches"], [batch(email="ed@example.com")])
    kafka.produce(topics["batches"], [batch(email="ed@example.com", customer_id="C1")])
    eventually(lambda: len(kafka.read(topics["enriched"])) == 2, within=30)

    key = "email=ed@example.com"
    changes = [
        json.loads(line)
        for line in deployment.done("profile", "--history", "--json", "retail", key).splitlines()
    ]
    kinds = [(c["change"], c.get("identity_type")) for c in changes]
    assert kinds == [
        ("profile_created", None),
        ("identity_added", "email"),
        ("identity_added", "customerid"),
    ]
    assert [c["cause"]["offset"] for c in changes] == [0, 0, 1]
    shown = deployment.done("profile", "--history", "retail", key)
    assert re.search(r"identity added +email ed@example\.com +", shown)

    line = {
        "topic": "batches",
        "timestamp_ms": 0,
        "value": json.loads(batch(email="ed@example.com", customer_id="C1", other="x")),
    }
    before = deployment.done("profile", "--json", "retail", key)
    for _ in range(2):
        told = json.loads(explained(deployment, json.dumps(line)))
        mpid = json.loads(before)["mpid"]
        assert (told["outcome"], told["mpid"]) == ("forwarded", mpid)
        assert {f["became"] for f in told["identifiers"]} == {"matched", "added"}
    line["value"]["user_identities"] = {"email": "new@example.com"}
    assert json.loads(explained(deployment, json.dumps(line)))["resolution"]["outcome"] == "created"
    assert deployment.done("profile", "--json", "retail", key) == before


def explained(deployment, line):
    command = [sys.executable, "-m", "processor", "explain", "-c", str(deployment.config)]
    done = subprocess.run(
        [*command, "--live", "--json"], input=line, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

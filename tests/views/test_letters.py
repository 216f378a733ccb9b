"""What ``letters`` and a dry run tell is what a replay then does."""

import json
import re

import pytest

from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]

REFUSED = b'{"user_identities":{"email":"ed@example.com"},"events":[{"data":{}}]}'


def test_letters_are_told_by_reason_shown_one_by_one_and_rehearsed_without_moving(deployment):
    kafka, batches = deployment.kafka, deployment.topics["batches"]
    kafka.produce(batches, [REFUSED] * 3, headers=[("input", b"default")])
    kafka.produce(batches, [b"undefined"] * 2)
    eventually(lambda: len(kafka.read(deployment.topics["dead_letters"])) == 5, within=30)

    piles = [json.loads(line) for line in deployment.done("letters", "--json").splitlines()]
    assert [(p["reason"], p["letters"], p["waiting"]) for p in piles] == [
        ("invalid", 3, 3),
        ("malformed", 2, 2),
    ]
    told = deployment.done("letters")
    assert re.search(r"^invalid +events\[…\]\.event_type: is required +3 +3 ", told, re.MULTILINE)

    shown = deployment.done("letters", piles[0]["newest"])
    assert "ed@example.com" not in shown
    assert '"email": "•••"' in shown
    assert "ed@example.com" in deployment.done("letters", piles[0]["newest"], "--clear")

    for _ in range(2):
        rehearsed = deployment.done("replay", "--reason", "invalid", "--dry-run")
        assert rehearsed.splitlines() == [
            "invalid: 3 would go back",
            "3 letters would go back; nothing was written",
        ]
    assert "3 letters put back" in deployment.done("replay", "--reason", "invalid")
    eventually(lambda: len(kafka.read(deployment.topics["dead_letters"])) == 8, within=30)
    (invalid,) = deployment.done("letters", "--json", "--reason", "invalid").splitlines()
    assert (json.loads(invalid)["letters"], json.loads(invalid)["waiting"]) == (6, 3)
    missing = deployment.command("letters", "0/999")
    assert missing.returncode == 1
    assert "there is no letter at 0/999" in missing.stderr

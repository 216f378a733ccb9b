"""Dead letters go back to their topic once, whatever happens."""

import json
from collections import Counter

import pytest

from processor.crash import POINTS
from tests.faults.deployment import Deployment

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]

MORE_INPUTS = """
[inputs.late]
workspace = "retail"
"""


def send(deployment: Deployment, value: bytes, *headers: tuple[str, bytes]) -> None:
    deployment.kafka.produce(deployment.topics["batches"], [value], 1, b"k", headers)
    deployment.sent += 1


def batch(number: int) -> bytes:
    return json.dumps(
        {
            "environment": "production",
            "source_request_id": f"r{number}",
            "user_identities": {"customer_id": f"c{number}"},
            "events": [{"event_type": "session_start", "data": {}}],
        }
    ).encode()


def outcomes(deployment: Deployment) -> Counter[str]:
    messages = deployment.kafka.read(deployment.topics["outcomes"])
    bodies = [json.loads(message.value()) for message in messages]
    return Counter(b["reason"] or b["outcome"] for b in bodies)


def letters(deployment: Deployment) -> list[dict[str, bytes]]:
    return [dict(m.headers()) for m in deployment.kafka.read(deployment.topics["dead_letters"])]


def replayed(deployment: Deployment, *options: str, **environ: str) -> str:
    done = deployment.command("replay", *options, **environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_letters_of_one_reason_go_back_and_the_others_wait_for_their_turn(deployment: Deployment):
    for number in range(6):
        send(deployment, batch(number), ("input", b"late"))
        send(deployment, b"{")
    deployment.run_to_the_end()
    assert outcomes(deployment) == {"unknown_input": 6, "malformed": 6}

    deployment.config.write_text(deployment.config.read_text() + MORE_INPUTS)
    assert replayed(deployment, "--reason", "unknown_input", "--max", "2").startswith("2 letters")
    assert replayed(deployment, "--reason", "unknown_input").startswith("4 letters")
    assert replayed(deployment, "--reason", "unknown_input").startswith("0 letters")
    deployment.sent += 6
    deployment.run_to_the_end()
    assert outcomes(deployment) == {"unknown_input": 6, "malformed": 6, "forwarded": 6}

    assert replayed(deployment).startswith("6 letters"), "those that were left out then"
    deployment.sent += 6
    deployment.run_to_the_end()
    assert outcomes(deployment)["malformed"] == 12
    again = [headers for headers in letters(deployment) if headers["attempts"] == b"2"]
    assert len(again) == 6
    assert all(headers["reason"] == b"malformed" for headers in again)
    first = {headers["source-offset"] for headers in letters(deployment)[:12]}
    assert {headers["replay-of"].rpartition(b"/")[2] for headers in again} <= first


def test_a_replay_that_died_goes_on_where_its_last_transaction_ended(deployment: Deployment):
    for number in range(20):
        send(deployment, b"{" + str(number).encode())
    deployment.run_to_the_end()

    for point in (point for point in POINTS if "replay" in point):
        died = deployment.command("replay", IDSTREAM_CRASH_AT=point)
        assert died.returncode == -9, died.stderr
    assert replayed(deployment).startswith("20 letters")

    came = Counter(m.value() for m in deployment.kafka.read(deployment.topics["batches"]))
    assert set(came.values()) == {2}, "each once by us, and once put back"
    assert replayed(deployment).startswith("0 letters")

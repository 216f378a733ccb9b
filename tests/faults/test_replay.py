"""Dead letters go back to their topic once, whatever happens."""

import json
import os
from collections import Counter

import pytest

from processor.crash import POINTS
from tests.faults.deployment import Deployment
from tests.servers.kafka import ANSWER_S

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


def refused(deployment: Deployment, *options: str) -> str:
    done = deployment.command("replay", *options)
    assert done.returncode == 1, done.stdout
    return done.stderr.splitlines()[-1]


def test_letters_of_a_topic_that_is_no_input_are_not_passed_over_unasked(deployment: Deployment):
    for number in range(5):
        send(deployment, b"{" + str(number).encode())
    deployment.run_to_the_end()
    place = {"source-topic": b"gone", "source-partition": b"0", "source-offset": b"3"}
    headers = [("reason", b"malformed"), *place.items()]
    deployment.kafka.produce(deployment.topics["dead_letters"], [b"{"], 0, None, headers)
    configuration, batches = deployment.config.read_text(), deployment.topics["batches"]
    other = deployment.kafka.create_topic("other", 3)
    moved = configuration.replace(f'batches = "{batches}"', f'batches = "{other}"')
    deployment.config.write_text(moved)

    line = refused(deployment, "--reason", "malformed")
    assert "6 letters cannot go back" in line
    assert f"5 of {batches}" in line
    assert "1 of gone" in line
    assert "nothing was put back" in line
    assert replayed(deployment, "--reason", "poison").startswith("0 letters")

    deployment.config.write_text(configuration)
    assert "1 letters cannot go back" in refused(deployment)
    assert len(deployment.kafka.read(batches)) == 5
    assert replayed(deployment, "--pass-over").startswith("5 letters")
    assert len(deployment.kafka.read(batches)) == 10
    assert replayed(deployment).startswith("0 letters"), "what was left behind is left behind"


def test_a_letter_that_is_too_large_ends_the_run_and_stays_within_reach(deployment: Deployment):
    send(deployment, b"{" + os.urandom(3000))
    deployment.run_to_the_end()
    batches = deployment.topics["batches"]
    deployment.kafka.alter_topic(batches, max_message_bytes="2000")

    line = refused(deployment)
    assert "1 letters are larger than their topic takes" in line
    assert "--pass-over" in line

    deployment.kafka.alter_topic(batches, max_message_bytes="100000")
    assert replayed(deployment).startswith("1 letters")
    assert len(deployment.kafka.read(batches)) == 2


def test_positions_that_have_expired_are_told(deployment: Deployment):
    send(deployment, b"{")
    deployment.run_to_the_end()
    warning = "no position of an earlier replay"
    assert warning in deployment.command("replay").stderr
    assert warning not in deployment.command("replay").stderr

    group = f"{deployment.topics['batches']}-replay"
    deployment.kafka.admin.delete_consumer_groups([group])[group].result(ANSWER_S)

    done = deployment.command("replay")
    assert warning in done.stderr
    assert "1 letters put back" in done.stdout

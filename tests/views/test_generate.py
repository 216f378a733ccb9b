"""What ``generate`` sends comes out enriched, answered, or as the dead letter it was made to be."""

import re
from collections import Counter

import pytest

from tests.servers.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.redis, pytest.mark.timeout(180)]


def sent(printed: str) -> dict[str, int]:
    """Return how many records of each kind the command says that it sent."""
    found = re.findall(r"^(\S.*?)  +([\d,]+)$", printed.partition("Sent\n")[2], re.MULTILINE)
    return {kind: int(count.replace(",", "")) for kind, count in found}


def kafka_values(deployment, role):
    return [m.value() for m in deployment.kafka.read(deployment.topics[role])]


def test_good_records_come_out_enriched_and_answered_and_bad_ones_get_their_reason(deployment):
    printed = deployment.done(
        "generate", "--records", "1500", "--rate", "400", "--bad", "0.05", "--people", "60"
    )
    told = sent(printed)
    assert sum(told.values()) == 1500
    bad = {kind.removeprefix("bad: "): n for kind, n in told.items() if kind.startswith("bad: ")}

    def all_out():
        out = {role: deployment.kafka.read(name) for role, name in deployment.topics.items()}
        count = sum(len(out[role]) for role in ("enriched", "responses", "dead_letters"))
        assert count <= 1500
        return out if count == 1500 else None

    out = eventually(all_out, within=60, every=0.5)
    reasons = Counter(dict(m.headers())["reason"].decode() for m in out["dead_letters"])
    assert reasons == bad
    assert len(bad) == 8
    assert len(out["responses"]) == told["requests of default"]
    said = kafka_values(deployment, "requests")
    assert any(b'"previous_mpid"' in value for value in said)
    asked = {
        kind for m in out["responses"] for kind in re.findall(rb'"request_type":"(\w+)"', m.value())
    }
    assert asked >= {b"identify", b"login", b"logout", b"alias", b"modify"}
    deployment.stop()

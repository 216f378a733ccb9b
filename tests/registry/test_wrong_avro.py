"""Wrong Avro through Kafka: each kind gets its dead letter or its wait, and nothing else stops."""

import json
import uuid
from pathlib import Path

import pytest

from processor.codecs.avro.reading import AvroWriter
from processor.codecs.avro.schemas import latest
from tests.conformance.speech import Avro
from tests.conformance.test_kafka import (
    Coordinates,
    Theatre,
    processing,
)
from tests.servers.kafka import Kafka
from tests.servers.ports import free_port
from tests.servers.registry import Registry
from tests.servers.waiting import eventually

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.redis,
    pytest.mark.registry,
    pytest.mark.timeout(180),
]

OWN = latest("event-batch").schema


class Plain(Avro):
    """Sends bytes as they are."""

    def said(self, topic, value):
        return value

    def heard(self, role, value, headers):
        return value


class Retail:
    def configuration(self) -> str:
        return '[workspaces.retail]\npreset = "default"\n[limits]\nmax_record_bytes = 4096\n'


def record(value: bytes, **headers: str) -> dict:
    return {
        "topic": "batches",
        "value": (value, headers),
        "timestamp_ms": 1_782_900_000_000,
        "input": "default",
    }


def body(person: str) -> bytes:
    events = [{"event_type": "session_start", "data": {}}]
    return json.dumps({"user_identities": {"email": person}, "events": events}).encode()


@pytest.fixture
def theatre(kafka: Kafka, registry: Registry) -> Theatre:
    return Theatre(kafka, Plain(registry))


@pytest.fixture
def running(theatre: Theatre, redis_url: str, redis_prefix: str, tmp_path: Path):
    port = free_port()
    configuration = theatre.configuration([Retail()], redis_url, redis_prefix, port)
    (tmp_path / "idstream.toml").write_text(configuration)
    with processing(tmp_path, port):
        yield theatre


def register(registry: Registry, schema: dict) -> int:
    """Register *schema* as one that nobody has met."""
    return registry.register(f"{uuid.uuid4().hex}-value", {**schema, "doc": uuid.uuid4().hex})


def reasons(theatre: Theatre, sent: list[Coordinates]) -> list[str]:
    outputs = theatre.outputs(set(sent))
    found = []
    for place in sent:
        (output,) = (o for o in outputs[place] if o.role in ("enriched", "dead_letters"))
        found.append(dict(output.headers).get("reason", b"forwarded").decode())
    return found


def test_each_kind_of_wrong_avro_is_a_dead_letter_and_its_neighbours_go_on(
    running: Theatre, registry: Registry
):
    schema_id = register(registry, OWN)
    good = AvroWriter("event-batch", schema_id)
    fine = good.write(body("a@example.com"))
    weather = {"type": "record", "name": "Weather", "fields": [{"name": "t", "type": "int"}]}
    other = register(registry, weather).to_bytes(4)
    recursive = {
        "type": "record",
        "name": "EventBatch",
        "fields": [{"name": "more", "type": ["null", "EventBatch"]}],
    }
    deep = register(registry, recursive).to_bytes(4)
    values = {
        "forwarded": [
            (fine, {}),
            (body("b@example.com"), {"content-type": "application/json"}),
            (AvroWriter("event-batch").write(body("c@example.com")), {}),
        ],
        "schema_not_found": [(b"\0\x7f\xff\xff\x01" + fine[5:], {})],
        "undecodable": [
            (fine[:-3], {}),
            (fine + b"\0", {}),
            (b"\0" + other + b"\x02", {}),
            (b"\0" + deep + b"\x02" * 2000, {}),
            (fine[:5] + b"\x20" + fine[6:], {}),
            (body("d@example.com"), {}),
        ],
        "oversize": [(fine + bytes(5000), {})],
        "unsupported_content_type": [(fine, {"content-type": "application/x-protobuf"})],
        "malformed": [(fine, {"content-type": "application/json"})],
    }
    expected = [(reason, one) for reason, many in values.items() for one in many]
    sent = [
        running.send(0, record(value, **headers))
        for _, one in expected
        for value, headers in (one, (fine, {}))
    ]
    found = reasons(running, sent)
    assert found[0::2] == [reason for reason, _ in expected]
    assert set(found[1::2]) == {"forwarded"}


def test_a_registry_that_goes_away_holds_up_only_what_needs_it(
    running: Theatre, registry: Registry, kafka: Kafka
):
    known = AvroWriter("event-batch", register(registry, OWN))
    sent = [running.send(0, record(known.write(body("a@example.com"))))]
    assert reasons(running, sent) == ["forwarded"]
    fresh = AvroWriter("event-batch", register(registry, OWN))
    registry.stop()
    try:
        sent = [running.send(0, record(known.write(body("a@example.com"))))]
        assert reasons(running, sent) == ["forwarded"]
        waiting = running.send(0, record(fresh.write(body("b@example.com"))))
        behind = running.send(0, record(known.write(body("a@example.com"))))
        eventually(lambda: len(kafka.read(running.topics["outcomes"])) == 2)
    finally:
        registry.resume()
    assert reasons(running, [waiting, behind]) == ["forwarded", "forwarded"]

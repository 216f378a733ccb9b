"""The registry client against a real registry: what is kept, waited for, refused."""

import json
import uuid
from collections.abc import Iterator

import pytest

from contracts.evolution import incompatible
from processor.codecs.avro.reading import AvroReader, AvroWriter, RegistryUnavailable
from processor.codecs.avro.schemas import MESSAGES, latest
from processor.codecs.fault import Fault
from processor.commands.check.check import schema_registry
from processor.records import Output
from processor.registry import Registry, RegistryRefused, open_codecs
from processor.settings import load_text
from tests.servers.ports import free_port
from tests.servers.registry import Registry as Server
from tests.unit.codecs.test_avro import framed
from tests.unit.test_contracts import MAY, MAY_NOT

SHAPE = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {"mpid": {"type": "integer"}},
}
"""A schema of another kind than Avro's."""

pytestmark = [pytest.mark.registry, pytest.mark.timeout(180)]


@pytest.fixture
def client(registry: Server) -> Iterator[Registry]:
    client = Registry(registry.url)
    yield client
    client.close()


def never(away: RegistryUnavailable) -> bool:
    raise AssertionError(away)


def topic() -> str:
    return f"t-{uuid.uuid4().hex}"


@pytest.mark.parametrize("role", MESSAGES)
def test_our_schemas_are_taken_and_read_back_by_their_id(role, client: Registry):
    schema_id = client.register(role, topic())
    assert client.register(role, topic()) == schema_id, "one schema, one id"
    text = client.writer(schema_id)
    assert text is not None
    assert json.loads(text) == latest(MESSAGES[role]).schema


def test_outputs_are_framed_with_the_id_that_the_registry_gave(client: Registry):
    name = topic()
    codecs = open_codecs(client, {"outcomes": name}, never)
    assert codecs is not None
    value = b'{"outcome":"stored","reason":null,"mpid":"1","seq":2,"position":3}'
    (written,) = codecs.written([Output("outcomes", None, value, ())])
    schema_id = client.register("outcomes", name)
    assert written.value is not None
    assert written.value[:5] == b"\0" + schema_id.to_bytes(4)
    reader = AvroReader("outcome", client)
    assert json.loads(reader.to_json(written.value)) == json.loads(value)


def test_records_of_an_older_and_of_a_newer_producer_are_read(registry: Server, client: Registry):
    own = latest("event-batch").schema
    without = {**own, "fields": [f for f in own["fields"] if f["name"] != "mp_deviceid"]}
    more = {"name": "colour", "type": ["null", "string"], "default": None}
    subject = f"{topic()}-value"
    reader = AvroReader("event-batch", client)
    for schema in (without, own, {**own, "fields": [more, *own["fields"]]}):
        schema_id = registry.register(subject, schema)
        value = framed(schema, {"mpid": 7}, schema_id)
        assert bytes(reader.open_object(value, 1000)["mpid"]) == b"7"


def test_an_unknown_id_is_asked_for_once(registry: Server, client: Registry):
    reader = AvroReader("event-batch", client)
    unknown = b"\0\x7f\xff\xff\x00rest"
    with pytest.raises(Fault, match="no schema of this id"):
        reader.open_object(unknown, 1000)
    registry.stop()
    try:
        with pytest.raises(Fault, match="no schema of this id"):
            reader.open_object(unknown, 1000)
    finally:
        registry.resume()


def test_a_schema_that_is_not_read_is_told_by_its_name(registry: Server, client: Registry):
    part, whole = f"{topic()}-value", f"{topic()}-value"
    name = f"P{uuid.uuid4().hex}"
    registry.register(part, {"type": "record", "name": name, "fields": []})
    schema = {"type": "record", "name": "Whole", "fields": [{"name": "part", "type": name}]}
    reference = {"name": name, "subject": part, "version": 1}
    referring = registry.register(whole, schema, references=[reference])
    other = registry.register(f"{topic()}-value", SHAPE, schemaType="JSON")
    reader = AvroReader("event-batch", client)
    for schema_id, why in ((referring, "refers to other subjects"), (other, "is not Avro")):
        with pytest.raises(Fault, match=why) as raised:
            reader.open_object(b"\0" + schema_id.to_bytes(4), 1000)
        assert raised.value.reason == "undecodable"


def test_known_ids_go_on_while_the_registry_is_away_and_new_ones_wait(
    registry: Server, client: Registry
):
    schema_id = client.register("batches", topic())
    reader = AvroReader("event-batch", client)
    value = AvroWriter("event-batch", schema_id).write(b'{"mpid":7}')
    assert "mpid" in reader.open_object(value, 1000)
    other = registry.register(f"{topic()}-value", {**latest("event-batch").schema, "doc": topic()})
    registry.stop()
    try:
        assert "mpid" in reader.open_object(value, 1000)
        with pytest.raises(RegistryUnavailable):
            reader.open_object(AvroWriter("event-batch", other).write(b"{}"), 1000)
    finally:
        registry.resume()
    assert not reader.open_object(AvroWriter("event-batch", other).write(b"{}"), 1000)


def test_a_registry_that_is_away_at_start_is_waited_for():
    asked = []

    def waits(away: RegistryUnavailable) -> bool:
        asked.append(away)
        return len(asked) < 3

    away = Registry(f"http://127.0.0.1:{free_port()}")
    assert open_codecs(away, {"outcomes": "t"}, waits) is None
    away.close()
    assert len(asked) == 3


def test_a_schema_that_the_registry_does_not_take_ends_the_start(
    registry: Server, client: Registry
):
    name = topic()
    registry.register(f"{name}-value", {"type": "record", "name": "Other", "fields": []})
    registry.hold(f"{name}-value", "FULL")
    with pytest.raises(RegistryRefused, match=name):
        open_codecs(client, {"outcomes": name}, never)


@pytest.mark.parametrize(("reader", "writer"), [*MAY, *MAY_NOT])
def test_the_registry_judges_an_evolution_as_we_do(reader, writer, registry: Server):
    subject = f"{topic()}-value"
    registry.register(subject, writer)
    registry.hold(subject, "BACKWARD")
    assert registry.accepts(subject, reader) == (not incompatible(reader, writer))


def findings(settings: str) -> list[tuple[str, ...]]:
    workspace = '[workspaces.retail]\npreset = "default"\n'
    return [f[1:] for f in schema_registry(load_text(workspace + settings, {}))]


def test_check_says_whether_the_registry_answers_and_takes_our_schemas(registry: Server):
    name = topic()
    configuration = f"""
[schema_registry]
url = "{registry.url}"
[kafka]
topics = {{ changes = "{name}" }}
formats = {{ changes = "avro" }}
"""
    assert findings(configuration) == [("ok", "answers", "")]
    registry.register(f"{name}-value", {"type": "record", "name": "Other", "fields": []})
    registry.hold(f"{name}-value", "FULL")
    text = f"does not take our schema for {name}: it is not compatible with its own"
    assert ("wrong", text) in [found[:2] for found in findings(configuration)]
    assert findings("") == []
    away = f'[schema_registry]\nurl = "http://127.0.0.1:{free_port()}"\n'
    (found,) = findings(away)
    assert found[0] == "wrong"

"""Avro and JSON of one message mean the same; wrong Avro is a dead letter."""

import json
import math
from collections.abc import Collection
from io import BytesIO
from pathlib import Path

import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from processor.codecs.avro.decoders import required_nulls
from processor.codecs.avro.foreign import Unusable, _plain, read_schema
from processor.codecs.avro.reading import AvroReader, AvroWriter
from processor.codecs.avro.schemas import MESSAGES, latest, parsed
from processor.codecs.batch import decode_batch
from processor.codecs.envelope import open_object
from processor.codecs.fault import Fault
from processor.codecs.formats import Codecs
from processor.codecs.request import decode_request
from processor.identity.types import STANDARD_KEYS
from processor.records import DeadLetter, EventBatch, Output
from processor.rules import Limits

SCHEMAS = Path(__file__).parents[3] / "schemas"
EXAMPLES = sorted(
    (message, path)
    for message in MESSAGES.values()
    for path in (SCHEMAS / message / "examples").glob("*.json")
)
LIMITS = Limits()


class Known:
    """A registry that knows *texts*, and counts what it is asked."""

    def __init__(self, *texts: str) -> None:
        self.texts = dict(enumerate(texts, start=1))
        self.asked = 0

    def writer(self, schema_id: int) -> str | None:
        self.asked += 1
        return self.texts.get(schema_id)


def decode(value: bytes, known: Known | None = None) -> EventBatch | DeadLetter:
    opener = AvroReader("event-batch", known).open_object
    return decode_batch(value, STANDARD_KEYS, LIMITS, opener)


def framed(schema: dict, record: object, schema_id: int = 1) -> bytes:
    stream = BytesIO()
    stream.write(b"\0" + schema_id.to_bytes(4))
    schemaless_writer(stream, parsed(schema), record)
    return stream.getvalue()


def foreign(*fields: dict, **kept: object) -> dict:
    return {"type": "record", "name": "EventBatch", "fields": list(fields), **kept}


def reason(value: bytes, *schemas: object) -> str:
    decoded = decode(value, Known(*(json.dumps(s) for s in schemas)))
    assert isinstance(decoded, DeadLetter)
    return decoded.reason


@pytest.mark.parametrize(("message", "path"), EXAMPLES, ids=lambda p: getattr(p, "stem", p))
def test_an_example_is_the_same_after_a_trip_through_avro(message, path):
    value = path.read_bytes()
    avro = AvroWriter(message).write(value)
    always = required_nulls(latest(message).schema)
    back = AvroReader(message).to_json(avro)
    assert without_nulls(back, always) == without_nulls(value, always)


def without_nulls(text: bytes, always: Collection[str]) -> object:
    """Return JSON without nulls, but for those fields that are *always* there.

    In Avro what is left out is null.
    """

    def bare(value: object) -> object:
        if isinstance(value, list):
            return [bare(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        return {name: bare(entry) for name, entry in value.items() if entry is not None}

    fields = json.loads(text).items()
    return {name: bare(v) for name, v in fields if v is not None or name in always}


@pytest.mark.parametrize("message", MESSAGES.values())
def test_every_message_has_an_example(message):
    assert any(message == name for name, _ in EXAMPLES)


SCALARS = (
    st.none()
    | st.text()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
NAMES = [f["name"] for f in latest("event-batch").schema["fields"]] + ["context", "überall"]


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_whatever_a_batch_holds_avro_reads_as_json_does(batch):
    value = json.dumps({k: v for k, v in batch.items() if v is not None}).encode()
    told = decode(AvroWriter("event-batch").write(value))
    expected = decode_batch(value, STANDARD_KEYS, LIMITS, open_object)
    if isinstance(expected, DeadLetter):
        assert told == expected
    else:
        assert isinstance(told, EventBatch)
        assert meaning(told) == meaning(expected)


def meaning(batch: EventBatch) -> dict:
    parts = {name: getattr(batch, name) for name in batch.__struct_fields__ if name != "fields"}
    return {**parts, "fields": {name: json.loads(bytes(raw)) for name, raw in batch.fields.items()}}


IDENTITIES = st.lists(
    st.fixed_dictionaries(
        {"identity_type": st.just("email"), "identity": st.text()},
        optional={"timestamp_unixtime_ms": st.integers(0, 9), "dtm": JSON},
    )
)


@given(IDENTITIES)
def test_what_stands_in_a_nested_record_is_not_lost_on_the_way_through_avro(identities):
    value = json.dumps({"user_identities": identities}).encode()
    read = AvroReader("enriched-batch").to_json(AvroWriter("enriched-batch").write(value))
    (found,) = json.loads(read).values()
    silent = {"timestamp_unixtime_ms": None} if all("dtm" not in one for one in identities) else {}
    assert found == [{**silent, **one} for one in identities]


REQUEST_NAMES = [f["name"] for f in latest("identity-request").schema["fields"]]


@given(st.dictionaries(st.sampled_from(REQUEST_NAMES), JSON), st.sampled_from(["login", "modify"]))
def test_whatever_a_request_holds_avro_reads_as_json_does(request, kind):
    held = {k: v for k, v in request.items() if v is not None}
    value = json.dumps({**held, "request_type": kind}).encode()
    opener = AvroReader("identity-request").open_object
    told = decode_request(
        AvroWriter("identity-request").write(value), STANDARD_KEYS, LIMITS, opener
    )
    assert told == decode_request(value, STANDARD_KEYS, LIMITS, open_object)


@given(st.binary(max_size=64))
def test_no_bytes_make_the_reader_raise(value):
    decode(value)
    header = AvroWriter("event-batch").write(b"{}")[:10]
    decode(header + value)


@given(st.data())
def test_a_damaged_record_is_a_batch_or_a_dead_letter(data):
    value = bytearray(AvroWriter("event-batch").write(EXAMPLES[1][1].read_bytes()))
    place = data.draw(st.integers(10, len(value) - 1))
    value[place] = data.draw(st.integers(0, 255))
    assert isinstance(decode(bytes(value)), EventBatch | DeadLetter)


def test_a_truncated_record_is_undecodable():
    value = AvroWriter("event-batch").write(EXAMPLES[1][1].read_bytes())
    assert all(
        isinstance(found := decode(value[:end]), DeadLetter) and found.reason == "undecodable"
        for end in range(10, len(value))
    )


def test_a_record_that_ends_in_a_field_that_is_skipped_is_undecodable():
    schema = foreign({"name": "colour", "type": "string"})
    value = framed(schema, {"colour": "yellow"})
    assert isinstance(decode(value, Known(json.dumps(schema))), EventBatch)
    for end in range(5, len(value)):
        assert reason(value[:end], schema) == "undecodable", end


@pytest.mark.parametrize("kind", ["string", "bytes", {"type": "array", "items": "string"}])
def test_a_length_that_a_field_does_not_have_is_undecodable(kind):
    schema = foreign({"name": "colour", "type": kind})
    for length in (b"\x03", b"\x7f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"):
        assert reason(b"\0\0\0\0\x01" + length + b"abc", schema) == "undecodable"


def test_ordinary_schemas_are_read_however_long_they_are():
    kinds = [["null", "string"], "long", {"type": "map", "values": ["null", "double", "string"]}]
    item = named("Item", *kinds * 20, named("Inner", *kinds))
    schema = foreign(
        *({"name": f"n{n}", "type": ["null", "string"], "default": None} for n in range(500)),
        {"name": "items", "type": {"type": "array", "items": ["null", item]}},
        {"name": "twice", "type": ["null", "Item"]},
    )
    record = {"items": [None, {f"f{n}": {} if n % 3 == 2 else n % 3 or None for n in range(60)}]}
    record["items"][1]["f60"] = {"f0": "x", "f1": 1, "f2": {"k": 0.5}}
    assert isinstance(decode(framed(schema, record), Known(json.dumps(schema))), EventBatch)


def test_a_schema_that_is_not_read_says_so_each_time():
    class Protobuf:
        def writer(self, _schema_id: int) -> str:
            raise Unusable("the writer schema is not Avro")

    reader = AvroReader("event-batch", Protobuf())
    faults = []
    for _ in range(2):
        with pytest.raises(Fault, match="is not Avro") as raised:
            reader.open_object(b"\0\0\0\0\x01", 100)
        faults.append(raised.value)
    assert faults[0].reason == "undecodable"
    assert faults[0] is not faults[1], "an exception raised again keeps its traceback"


def test_bytes_behind_the_record_make_it_undecodable():
    found = decode(AvroWriter("event-batch").write(b"{}") + b"\0")
    assert found == DeadLetter("undecodable", "bytes are left over behind the Avro record")


@pytest.mark.parametrize("value", [b"", b"{}", b"\0\0\0", b"\xc3\x01\x00", b"\x02abc"])
def test_what_begins_as_no_framing_does_is_undecodable(value):
    found = decode(value, Known())
    assert isinstance(found, DeadLetter)
    assert found.reason == "undecodable"


def test_a_tombstone_is_malformed_and_a_long_record_oversize():
    opener = AvroReader("event-batch").open_object
    assert decode_batch(None, STANDARD_KEYS, LIMITS, opener).reason == "malformed"
    huge = b"\0" * (LIMITS.max_record_bytes + 1)
    assert decode_batch(huge, STANDARD_KEYS, LIMITS, opener).reason == "oversize"


def test_an_unknown_id_or_fingerprint_is_a_schema_not_found():
    assert reason(b"\0\0\0\0\x07rest") == "schema_not_found"
    assert reason(b"\xc3\x01" + bytes(8)) == "schema_not_found"
    found = decode(b"\0\0\0\0\x07rest")
    assert isinstance(found, DeadLetter)
    assert found.reason == "schema_not_found"


def test_a_schema_is_asked_for_once():
    own = latest("event-batch")
    known = Known(own.text())
    reader = AvroReader("event-batch", known)
    value = AvroWriter("event-batch", registered=1).write(b'{"environment": "production"}')
    for _ in range(3):
        assert bytes(reader.open_object(value, 1000)["environment"]) == b'"production"'
    assert known.asked == 1


def test_a_record_is_read_with_the_schema_that_wrote_it():
    """An older producer lacks fields, a newer one has more, in another order and other types."""
    writer = foreign(
        {"name": "colour", "type": "string"},
        {
            "name": "timestamp_unixtime_ms",
            "type": {"type": "long", "logicalType": "timestamp-millis"},
        },
        {"name": "mpid", "type": "int"},
        namespace="com.example",
    )
    value = framed(writer, {"colour": "red", "timestamp_unixtime_ms": 5, "mpid": 7})
    batch = decode(value, Known(json.dumps(writer)))
    assert isinstance(batch, EventBatch)
    assert (batch.mpid, batch.time_ms) == (7, 5)
    assert "colour" not in batch.fields


def test_a_schema_that_cannot_be_resolved_into_ours_makes_its_records_undecodable():
    writer = foreign({"name": "mpid", "type": {"type": "array", "items": "string"}})
    assert reason(framed(writer, {"mpid": ["a"]}), writer) == "undecodable"
    other = {"type": "record", "name": "Weather", "fields": []}
    assert reason(framed(other, {}), other) == "undecodable"


def test_a_union_branch_that_does_not_exist_is_undecodable():
    header = AvroWriter("event-batch").write(b"{}")[:10]
    assert reason(header + b"\x20" * 20) == "undecodable"


NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
NOTHING = {"type": "record", "name": "Nothing", "fields": [{"name": "n", "type": "null"}]}


DEEP: dict = {"type": "array", "items": "int"}
for _ in range(100):
    DEEP = {"type": "array", "items": DEEP}
NO_BYTES = {"type": "fixed", "name": "F", "size": 0}


def named(name: str, *kinds: object) -> dict:
    fields = [{"name": f"f{place}", "type": kind} for place, kind in enumerate(kinds)]
    return {"type": "record", "name": name, "fields": fields}


def doubled(inner: object, times: int) -> list[dict]:
    """Return fields whose types each hold the one before twice."""
    kinds = [named("T0", inner)]
    kinds += [named(f"T{n}", f"T{n - 1}", f"T{n - 1}") for n in range(1, times + 1)]
    return [{"name": kind["name"].lower(), "type": kind} for kind in kinds]


def chained(times: int) -> list[dict]:
    """Return fields whose types each hold the one before."""
    kinds = [named("T0", "int"), *(named(f"T{n}", f"T{n - 1}") for n in range(1, times + 1))]
    return [{"name": kind["name"].lower(), "type": ["null", kind]} for kind in kinds]


WIDE = named("Wide", *[NOTHING, *["Nothing"] * 99], "int")

CHEAP = {"type": "fixed", "name": "X", "size": 1}


def pretending(hidden: dict) -> dict:
    """Return a schema that claims to be parsed already, with another X than it shows."""
    cheap, use = {"name": "cheap", "type": CHEAP}, {"name": "x", "type": "X"}
    return foreign(cheap, use, __fastavro_parsed=True, __named_schemas={"X": hidden})


COSTLY = [
    (
        foreign(
            {
                "name": "u",
                "type": {"type": "map", "values": ["null", *[named(f"B{n}") for n in range(64)]]},
            }
        ),
        "too many types",
    ),
    (foreign(*({"name": "x" * 100 + str(n), "type": "int"} for n in range(700))), "too large"),
    (foreign(*doubled("null", 40)), "too many steps"),
    (foreign(*doubled(["null", named("Wide", *["null"] * 100)], 10)), "too many steps"),
    (foreign(*chained(100)), "nested too deeply"),
    (foreign({"name": "a", "type": {"type": "array", "items": WIDE}}), "next to nothing"),
    (foreign({"name": "a", "type": {"type": "map", "values": WIDE}}), "next to nothing"),
    (foreign({"name": "deep", "type": NODE}), "recursive type"),
    (foreign({"name": "deep", "type": ["null", "EventBatch"]}), "recursive type"),
    (foreign({"name": "deep", "type": DEEP}), "nested too deeply"),
    (
        foreign({"name": "many", "type": {"type": "array", "items": "null"}}),
        "array of next to nothing",
    ),
    (
        foreign({"name": "many", "type": {"type": "array", "items": NOTHING}}),
        "array of next to nothing",
    ),
    (
        foreign({"name": "many", "type": {"type": "array", "items": NO_BYTES}}),
        "array of next to nothing",
    ),
    (
        foreign(
            {"name": "none", "type": NOTHING},
            {"name": "many", "type": {"type": "array", "items": "Nothing"}},
        ),
        "array of next to nothing",
    ),
    (foreign(namespace="n" * 300_000), "too large"),
    ({"type": "string"}, "no record"),
    ("string", "no record"),
    (["null", "string"], "no record"),
    ({"type": "record"}, "not valid Avro"),
    (foreign({"name": "x", "type": "Unknown"}), "not valid Avro"),
]


@pytest.mark.parametrize(("schema", "why"), COSTLY)
def test_a_schema_whose_data_could_cost_more_than_its_length_is_not_read(schema, why):
    known = Known(json.dumps(schema))
    found = decode(b"\0\0\0\0\x01" + b"\x02" * 50, known)
    assert isinstance(found, DeadLetter)
    assert found.reason == "undecodable"
    assert why in found.detail


@pytest.mark.parametrize(
    "hidden",
    [
        named("X", ["null", "X"]),
        named("X", {"type": "array", "items": "null"}),
    ],
)
def test_a_schema_is_read_as_it_stands_whatever_it_says_was_parsed_before(hidden):
    schema = pretending(hidden)
    assert reason(b"\0\0\0\0\x01a" + b"\x02" * 50_000 + b"\0", schema) == "undecodable"
    counting = b"\0\0\0\0\x01a" + bytes([*[0xFE] * 8, 0x01]) + b"\0"
    assert reason(counting, schema) == "undecodable"
    assert "__" not in json.dumps(_plain(schema))


def test_a_record_that_is_longer_as_json_than_records_may_be_is_oversize():
    value = AvroWriter("event-batch").write(json.dumps({"mp_deviceid": "\x01" * 500}).encode())
    opener = AvroReader("event-batch").open_object
    assert "mp_deviceid" in opener(value, 3100)
    with pytest.raises(Fault, match="as JSON") as raised:
        opener(value, 2000)
    assert raised.value.reason == "oversize"


def test_logical_types_are_taken_as_the_types_below_them():
    day = {"name": "day", "type": {"type": "int", "logicalType": "date"}}
    price = {"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 4}
    schema = foreign(day, {"name": "many", "type": {"type": "array", "items": price}})
    assert "logicalType" not in json.dumps(read_schema(json.dumps(schema)))


def test_an_array_that_claims_more_than_is_there_ends_at_once():
    header = AvroWriter("event-batch").write(b"{}")[:10]
    many = bytes([0x02, *[0xFF] * 8, 0x01])
    for at in range(8):
        assert reason(header + b"\0" * at + many + many) == "undecodable"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_know_makes_the_record_undecodable(number):
    schema = latest("event-batch").schema
    for record in (
        {"user_attributes": {"a": number}},
        {"user_attributes": {"a": [1, number]}},
        {"consent_state": {"gdpr": {"p": {"x": number}}}},
    ):
        assert reason(framed(schema, record), schema) == "undecodable"


@pytest.mark.parametrize(
    "events",
    [
        b"",
        b"[",
        b"[]]",
        b'"\xff"',
        b"\xef\xbb\xbf[]",
        b"[NaN]",
        b"[" * 200 + b"]" * 200,
        b'[], "mpid": 7',
    ],
)
def test_json_inside_that_is_none_makes_the_record_undecodable(events):
    schema = latest("event-batch").schema
    assert reason(framed(schema, {"events": events}), schema) == "undecodable"
    assert reason(framed(schema, {"other_fields": {"x": events}}), schema) == "undecodable"


def test_events_inside_are_held_to_the_same_rules():
    schema = latest("event-batch").schema
    assert reason(framed(schema, {"events": b"[{}]"}), schema) == "invalid"


def test_an_enriched_batch_can_be_fed_back_in():
    value = (SCHEMAS / "enriched-batch/examples/full.json").read_bytes()
    expected = decode_batch(value, STANDARD_KEYS, LIMITS, open_object)
    told = decode(AvroWriter("enriched-batch").write(value))
    registered = decode(
        AvroWriter("enriched-batch", 1).write(value), Known(latest("enriched-batch").text())
    )
    assert isinstance(expected, EventBatch)
    assert told.identifiers == registered.identifiers == expected.identifiers
    assert told.fields["events"] == registered.fields["events"]


@pytest.mark.parametrize("message", ["enriched-batch", "profile", "identity-response"])
def test_a_consumer_of_an_older_version_reads_what_a_newer_processor_writes(message):
    newer = latest(message).schema
    grown = [f["name"] for f in newer["fields"] if "default" in f and f["name"] != "other_fields"]
    older = {**newer, "fields": [f for f in newer["fields"] if f["name"] != grown[-1]]}
    for path in (SCHEMAS / message / "examples").glob("*.json"):
        written = AvroWriter(message).write(path.read_bytes())[10:]
        read = schemaless_reader(BytesIO(written), parsed(newer), parsed(older))
        assert isinstance(read, dict)
        assert read.keys() == {f["name"] for f in older["fields"]}


def test_outputs_are_written_in_the_formats_of_their_topics():
    codecs = Codecs.build(["changes"])
    change = (SCHEMAS / "identity-change/examples/identity_added.json").read_bytes()
    outputs = [
        Output("changes", b"k", change, (("mpid", b"1"),)),
        Output("responses", b"k", b"{}", ()),
        Output("changes", b"k", None, ()),
    ]
    written = codecs.written(outputs)
    assert json.loads(AvroReader("identity-change").to_json(written[0].value)) == json.loads(change)
    content_type = ("content-type", b"application/vnd.apache.avro+binary")
    assert written[0].headers == (("mpid", b"1"), content_type)
    assert written[1:] == outputs[1:]


@pytest.mark.parametrize(
    ("roles", "form", "told"),
    [
        ([], "json", None),
        ([], "avro", b"application/vnd.apache.avro+binary"),
        (["enriched"], "json", b"application/json"),
        (["enriched"], "avro", None),
    ],
)
def test_a_batch_as_received_names_its_format_where_readers_expect_another(roles, form, told):
    output = Output("enriched", b"k", b"as it is", (("source-topic", b"t"),), as_received=form)
    (written,) = Codecs.build(roles).written([output])
    assert written.value == b"as it is"
    assert dict(written.headers).get("content-type") == told

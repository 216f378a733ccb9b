"""Whatever lenient input says, what comes of it is what the JSON Schemas tell readers to expect."""

import json
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.jsonschemas import json_schema
from processor.codecs.avro.reading import AvroReader, AvroWriter
from processor.codecs.avro.schemas import MESSAGES, latest
from processor.codecs.batch import EventType
from processor.codecs.envelope import open_object
from processor.codecs.request import decode_request
from processor.identity.types import STANDARD_KEYS
from processor.index.memory import MemoryIndex
from processor.index.port import Assignment
from processor.pipeline.pipeline import Parts, Pipeline
from processor.records import IdentityCall, Output, Record
from processor.rules import Limits
from processor.settings import load_text

SETTINGS = load_text(
    """
[workspaces.retail]
preset = "default"
error_envelope = "both"
[inputs.default]
workspace = "retail"
[inputs.trial]
workspace = "retail"
protection = "read_only"
""",
    {},
)
SCHEMAS = {
    message: jsonschema.Draft202012Validator(json_schema(latest(message)))
    for message in MESSAGES.values()
}
NOW = 1_782_900_000_000


def outputs_of(topic: str, body: dict[str, Any], *headers: tuple[str, bytes]) -> list[Output]:
    """Return what a new processor makes of *body*, its first record."""
    spaces = SETTINGS.space_rules()
    rules, index = SETTINGS.rules(), MemoryIndex()
    pipeline = Pipeline(Parts(rules, spaces, index, "test", with_outcomes=True))
    pipeline.assign([Assignment(topic, 0, "id", None, "")], [])
    value = json.dumps(body).encode()
    return pipeline.process([Record(topic, 0, 0, NOW, None, value, headers)])


def output_of(batch: dict[str, Any], *headers: tuple[str, bytes]) -> Output:
    """Return the enriched batch that a new processor makes of *batch*."""
    outputs = outputs_of("event-batches", batch, *headers)
    (found,) = (one for one in outputs if one.role in ("enriched", "dead_letters"))
    assert found.role == "enriched", dict(found.headers)
    return found


def problems(message: str, value: bytes | None) -> list[str]:
    return [
        f"{one.json_path}: {one.message}"
        for one in SCHEMAS[message].iter_errors(json.loads(value or b""))
    ]


NULL = st.none()
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = NULL | st.text(max_size=9) | NUMBERS | st.booleans()
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = st.text(max_size=9)
EVENTS = st.fixed_dictionaries(
    {"event_type": st.sampled_from(get_args(EventType))},
    optional={
        "data": NULL
        | st.fixed_dictionaries(
            {},
            optional={
                "timestamp_unixtime_ms": NULL | NUMBERS,
                "custom_event_type": st.sampled_from([None, "other", "unknown"]),
                "event_name": JSON,
                "custom_attributes": JSON,
            },
        ),
        "colour": JSON,
    },
)
IDENTITIES = st.fixed_dictionaries(
    {"customer_id": st.just("C")},
    optional={"email": SCALARS, "other2": SCALARS, "customerid": NULL, "other_id_9": SCALARS},
) | st.lists(
    st.fixed_dictionaries(
        {"identity_type": st.sampled_from(["email", "other_id_2"]), "identity": SCALARS},
        optional={"timestamp_unixtime_ms": NULL | st.integers(-(2**63), 2**63 - 1)},
    ),
    max_size=2,
).map(lambda more: [*more, {"identity_type": "customerid", "identity": "C"}])
DEVICES = st.builds(
    lambda ids, facts: {**facts, **ids},
    st.fixed_dictionaries({}, optional={"ios_idfv": SCALARS, "push_token": SCALARS}),
    st.dictionaries(NAMES | st.sampled_from(["brand", "screen_width"]), JSON, max_size=3),
)
CONSENT = st.dictionaries(
    st.sampled_from(["gdpr", "ccpa", "lgpd"]),
    NULL
    | st.dictionaries(
        st.sampled_from(["p", "data_sale_opt_out"]),
        NULL
        | st.fixed_dictionaries(
            {},
            optional={
                "consented": st.booleans(),
                "timestamp_unixtime_ms": NULL | st.integers(-(2**63), 2**63 - 1) | st.text(),
                "document": NULL | st.text(max_size=9) | st.booleans(),
            },
        ),
    ),
)
ACCEPTED = st.fixed_dictionaries(
    {"user_identities": IDENTITIES, "events": st.lists(EVENTS, min_size=1, max_size=2)},
    optional={
        "environment": st.sampled_from(["production", "development", None]),
        "mpid": NULL | st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**63), 2**63 - 1).map(str),
        "source_request_id": NULL | st.text(max_size=9),
        "timestamp_unixtime_ms": NULL | NUMBERS,
        "user_attributes": NULL
        | st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=2), max_size=3),
        "deleted_user_attributes": NULL | st.lists(NAMES, max_size=2),
        "device_info": NULL | DEVICES,
        "mp_deviceid": SCALARS,
        "consent_state": NULL | CONSENT,
        "context": JSON,
        "ip": JSON,
    },
)
"""Batches that lenient validation takes: null wherever it is taken, odd values where they are."""
FORGED = st.fixed_dictionaries({}, optional={"system_notifications": JSON, "schema_version": JSON})


@given(ACCEPTED, FORGED)
def test_whatever_an_enriched_batch_passes_on_fits_its_json_schema(batch, forged):
    output = output_of({**batch, **forged})
    assert problems("enriched-batch", output.value) == []
    enriched = json.loads(output.value or b"")
    assert isinstance(enriched["mpid"], int)
    assert enriched["user_identities"][0]["identity_type"]


@given(ACCEPTED)
def test_an_enriched_batch_fits_its_json_schema_after_a_trip_through_avro_too(batch):
    avro = AvroWriter("enriched-batch").write(output_of(batch).value or b"")
    assert problems("enriched-batch", AvroReader("enriched-batch").to_json(avro)) == []


@given(ACCEPTED)
def test_a_batch_that_goes_out_as_received_fits_both_schemas(batch):
    output = output_of(batch, ("input", b"trial"))
    assert output.value == json.dumps(batch).encode()
    assert problems("event-batch", output.value) == []
    assert problems("enriched-batch", output.value) == []


REQUESTS = st.fixed_dictionaries(
    {"request_type": st.sampled_from(["identify", "login", "logout", "modify", "search", "x"])},
    optional={
        "environment": st.sampled_from(["production", None, "x"]),
        "request_id": NULL | st.text(max_size=9),
        "request_timestamp_ms": NULL | NUMBERS,
        "previous_mpid": JSON,
        "mpid": JSON,
        "known_identities": st.dictionaries(st.sampled_from(["email", "customerid"]), JSON),
        "read_only": JSON,
    },
)


@given(
    st.tuples(st.just("event-batches"), ACCEPTED)
    | st.tuples(st.just("identity-requests"), REQUESTS)
)
def test_every_output_fits_its_json_schema_and_is_the_same_after_a_trip_through_avro(record):
    for output in outputs_of(*record):
        if output.role == "dead_letters":  # as received
            continue
        message = MESSAGES[output.role]
        assert problems(message, output.value) == []
        avro = AvroWriter(message).write(output.value or b"")
        there_and_back = json.loads(AvroReader(message).to_json(avro))
        assert without_nulls(there_and_back) == without_nulls(json.loads(output.value or b""))
        if output.role == "profiles":
            assert AvroReader(message).record(avro)["other_fields"] == {}, "all of it is typed"


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


FIELDS = sorted(latest("event-batch").schema["fields"], key=lambda field: field["name"])


@pytest.mark.parametrize("name", [f["name"] for f in FIELDS if f["name"] != "other_fields"])
def test_every_field_of_a_batch_may_be_null_on_its_way_through(name):
    """Each alone, as Hypothesis may not come across it."""
    events = [{"event_type": "first_run", "data": {}}]
    batch = {"events": events, "user_identities": {"email": "a"}, "mpid": 5, name: None}
    if name == "events":
        assert problems("event-batch", json.dumps(batch).encode()) == []
        return
    assert problems("enriched-batch", output_of(batch).value) == []
    assert problems("enriched-batch", output_of(batch, ("input", b"trial")).value) == []
    assert problems("event-batch", json.dumps(batch).encode()) == []


REQUEST = {
    "request_type": "identify",
    "environment": "production",
    "known_identities": {"email": "a"},
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"environment": None},
        {"environment": "staging"},
        {"request_id": None},
        {"request_timestamp_ms": None},
        {"request_timestamp_ms": 1.5},
        {"previous_mpid": None},
        {"previous_mpid": "12"},
        {"previous_mpid": True},
        {"read_only": None},
        {"read_only": "no"},
        {"known_identities": {"email": None, "other": 5, "other2": True}},
        {"known_identities": {"email": {}}},
    ],
    ids=str,
)
def test_a_request_fits_its_json_schema_if_it_is_not_answered_with_an_error(change):
    request = json.dumps({**REQUEST, **change}).encode()
    call = decode_request(request, STANDARD_KEYS, Limits(), open_object)
    assert isinstance(call, IdentityCall)
    assert (call.error is None) == (problems("identity-request", request) == [])


@pytest.mark.parametrize("name", ["request_type", "environment"])
def test_a_request_without_what_is_required_fits_no_more(name):
    request = json.dumps({k: v for k, v in REQUEST.items() if k != name}).encode()
    call = decode_request(request, STANDARD_KEYS, Limits(), open_object)
    assert problems("identity-request", request) == [f"$: '{name}' is a required property"]
    assert not isinstance(call, IdentityCall) or call.error is not None

"""The schemas are contracts: documented, honest about the messages, and evolve only as they may."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from contracts.__main__ import ALL, ROOT, derived, edited
from contracts.asyncapi import asyncapi
from contracts.evolution import broken, incompatible, rewritten, unfit_defaults
from contracts.jsonschemas import json_schema
from processor.codecs.avro.schemas import OwnSchema, latest, versions
from processor.settings import load_text

SCHEMAS = ROOT / "schemas"
EXAMPLES = sorted((m, p) for m in ALL for p in (SCHEMAS / m / "examples").glob("*.json"))


def test_every_folder_is_a_message():
    assert {p.parent.name for p in SCHEMAS.glob("*/v1.avsc")} == set(ALL)


@pytest.mark.parametrize("message", ALL)
def test_no_version_breaks_those_before_it(message):
    assert list(broken(versions(message))) == []


@pytest.mark.parametrize("message", ALL)
def test_a_version_only_adds_to_the_one_before(message):
    assert list(rewritten(versions(message))) == []


LOCK = SCHEMAS / "fingerprints.json"


def test_no_version_is_edited_and_a_new_one_is_noted():
    assert edited(LOCK) == []


@pytest.mark.parametrize("change", ["edited", "forgotten", "unknown"])
def test_a_version_that_is_not_what_was_noted_is_told(change, tmp_path):
    noted = json.loads(LOCK.read_text())
    if change == "edited":
        noted["profile"][0] = "0" * 16
    elif change == "forgotten":
        noted["profile"].append("0" * 16)
    else:
        del noted["profile"]
    (tmp_path / "lock").write_text(json.dumps(noted))
    (problem,) = edited(tmp_path / "lock")
    assert "profile is" in problem
    assert "add a new one" in problem


DERIVED = dict(derived())


@pytest.mark.parametrize("path", DERIVED, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_follows_from_the_schemas_is_up_to_date(path: Path):
    assert path.read_text() == DERIVED[path], "run ./dev contracts"


@pytest.mark.parametrize(("message", "path"), EXAMPLES, ids=lambda v: getattr(v, "stem", v))
def test_an_example_is_what_the_json_schema_says(message, path):
    schema = json_schema(latest(message))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(path.read_text()), schema)


def documented(schema: Any) -> bool:
    if isinstance(schema, list):
        return all(map(documented, schema))
    if not isinstance(schema, dict):
        return True
    named = schema.get("type") != "record" or bool(schema.get("doc"))
    fields = all(f.get("doc") and documented(f["type"]) for f in schema.get("fields", ()))
    return named and fields and documented([schema.get("items"), schema.get("values")])


@pytest.mark.parametrize("message", ALL)
def test_every_field_is_documented(message):
    assert all(documented(own.schema) for own in versions(message))


def record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields), **more}


A = {"name": "a", "type": "string"}
B = {"name": "b", "type": ["null", "long"], "default": None}

MAY = [
    (record(A, B), record(A)),
    (record(A), record(A, B)),
    (record({"name": "a", "type": "long"}), record({"name": "a", "type": "int"})),
    (record({"name": "a", "type": ["null", "string"]}), record(A)),
    (record({**A, "name": "c", "aliases": ["a"]}), record(A)),
    (record(A, name="S", aliases=["R"]), record(A)),
]
INNER_WAS = record({"name": "x", "type": "string"}, name="I")
INNER_IS = record({"name": "x", "type": "long"}, name="I")

MAY_NOT = [
    (  # the second use is told too, though a union has tried the pair before
        record({"name": "a", "type": ["null", INNER_IS]}, {"name": "b", "type": "I"}),
        record({"name": "a", "type": ["null", INNER_WAS]}, {"name": "b", "type": "I"}),
    ),
    (record(A, {"name": "b", "type": "long"}), record(A)),
    (record({"name": "a", "type": "int"}), record({"name": "a", "type": "long"})),
    (record(A), record({"name": "a", "type": ["null", "string"]})),
    (record({**A, "name": "c"}), record(A)),
    (record(A, name="S"), record(A)),
    (
        record({"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["X"]}}),
        record({"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y"]}}),
    ),
    (
        record({"name": "a", "type": {"type": "map", "values": "long"}}),
        record({"name": "a", "type": {"type": "map", "values": "string"}}),
    ),
    (
        record({"name": "a", "type": {"type": "array", "items": record(A, B, name="I")}}),
        record({"name": "a", "type": {"type": "array", "items": record(B, name="I")}}),
    ),
]


@pytest.mark.parametrize(("reader", "writer"), MAY)
def test_a_change_that_readers_can_follow_is_found_compatible(reader, writer):
    assert incompatible(reader, writer) == []


@pytest.mark.parametrize(("reader", "writer"), MAY_NOT)
def test_a_change_that_readers_cannot_follow_is_found(reader, writer):
    assert incompatible(reader, writer)


def unfit(schema: dict[str, Any]) -> list[str]:
    return list(unfit_defaults(schema))


def test_each_place_of_a_type_that_does_not_fit_is_told():
    reader, writer = MAY_NOT[0]
    assert [problem.partition(":")[0] for problem in incompatible(reader, writer)] == [
        "$.a",
        "$.b.x",
    ]


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("long", None),
        ("string", 7),
        (["null", "long"], 0),
        (["long", "null"], None),
        ({"type": "array", "items": "string"}, {}),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "B"),
        (record(A, name="Inner"), {"a": 7}),
    ],
)
def test_a_default_that_is_no_value_of_its_type_is_told(kind, default):
    schema = record(A, {"name": "b", "type": kind, "default": default})
    first = version("profile", 1, schema)
    assert list(broken((first,))) == [f"profile: v1: {problem}" for problem in unfit(schema)]
    assert len(unfit(schema)) == 1


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("bytes", "\u00ff"),
        (["null", "long"], None),
        ({"type": "map", "values": "long"}, {"a": 1}),
        (record(A, name="Inner"), {"a": "x"}),
    ],
)
def test_a_default_that_fits_is_none_of_our_business(kind, default):
    assert unfit(record(A, {"name": "b", "type": kind, "default": default})) == []


OLDER = record(A, B, {"name": "i", "type": ["null", record(A, name="I")], "default": None})
C = {"name": "c", "type": ["null", "string"], "default": None, "doc": "New."}


@pytest.mark.parametrize(
    ("newer", "why"),
    [
        (record(A, B), "$.i: is gone"),
        (record(A, {**B, "type": ["null", "double"]}, OLDER["fields"][2]), "becomes double"),
        (record(A, {**B, "name": "d", "aliases": ["b"]}, OLDER["fields"][2]), "$.b: is gone"),
        (record(A, {**B, "aliases": ["d"]}, OLDER["fields"][2]), "aliases is new"),
        (record(A, {**B, "logicalType": "date"}, OLDER["fields"][2]), "logicalType is new"),
        (record(*OLDER["fields"], {"name": "c", "type": "string", "default": ""}), "no union"),
        (
            record(A, B, {**OLDER["fields"][2], "type": ["null", record(B, name="I")]}),
            "$.i.a: is gone",
        ),
    ],
)
def test_what_does_more_than_add_a_field_is_told(newer, why):
    two = (version("profile", 1, OLDER), version("profile", 2, newer))
    assert any(why in problem for problem in rewritten(two)), list(rewritten(two))


def test_fields_that_may_be_missing_can_be_added_anywhere():
    inner = {**OLDER["fields"][2], "type": ["null", record(C, A, name="I")]}
    newer = record(C, {**A, "doc": "Now with words."}, B, inner)
    assert list(rewritten((version("profile", 1, OLDER), version("profile", 2, newer)))) == []


def version(message: str, number: int, schema: dict[str, Any]) -> OwnSchema:
    return OwnSchema(message, number, schema, {}, b"")


def test_inputs_must_read_what_older_producers_write_and_outputs_serve_older_readers():
    grown = record(A, {"name": "b", "type": "long"})
    fields = [record(A), grown]
    inputs = tuple(version("event-batch", n, s) for n, s in enumerate(fields, 1))
    outputs = tuple(version("profile", n, s) for n, s in enumerate(fields, 1))
    assert list(broken(inputs)) == [
        "event-batch: v2 cannot read v1: $.b: is new and has no default"
    ]
    assert list(broken(outputs)) == []
    assert (
        len(list(broken(tuple(version("profile", n, s) for n, s in ((1, grown), (2, fields[0]))))))
        == 1
    )


def test_every_version_is_held_to_all_before_it():
    """v2 adds a default that v3 takes away: v3 reads v2, but no longer v1."""
    with_default = record(A, {"name": "b", "type": "long", "default": 0})
    without = record(A, {"name": "b", "type": "long"})
    three = tuple(
        version("event-batch", n, s) for n, s in enumerate((record(A), with_default, without), 1)
    )
    assert [problem[:32] for problem in broken(three)] == ["event-batch: v3 cannot read v1: "]


CONFIGURATION = """
[workspaces.retail]
preset = "default"
[kafka]
topics = { batches = ["web", "app"], outcomes = "outcomes" }
formats = { app = "avro", enriched = "avro" }
"""


def test_the_document_names_the_topics_of_the_settings_in_their_formats():
    document = asyncapi(load_text(CONFIGURATION, {}))
    assert {"web", "app", "outcomes", "enriched-batches"} <= document["channels"].keys()
    receives = {n for n, o in document["operations"].items() if o["action"] == "receive"}
    own = {"take-idstream-clock", "take-privacy-requests"}
    assert receives == {"take-web", "take-app", "take-identity-requests"} | own
    assert {"batches", "batches-avro"} <= document["components"]["messages"].keys()
    enriched = document["components"]["messages"]["enriched-avro"]
    assert enriched["contentType"] == "application/vnd.apache.avro+binary"
    assert enriched["payload"]["schema"] == latest("enriched-batch").schema


def test_the_document_of_a_topic_of_segments_calls_claims_no_batch():
    text = CONFIGURATION.replace('app = "avro"', 'app = "segment"')
    message = asyncapi(load_text(text, {}))["components"]["messages"]["batches-segment"]
    assert message["name"] == "SegmentCall"
    assert message["payload"].keys() == {"description"}


def test_outputs_say_which_headers_are_always_there():
    messages = asyncapi(load_text(CONFIGURATION, {}))["components"]["messages"]
    always = ["source-partition", "source-offset", "source-topic"]
    assert messages["enriched-avro"]["headers"]["required"] == always
    assert messages["batches"]["headers"]["required"] == []


def test_sweeps_are_written_and_read_whatever_their_topic_is_called():
    settings = load_text(CONFIGURATION, {})
    topics = replace(settings.kafka.topics, clock="ticks")
    renamed = replace(settings, kafka=replace(settings.kafka, topics=topics))
    for name, document in (("idstream-clock", asyncapi(settings)), ("ticks", asyncapi(renamed))):
        found = {n: o["action"] for n, o in document["operations"].items() if n.endswith(name)}
        assert found == {f"take-{name}": "receive", f"write-{name}": "send"}
    its = DERIVED[ROOT / "docs/topics.md"].partition("## idstream-clock")[2].partition("\n## ")[0]
    assert "| direction | in and out |" in its


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in references(one)]
    if not isinstance(value, dict):
        return []
    here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return here + [found for one in value.values() for found in references(one)]


def test_every_reference_of_the_document_leads_somewhere():
    document = asyncapi(load_text(CONFIGURATION, {}))
    found = references(document)
    assert found
    for reference in found:
        at: Any = document
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]
        assert at

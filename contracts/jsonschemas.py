"""JSON Schemas of messages, made of their Avro schemas.

A field with a default may be missing, unless it says ``required``: then the default only lets a
record without the field be read in Avro, and answered. ``json`` on a field is its JSON Schema where
its type does not tell it; ``header`` is the spelling of a header.
"""

from typing import Any

from contracts.evolution import INPUTS
from processor.codecs.avro.schemas import OTHER_FIELDS, OwnSchema

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PRIMITIVES: dict[str, dict[str, Any]] = {
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "int": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "long": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "double": {"type": "number"},
}

NULLABLE = (*INPUTS, "enriched-batch")
"""Messages in which a field that may be missing may be null: inputs, and batches passed on."""

Schema = dict[str, Any]


def json_schema(own: OwnSchema) -> Schema:
    """Return the JSON Schema of one version of a message."""
    maker = _Maker(nullable=own.message in NULLABLE)
    return {
        "$schema": DIALECT,
        "$id": f"urn:idstream:{own.message}:v{own.version}",
        "title": own.schema["name"],
        **maker.record(own.schema),
    }


class _Maker:
    """Makes JSON Schemas; *nullable*: a field that may be missing may be null too."""

    def __init__(self, *, nullable: bool) -> None:
        self._nullable = nullable
        self._names: dict[str, Schema] = {}

    def record(self, schema: Schema) -> Schema:
        fields = [field for field in schema["fields"] if field["name"] != OTHER_FIELDS]
        found: Schema = {
            "type": "object",
            "description": schema["doc"],
            "properties": {
                field.get("header", field["name"]): self._field(field) for field in fields
            },
        }
        required = [
            f.get("header", f["name"]) for f in fields if "default" not in f or f.get("required")
        ]
        if required:
            found["required"] = required
        return found

    def _field(self, field: Schema) -> Schema:
        kind = field["type"]
        if "json" in field:
            return {"description": field["doc"], **field["json"]}
        if "default" in field and isinstance(kind, list) and not self._nullable:
            kind = [branch for branch in kind if branch != "null"]
        return {"description": field["doc"], **self._type(kind)}

    def _type(self, kind: Any) -> Schema:
        if isinstance(kind, list):
            return self._union(kind)
        if isinstance(kind, str):
            return self._names[kind] if kind in self._names else PRIMITIVES[kind]
        if kind["type"] == "array":
            return {"type": "array", "items": self._type(kind["items"])}
        if kind["type"] == "map":
            return {"type": "object", "additionalProperties": self._type(kind["values"])}
        self._names[kind["name"]] = self.record(kind)
        return self._names[kind["name"]]

    def _union(self, kind: list[Any]) -> Schema:
        branches = [self._type(branch) for branch in kind]
        if len(branches) == 1:
            return branches[0]
        if all(set(branch) == {"type"} for branch in branches):
            return {"type": [branch["type"] for branch in branches]}
        return {"anyOf": branches}

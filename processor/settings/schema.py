"""The JSON Schema of ``idstream.toml``, for editors, made from the types it is read by."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from processor.identity.strategies import STRATEGIES
from processor.identity.types import NAMES
from processor.rules import INPUT_ROLES
from processor.settings.librdkafka import KNOWN
from processor.settings.load import LOWEST, SECTIONS
from processor.settings.secret import Secret

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPE_LISTS: Final = ("priority", "login_ids", "unique_ids", "immutable_ids")

Schema = dict[str, Any]


def json_schema() -> Schema:
    """Return the schema of the whole file."""
    found, components = msgspec.json.schema_components(
        list(SECTIONS.values()), schema_hook=_schema_of, ref_template="#/$defs/{name}"
    )
    _complete(components)
    return {
        "$schema": DIALECT,
        "title": "idstream.toml",
        "type": "object",
        "properties": dict(zip(SECTIONS, found, strict=True)),
        "required": ["workspaces"],
        "additionalProperties": False,
        "$defs": components,
    }


def _schema_of(kind: type) -> Schema:
    if kind is Secret:
        return {"type": "string"}
    raise NotImplementedError


def _complete(components: Mapping[str, Schema]) -> None:
    """Add what the types do not say: known names, and lists that may be a string."""
    workspace = components["WorkspaceSettings"]["properties"]
    workspace["strategy"] = {"enum": list(STRATEGIES)}
    for key in _TYPE_LISTS:
        workspace[key] = {"type": "array", "items": {"enum": list(NAMES)}}
    kafka = components["KafkaSettings"]["properties"]
    del kafka["client_secrets"]
    known = sorted(frozenset[str]().union(*KNOWN.values()))
    for key in ("client", "client_files"):
        kafka[key]["propertyNames"] = {"enum": known}
    for name, keys in (("TopicSettings", INPUT_ROLES), ("InputSettings", ("topics",))):
        for key in keys:
            listed = components[name]["properties"][key]
            components[name]["properties"][key] = {
                "anyOf": [{"type": "string"}, {k: v for k, v in listed.items() if k != "default"}],
                "default": listed["default"],
            }
    for key, least in LOWEST.items():
        components["Limits"]["properties"][key]["minimum"] = least

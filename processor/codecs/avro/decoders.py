"""Decoders from the JSON of a field to its value as fastavro writes it, made of a schema."""

from collections.abc import Callable
from typing import Any, Final, Union

import msgspec
from msgspec import UNSET, UnsetType, defstruct

from processor.codecs.avro.schemas import OTHER_FIELDS, Schema
from processor.codecs.fields import Int64

_PRIMITIVES: Final[dict[str, Any]] = {
    "null": None,
    "string": str,
    "bytes": bytes,  # base64 in JSON
    "int": int,
    "long": Int64,
    "double": float,
    "boolean": bool,
}


def decoders(schema: Schema) -> dict[str, Callable[[Any], Any]]:
    """Return a decoder for each field of the record *schema*, by name.

    It raises msgspec.ValidationError for a value that the field cannot hold.
    """
    names: dict[str, Any] = {}
    return {
        field["name"]: _decoder(field["type"], names)
        for field in schema["fields"]
        if field["name"] != OTHER_FIELDS
    }


def is_json(kind: Any) -> bool:  # noqa: ANN401 - a schema
    """Return whether a field of this type holds JSON as it is."""
    return bool(kind == ["null", "bytes"])


def required_nulls(schema: Schema) -> list[str]:
    """Return the fields that are always written, as null where they have no value."""
    return [
        field["name"]
        for field in schema["fields"]
        if "default" not in field and isinstance(field["type"], list) and "null" in field["type"]
    ]


def _decoder(kind: Any, names: dict[str, Any]) -> Callable[[Any], Any]:  # noqa: ANN401 - a schema
    if is_json(kind):
        return bytes
    known = len(names)
    decode = msgspec.json.Decoder(_type(kind, names)).decode
    holds_records = len(names) > known or _names_one(kind, names)
    if not holds_records:
        return decode
    return lambda raw: msgspec.to_builtins(decode(raw), builtin_types=(bytes,))


def _names_one(kind: Any, names: dict[str, Any]) -> bool:  # noqa: ANN401 - a schema
    """Return whether *kind* holds a record that was defined before."""
    if isinstance(kind, list):
        return any(_names_one(branch, names) for branch in kind)
    if isinstance(kind, str):
        return kind in names
    return _names_one(kind.get("items", kind.get("values", "null")), names)


def _type(kind: Any, names: dict[str, Any]) -> Any:  # noqa: ANN401 - a schema, and a type
    if isinstance(kind, list):
        return Union[tuple(_type(branch, names) for branch in kind)]  # noqa: UP007 - built at run time
    if isinstance(kind, str):
        return names[kind] if kind in names else _PRIMITIVES[kind]
    if kind["type"] == "array":
        return list[_type(kind["items"], names)]  # type: ignore[misc]
    if kind["type"] == "map":
        return dict[str, _type(kind["values"], names)]  # type: ignore[misc]
    return _record(kind, names)


def _record(kind: Schema, names: dict[str, Any]) -> Any:  # noqa: ANN401 - a type
    fields: list[Any] = []
    for field in kind["fields"]:
        its = _type(field["type"], names)
        optional = (Union[its, UnsetType], UNSET)  # noqa: UP007 - built at run time
        fields.append((field["name"], *(optional if "default" in field else (its,))))
    # A field that the record does not know must not be lost silently.
    found = defstruct(kind["name"], fields, kw_only=True, forbid_unknown_fields=True)
    names[kind["name"]] = found
    return found

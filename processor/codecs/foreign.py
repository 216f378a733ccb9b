"""Writer schemas of others: read only if no data of theirs can cost more than its length.

A schema comes from whoever may register one. Recursive types would let a short record nest without
end, arrays of nothing would let it count to any number.
"""

from typing import Any, Final

import msgspec

from processor.codecs.schemas import Schema, parsed

MAX_SCHEMA_BYTES: Final = 262_144
MAX_SCHEMA_DEPTH: Final = 64

_PRIMITIVES: Final = frozenset(
    {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}
)


class Unusable(Exception):
    """A writer schema is not read; says why in our own words."""


def read_schema(text: str) -> Schema:
    """Return the parsed writer schema that *text* holds, without its logical types."""
    if len(text) > MAX_SCHEMA_BYTES:
        raise Unusable("the writer schema is too large")
    try:
        return parsed(_plain(msgspec.json.decode(text)))
    except Unusable:
        raise
    except Exception:  # noqa: BLE001 - whatever a parser makes of somebody else's schema
        raise Unusable("the writer schema is not valid Avro") from None


def _plain(schema: Any) -> Any:  # noqa: ANN401 - JSON
    plain = _Walk().of(schema, "", 0)
    if not isinstance(plain, dict) or plain["type"] != "record":
        raise Unusable("the writer schema is no record")
    return plain


class _Walk:
    """Walks a schema: leaves logical types out, refuses what data could abuse."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._empty: dict[str, bool] = {}

    def of(self, schema: Any, namespace: str, depth: int) -> Any:  # noqa: ANN401 - JSON
        """Return *schema* without logical types and documentation."""
        if depth > MAX_SCHEMA_DEPTH:
            raise Unusable("the writer schema is nested too deeply")
        if isinstance(schema, str):
            if schema not in _PRIMITIVES and _full(schema, namespace) in self._open:
                raise Unusable("the writer schema has a recursive type")
            return schema
        if isinstance(schema, list):
            return [self.of(branch, namespace, depth + 1) for branch in schema]
        plain = {k: v for k, v in schema.items() if k not in ("logicalType", "doc")}
        walk = self._WALKS.get(plain["type"]) if isinstance(plain["type"], str) else None
        if walk is None:
            return self.of(plain["type"], namespace, depth + 1)
        walk(self, plain, namespace, depth)
        return plain

    def _array(self, plain: Schema, namespace: str, depth: int) -> None:
        plain["items"] = self.of(plain["items"], namespace, depth + 1)
        if self._is_empty(plain["items"], namespace):
            raise Unusable("the writer schema has an array of nothing")

    def _map(self, plain: Schema, namespace: str, depth: int) -> None:
        plain["values"] = self.of(plain["values"], namespace, depth + 1)

    def _fixed(self, plain: Schema, namespace: str, _depth: int) -> None:
        self._empty[_named(plain, namespace)[0]] = plain["size"] == 0

    def _enum(self, plain: Schema, namespace: str, _depth: int) -> None:
        self._empty[_named(plain, namespace)[0]] = False

    def _record(self, plain: Schema, namespace: str, depth: int) -> None:
        name, inner = _named(plain, namespace)
        self._open.add(name)
        plain["fields"] = [
            {**field, "type": self.of(field["type"], inner, depth + 1)} for field in plain["fields"]
        ]
        self._open.discard(name)
        self._empty[name] = all(self._is_empty(f["type"], inner) for f in plain["fields"])

    _WALKS: Final = {
        "array": _array,
        "map": _map,
        "fixed": _fixed,
        "enum": _enum,
        "record": _record,
        "error": _record,
    }

    def _is_empty(self, schema: Any, namespace: str) -> bool:  # noqa: ANN401 - JSON
        """Return whether a value of *schema* takes no bytes."""
        if isinstance(schema, str):
            return schema == "null" or self._empty.get(_full(schema, namespace), False)
        if isinstance(schema, list) or schema["type"] in ("array", "map"):
            return False
        return self._empty[_named(schema, namespace)[0]]


def _named(schema: Schema, namespace: str) -> tuple[str, str]:
    """Return the full name of a named type, and the namespace inside of it."""
    full = _full(schema["name"], schema.get("namespace", namespace))
    return full, full.rpartition(".")[0]


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"

"""Schemas of other writers: refused where a record could cost more to read than its length pays.

Anybody who may register schemas can attack the processor with one. A recursive type lets a short
record nest without end. An array of zero-width items makes a few bytes stand for millions of
values. Types that each name another twice double the work with every level.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from processor.codecs.avro.schemas import Schema, parsed

MAX_SCHEMA_BYTES: Final = 262_144
MAX_PLAIN_BYTES: Final = 65_536
"""Size of a schema's types and names: fastavro's error for a record quotes much of them."""
MAX_SCHEMA_DEPTH: Final = 64
MAX_BRANCHES: Final = 64
"""Types of a union: reading a value compares its type with each of the reader's."""

_KEYS: Final = ("type", "name", "namespace", "fields", "items", "values", "symbols", "size")
"""Keys of a schema that reading needs. All others are dropped: fastavro marks parsed schemas by
keys of its own, which it would trust in a schema that was never parsed."""

MAX_EXCESS: Final = 4096
STEPS_A_BYTE: Final = 8
"""Steps of the reader that a byte of data pays for; a step is a value, nested ones included.

A schema is refused if a record may take over 4096 steps more than its bytes pay for.
"""

_BYTES: Final[Mapping[str, int]] = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
}
"""The fewest bytes that a value of a primitive type takes."""


class Unusable(Exception):
    """A writer schema is refused; the message is the reason in our own words."""


def read_schema(text: str) -> Schema:
    """Return the writer schema in *text*, parsed: types and names, without logical types."""
    if len(text) > MAX_SCHEMA_BYTES:
        raise Unusable("the writer schema is too large")
    try:
        return parsed(_plain(msgspec.json.decode(text)))
    except Unusable:
        raise
    except Exception:  # noqa: BLE001 - whatever a parser makes of somebody else's schema
        raise Unusable("the writer schema is not valid Avro") from None


def _plain(schema: Any) -> Any:  # noqa: ANN401 - JSON
    plain, _ = _Walk().of(schema, "")
    if not isinstance(plain, dict) or plain["type"] != "record":
        raise Unusable("the writer schema is no record")
    if len(msgspec.json.encode(plain)) > MAX_PLAIN_BYTES:
        raise Unusable("the writer schema is too large")
    return plain


class _Cost(NamedTuple):
    """The most that reading a value of a type can cost."""

    excess: int
    """Steps that the bytes of the value do not pay for, at ``STEPS_A_BYTE``."""
    depth: int
    """Levels of types within one another, named types included."""


class _Walk:
    """Reduces a schema to its types and names; refuses it where reading could cost too much."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._known: dict[str, _Cost] = {}

    def of(self, schema: Any, namespace: str) -> tuple[Any, _Cost]:  # noqa: ANN401 - JSON
        """Return *schema* reduced to types and names, and the cost of a value of it."""
        if isinstance(schema, str):
            return schema, self._called(schema, namespace)
        if isinstance(schema, list):
            if len(schema) > MAX_BRANCHES:
                raise Unusable("the writer schema has a union of too many types")
            branches = [self.of(branch, namespace) for branch in schema]
            excess = max((cost.excess for _, cost in branches), default=0)
            return [plain for plain, _ in branches], _over(excess - STEPS_A_BYTE, branches)
        kind = schema["type"]
        walk = self._WALKS.get(kind) if isinstance(kind, str) else None
        if walk is None:
            return self.of(kind, namespace)
        plain = {key: schema[key] for key in _KEYS if key in schema}
        return plain, walk(self, plain, namespace)

    def _called(self, name: str, namespace: str) -> _Cost:
        if name in _BYTES:
            return _Cost(1 - STEPS_A_BYTE * _BYTES[name], 1)
        full = _full(name, namespace)
        if full in self._open:
            raise Unusable("the writer schema has a recursive type")
        return self._known[full]

    def _array(self, plain: Schema, namespace: str) -> _Cost:
        plain["items"], cost = self.of(plain["items"], namespace)
        return _many(cost)

    def _map(self, plain: Schema, namespace: str) -> _Cost:
        plain["values"], cost = self.of(plain["values"], namespace)
        return _many(cost._replace(excess=cost.excess + 1 - STEPS_A_BYTE))  # of its key

    def _fixed(self, plain: Schema, namespace: str) -> _Cost:
        cost = _Cost(1 - STEPS_A_BYTE * plain["size"], 1)
        return self._known.setdefault(_named(plain, namespace)[0], cost)

    def _enum(self, plain: Schema, namespace: str) -> _Cost:
        return self._known.setdefault(_named(plain, namespace)[0], _Cost(1 - STEPS_A_BYTE, 1))

    def _record(self, plain: Schema, namespace: str) -> _Cost:
        name, inner = _named(plain, namespace)
        self._open.add(name)
        fields = [self.of(field["type"], inner) for field in plain["fields"]]
        self._open.discard(name)
        plain["fields"] = [
            {"name": field["name"], "type": kind}
            for field, (kind, _) in zip(plain["fields"], fields, strict=True)
        ]
        cost = _over(sum(cost.excess for _, cost in fields), fields)
        return self._known.setdefault(name, cost)

    _WALKS: Final = {
        "array": _array,
        "map": _map,
        "fixed": _fixed,
        "enum": _enum,
        "record": _record,
        "error": _record,
    }


def _many(item: _Cost) -> _Cost:
    if item.excess > 0:
        raise Unusable("the writer schema has an array of next to nothing")
    return _over(-STEPS_A_BYTE, [(None, item)])


def _over(excess: int, parts: Sequence[tuple[Any, _Cost]]) -> _Cost:
    """Return the cost of a type with *parts*: *excess* and one step for the value itself."""
    cost = _Cost(excess + 1, 1 + max((part.depth for _, part in parts), default=0))
    if cost.depth > MAX_SCHEMA_DEPTH:
        raise Unusable("the writer schema is nested too deeply")
    if cost.excess > MAX_EXCESS:
        raise Unusable("the writer schema takes too many steps for the bytes of its data")
    return cost


def _named(schema: Schema, namespace: str) -> tuple[str, str]:
    """Return the full name of a named type, and the namespace inside of it."""
    full = _full(schema["name"], schema.get("namespace", namespace))
    return full, full.rpartition(".")[0]


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"

"""Evolution: whether data written with one Avro schema can be read with another."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from fastavro import parse_schema
from fastavro.validation import validate

from processor.codecs.avro.schemas import OwnSchema

INPUTS = ("event-batch", "identity-request", "subject-request")

PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
NAMED = ("record", "enum", "fixed")

Schema = Any


def broken(versions: tuple[OwnSchema, ...]) -> Iterator[str]:
    """Yield what is not compatible between the versions of one message.

    The newest version of an input reads what producers write with any older one. Every older
    version of an output reads what the newest one writes (schemas/README.md).
    """
    for place, newer in enumerate(versions):
        for problem in unfit_defaults(newer.schema):
            yield f"{newer.message}: v{newer.version}: {problem}"
        for older in versions[:place]:
            is_input = newer.message in INPUTS
            reader, writer = (newer, older) if is_input else (older, newer)
            for problem in incompatible(reader.schema, writer.schema):
                yield f"{newer.message}: v{reader.version} cannot read v{writer.version}: {problem}"


def rewritten(versions: tuple[OwnSchema, ...]) -> Iterator[str]:
    """Yield what a version changes of the one before, besides new fields that may be missing.

    This is stricter than Avro. Promotions, aliases and removals resolve in Avro, but a reader of
    JSON, or of fields that an older processor passed through, would miss what it had.
    """
    for older, newer in pairwise(versions):
        for problem in _rewritten(older.schema, newer.schema, "$"):
            yield f"{newer.message}: v{newer.version} changes v{older.version}: {problem}"


def _rewritten(older: Schema, newer: Schema, at: str) -> Iterator[str]:
    if isinstance(older, dict) and isinstance(newer, dict):
        was, now = (_fields_of(schema) for schema in (older, newer))
        for name in was.keys() - now.keys():
            yield f"{at}.{name}: is gone"
        for name, field in now.items():
            if name in was:
                yield from _rewritten(was[name], field, f"{at}.{name}")
            elif not _may_be_missing(field):
                yield f"{at}.{name}: is new, and no union with null that is null by default"
        for key in sorted((older.keys() | newer.keys()) - {"doc", "fields"}):
            if key not in older or key not in newer:
                yield f"{at}: {key} is {'new' if key in newer else 'gone'}"
            else:
                yield from _rewritten(older[key], newer[key], at)
    elif isinstance(older, list) and isinstance(newer, list) and len(older) == len(newer):
        for was, now in zip(older, newer, strict=True):
            yield from _rewritten(was, now, at)
    elif older != newer:
        yield f"{at}: {_short(older)} becomes {_short(newer)}"


def _fields_of(schema: Schema) -> dict[str, Schema]:
    return {field["name"]: field for field in schema.get("fields", ())}


def _may_be_missing(field: Schema) -> bool:
    kind = field["type"]
    return isinstance(kind, list) and kind[0] == "null" and field.get("default", 0) is None


def _short(schema: Schema) -> str:
    return "another type" if isinstance(schema, dict | list) else str(schema)


def incompatible(reader: Schema, writer: Schema) -> list[str]:
    """Return, by path, why *reader* cannot read all data of *writer*; empty if it can."""
    return list(_Pair(_names(reader, ""), _names(writer, "")).problems(reader, writer, "$"))


def unfit_defaults(schema: Schema) -> Iterator[str]:
    """Yield, by path, the defaults that do not have their field's type (of a union, its first).

    Without this check such a default is noticed late: by a reader, where a writer lacks the field.
    """
    names = _names(schema, "")
    for path, field in _fields(schema, "$"):
        if "default" not in field:
            continue
        kind = field["type"][0] if isinstance(field["type"], list) else field["type"]
        default = field["default"]
        if _kind(_of(kind, names)) in ("bytes", "fixed") and isinstance(default, str):
            default = default.encode("latin-1", "replace")  # as Avro writes bytes in JSON
        if not validate(default, parse_schema(_closed(kind, names)), raise_errors=False):
            yield f"{path}: its default is no {_kind(_of(kind, names))}"


def _fields(schema: Schema, at: str) -> Iterator[tuple[str, Schema]]:
    """Return every field of the records in *schema*, with its path."""
    if isinstance(schema, str):
        return
    for part in schema if isinstance(schema, list) else (schema.get("items"), schema.get("values")):
        if part is not None:
            yield from _fields(part, at)
    if isinstance(schema, dict):
        for field in schema.get("fields", ()):
            path = f"{at}.{field['name']}"
            yield path, field
            yield from _fields(field["type"], path)
        if isinstance(schema["type"], dict | list):
            yield from _fields(schema["type"], at)


def _closed(kind: Schema, names: dict[str, Schema]) -> Schema:
    """Return *kind* with the definition of a type that it only names."""
    return _of(kind, names) if isinstance(kind, str) else kind


class _Pair:
    """Two schemas with the named types of each."""

    def __init__(self, readers: dict[str, Schema], writers: dict[str, Schema]) -> None:
        self._readers = readers
        self._writers = writers
        self._open: set[tuple[int, int]] = set()
        """Pairs being compared: a recursive type fits itself unless another part does not."""

    def problems(self, reader: Schema, writer: Schema, at: str) -> Iterator[str]:
        reader, writer = _of(reader, self._readers), _of(writer, self._writers)
        if isinstance(writer, list):
            for branch in writer:
                yield from self.problems(reader, branch, at)
        elif isinstance(reader, list):
            if all(list(self.problems(branch, writer, at)) for branch in reader):
                yield f"{at}: no branch takes {_kind(writer)}"
        elif _kind(reader) != _kind(writer):
            if _kind(reader) not in PROMOTIONS.get(_kind(writer), ()):
                yield f"{at}: {_kind(writer)} is not read as {_kind(reader)}"
        elif _kind(reader) in NAMED:
            yield from self._named(reader, writer, at)
        elif _kind(reader) == "array":
            yield from self.problems(reader["items"], writer["items"], f"{at}[]")
        elif _kind(reader) == "map":
            yield from self.problems(reader["values"], writer["values"], f"{at}{{}}")

    def _named(self, reader: Schema, writer: Schema, at: str) -> Iterator[str]:
        pair = (id(reader), id(writer))
        if pair not in self._open:
            self._open.add(pair)
            yield from self._met(reader, writer, at)
            self._open.discard(pair)

    def _met(self, reader: Schema, writer: Schema, at: str) -> Iterator[str]:
        if not _names_of(reader) & {_last(writer["name"])}:
            yield f"{at}: {writer['name']} is not read as {reader['name']}"
        elif reader["type"] == "fixed":
            if reader["size"] != writer["size"]:
                yield f"{at}: the size differs"
        elif reader["type"] == "enum":
            lost = set(writer["symbols"]) - set(reader["symbols"])
            if lost and "default" not in reader:
                yield f"{at}: knows no symbol {', '.join(sorted(lost))}"
        else:
            yield from self._record(reader, writer, at)

    def _record(self, reader: Schema, writer: Schema, at: str) -> Iterator[str]:
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            names = [field["name"], *field.get("aliases", ())]
            its = next((written[name] for name in names if name in written), None)
            if its is not None:
                yield from self.problems(field["type"], its["type"], f"{at}.{field['name']}")
            elif "default" not in field:
                yield f"{at}.{field['name']}: is new and has no default"


def _names(schema: Schema, namespace: str) -> dict[str, Schema]:
    if isinstance(schema, list):
        return {n: s for branch in schema for n, s in _names(branch, namespace).items()}
    if isinstance(schema, str):
        return {}
    found = {}
    if schema["type"] in NAMED:
        found[_last(schema["name"])] = schema
    for part in (schema.get("items"), schema.get("values"), *_field_types(schema)):
        if part is not None:
            found |= _names(part, namespace)
    if isinstance(schema["type"], dict | list):
        found |= _names(schema["type"], namespace)
    return found


def _field_types(schema: Schema) -> list[Schema]:
    return [field["type"] for field in schema.get("fields", ())]


def _of(schema: Schema, names: dict[str, Schema]) -> Schema:
    if isinstance(schema, str):
        return names.get(_last(schema), schema)
    if isinstance(schema, dict) and isinstance(schema["type"], dict | list):
        return schema["type"]
    return schema


def _kind(schema: Schema) -> str:
    return schema if isinstance(schema, str) else schema["type"]


def _names_of(schema: Schema) -> set[str]:
    return {_last(name) for name in (schema["name"], *schema.get("aliases", ()))}


def _last(name: str) -> str:
    return name.rpartition(".")[2]

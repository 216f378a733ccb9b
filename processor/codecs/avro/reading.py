"""Avro in both directions; what is read becomes the fields that JSON would have given.

Two framings: with a schema registry Confluent's (0, the schema's id in 4 bytes), without one Avro's
single-object encoding (C3 01, the schema's fingerprint). Data is always read with the schema that
wrote it and resolved into ours. Events and all that is not typed are JSON inside the Avro record,
and go on byte for byte.
"""

from collections.abc import Mapping
from io import BytesIO
from math import isfinite
from typing import Any, Final, Protocol

import msgspec
from fastavro import schemaless_reader, schemaless_writer
from msgspec import Raw

from processor.codecs.avro.decoders import decoders, required_nulls
from processor.codecs.avro.foreign import Unusable, read_schema
from processor.codecs.avro.schemas import OTHER_FIELDS, OwnSchema, Schema, latest, versions
from processor.codecs.envelope import Fields, check_json
from processor.codecs.fault import Fault

CONTENT_TYPE: Final = "application/vnd.apache.avro+binary"

_CONFLUENT: Final = b"\x00"
_SINGLE_OBJECT: Final = b"\xc3\x01"
_ID_END: Final = 5
_FINGERPRINT_END: Final = 10

MOST_SCHEMAS: Final = 1000
"""How many schemas of others are remembered; with more, all are asked for anew."""
UNKNOWN_ID: Final = "the schema registry has no schema of this id"

_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def names_schema(value: bytes) -> bool:
    """Return whether *value* names its schema by the id that a registry gave."""
    return value[:1] == _CONFLUENT and len(value) >= _ID_END


class Writers(Protocol):
    """Where the schemas of others are known by id: a registry."""

    def writer(self, schema_id: int) -> str | None:
        """Return the schema with this id, None where there is none.

        Raises Unusable where there is one that is not read, RegistryUnavailable where nobody can
        be asked.
        """
        ...


class _Writer:
    """A schema that data was written with; the reader's only where it differs."""

    __slots__ = ("reader", "writer")

    def __init__(self, writer: Schema, reader: Schema | None) -> None:
        self.writer = writer
        self.reader = reader


class AvroReader:
    """Reads one message; schemas come from *writers* by id, our own by fingerprint."""

    def __init__(self, message: str, writers: Writers | None = None) -> None:
        self._own = latest(message)
        self._writers = writers
        self._by_id: dict[int, _Writer | str] = {}
        """What was told of an id: a schema, or why it is not read."""
        self._by_fingerprint = {v.fingerprint: self._compiled(v) for v in versions(message)}
        if message == "event-batch":  # an enriched batch can be fed back in
            enriched = versions("enriched-batch")
            self._by_fingerprint |= {v.fingerprint: self._compiled(v) for v in enriched}

    def open_object(self, value: bytes | None, max_bytes: int) -> Fields:
        """Return the top-level fields of *value* as JSON has them, or raise Fault."""
        if value is None:
            raise Fault("the value is null (a tombstone)", "malformed")
        if len(value) > max_bytes:
            raise Fault("the value is larger than limits.max_record_bytes", "oversize")
        return _fields(self._record(value), max_bytes)

    def to_json(self, value: bytes) -> bytes:
        """Return the JSON form of *value*, or raise Fault; fields that have nothing to say are out.

        For readers of outputs. Fields that are always there are there.
        """
        fields = _fields(self._record(value), None)
        nulls = {name: Raw(b"null") for name in required_nulls(self._own.schema)}
        return _encode({**nulls, **fields})

    def _record(self, value: bytes) -> dict[str, Any]:
        writer, at = self._writer_of(value)
        # One byte more than there is: whoever wants bytes that are missing takes it, and is seen.
        # fastavro itself does not notice where a field that it skips ends too early.
        stream = BytesIO(value + b"\0")
        stream.seek(at)
        try:
            record = schemaless_reader(stream, writer.writer, writer.reader)
        except Exception:  # noqa: BLE001 - whatever the library makes of foreign bytes
            raise Fault("the value does not fit its Avro schema", "undecodable") from None
        assert isinstance(record, dict)  # as every schema that is read is a record
        if stream.tell() > len(value):
            raise Fault("the value ends within its Avro record", "undecodable")
        if stream.tell() < len(value):
            raise Fault("bytes are left over behind the Avro record", "undecodable")
        return record

    def _writer_of(self, value: bytes) -> tuple[_Writer, int]:
        """Return the schema that *value* was written with, and where its data begins."""
        if names_schema(value):
            return self._by_registry(int.from_bytes(value[1:_ID_END])), _ID_END
        if value[:2] == _SINGLE_OBJECT and len(value) >= _FINGERPRINT_END:
            writer = self._by_fingerprint.get(value[2:_FINGERPRINT_END])
            if writer is None:
                raise Fault("no schema of ours has the value's fingerprint", "schema_not_found")
            return writer, _FINGERPRINT_END
        raise Fault("the value begins as no Avro framing does", "undecodable")

    def _by_registry(self, schema_id: int) -> _Writer:
        known = self._by_id.get(schema_id)
        if known is None:
            if self._writers is None:
                detail = "the value names a schema by id, but there is no registry"
                raise Fault(detail, "schema_not_found")
            known = self._foreign(schema_id, self._writers)
            if known is None:
                raise Fault(UNKNOWN_ID, "schema_not_found")
            if len(self._by_id) >= MOST_SCHEMAS:
                self._by_id.clear()
            self._by_id[schema_id] = known
        if isinstance(known, str):
            raise Fault(known, "undecodable")
        return known

    def _foreign(self, schema_id: int, writers: Writers) -> _Writer | str | None:
        try:
            text = writers.writer(schema_id)
            if text is None:
                return None
            schema = read_schema(text)
        except Unusable as why:
            return str(why)
        same = schema == read_schema(self._own.text())
        return _Writer(schema, None if same else self._own.parsed)

    def _compiled(self, version: OwnSchema) -> _Writer:
        same = version is self._own
        return _Writer(version.parsed, None if same else self._own.parsed)


class AvroWriter:
    """Writes one message, in the framing of the schema's *registered* id or, without, our own."""

    def __init__(self, message: str, registered: int | None = None) -> None:
        own = latest(message)
        self._schema = own.parsed
        self._decoders: Mapping[str, Any] = decoders(own.schema)
        self._header = (
            _SINGLE_OBJECT + own.fingerprint
            if registered is None
            else _CONFLUENT + registered.to_bytes(4)
        )

    def write(self, value: bytes) -> bytes:
        """Return the Avro form of *value*, a JSON object."""
        record: dict[str, Any] = {}
        other: dict[str, bytes] = {}
        for name, raw in _decode_fields(value).items():
            decode = self._decoders.get(name)
            if decode is None:
                other[name] = bytes(raw)
                continue
            try:
                record[name] = decode(raw)
            except msgspec.ValidationError:
                other[name] = bytes(raw)
        record[OTHER_FIELDS] = other
        stream = BytesIO()
        stream.write(self._header)
        schemaless_writer(stream, self._schema, record)
        return stream.getvalue()


def _fields(record: dict[str, Any], max_bytes: int | None) -> Fields:
    """Return *record* as JSON has it, which may be many times as long: at most *max_bytes*."""
    fields, length = {}, 0
    other: dict[str, bytes] = record.pop(OTHER_FIELDS)
    for name, value in record.items():
        if value is None:
            continue
        if type(value) is bytes:
            length += len(value)
            fields[name] = _embedded(value, name)
            continue
        data = _encode(value)
        length += len(data)
        if max_bytes is not None and length > max_bytes:
            raise Fault("the value is larger than limits.max_record_bytes as JSON", "oversize")
        if b"null" in data and not _is_finite(value):  # NaN, say, has no JSON form but null
            raise Fault(f"{name}: holds a number that is not finite", "undecodable")
        fields[name] = Raw(data)
    for name, data in other.items():
        if name not in fields:
            fields[name] = _embedded(data, OTHER_FIELDS)
    return fields


def _embedded(data: bytes, field: str) -> Raw:
    """Return JSON that stands inside the record, once it is known to be one value of it."""
    try:
        check_json(data)
    except Fault as fault:
        detail = fault.detail.removeprefix("the value is ").removeprefix("the value ")
        raise Fault(f"{field}: is JSON inside Avro, but {detail}", "undecodable") from None
    return Raw(data)


def _is_finite(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return True


class RegistryUnavailable(Exception):
    """The schema registry cannot be asked now: wait, then rewind."""

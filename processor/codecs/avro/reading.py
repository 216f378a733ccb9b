"""Avro values to the fields that JSON would have, and JSON values to Avro.

Data is read with the schema that wrote it and resolved into ours. A value names its schema by an id
in a registry (Confluent's framing) or by its fingerprint (Avro's single-object encoding). Events,
and fields without a type, are JSON inside the record and stay as they are, byte for byte
(docs/messages.md, "Avro").
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from math import isfinite
from typing import Any, Final, Protocol

import msgspec
from fastavro import schemaless_reader, schemaless_writer
from msgspec import Raw

from processor.codecs.avro.decoders import decoders, required_nulls
from processor.codecs.avro.foreign import Unusable, read_schema
from processor.codecs.avro.repeats import REPEATED, Passage, Repeats, cut, cut_in_three
from processor.codecs.avro.schemas import OTHER_FIELDS, OwnSchema, Schema, latest, versions
from processor.codecs.envelope import Fields, check_json
from processor.codecs.fault import Fault

CONTENT_TYPE: Final = "application/vnd.apache.avro+binary"

_CONFLUENT: Final = b"\x00"
_SINGLE_OBJECT: Final = b"\xc3\x01"
_ID_END: Final = 5
_FINGERPRINT_END: Final = 10

MOST_SCHEMAS: Final = 1000
"""Schemas of other writers that are remembered; with one more, all are forgotten."""
UNKNOWN_ID: Final = "the schema registry has no schema of this id"

_encode = msgspec.json.Encoder().encode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


def names_schema(value: bytes) -> bool:
    """Return whether *value* names its schema by an id of a registry."""
    return value[:1] == _CONFLUENT and len(value) >= _ID_END


class Writers(Protocol):
    """Schemas of other writers by id, as a registry knows them."""

    def writer(self, schema_id: int) -> str | None:
        """Return the schema with this id, None where there is none.

        Raises Unusable where the schema is refused, RegistryUnavailable where it cannot be asked
        for now.
        """
        ...


class _Writer:
    """A schema that data was written with, and ours where it is another, to resolve into."""

    __slots__ = ("reader", "writer")

    def __init__(self, writer: Schema, reader: Schema | None) -> None:
        self.writer = writer
        self.reader = reader


class AvroReader:
    """Reads one message; schemas come from *writers* by id, our own by fingerprint.

    Passages of batches that were written with our schema are read once where *repeats* are
    remembered.
    """

    def __init__(
        self, message: str, writers: Writers | None = None, repeats: Repeats | None = None
    ) -> None:
        self._own = latest(message)
        self._repeats = repeats
        self._thirds = None if repeats is None else cut_in_three(self._own.schema)
        self._writers = writers
        self._by_id: dict[int, _Writer | str] = {}
        """By id: a schema, or why it is refused."""
        self._by_fingerprint = {v.fingerprint: self._compiled(v) for v in versions(message)}
        if message == "event-batch":  # an enriched batch can be fed back in
            enriched = versions("enriched-batch")
            self._by_fingerprint |= {v.fingerprint: self._compiled(v) for v in enriched}

    def open_object(self, value: bytes | None, max_bytes: int) -> Fields:
        """Return the top-level fields of *value* as JSON, or raise Fault."""
        if value is None:
            raise Fault("the value is null (a tombstone)", "malformed")
        if len(value) > max_bytes:
            raise Fault("the value is larger than limits.max_record_bytes", "oversize")
        writer, at = self._writer_of(value)
        if self._thirds is not None and self._repeats is not None and writer.reader is None:
            return _read_in_thirds(value, at, self._thirds, self._repeats, max_bytes)
        return _fields(_record(value, at, writer), max_bytes)

    def to_json(self, value: bytes) -> bytes:
        """Return the JSON form of *value*, an output of ours, or raise Fault.

        A null field is left out, unless the message always has it.
        """
        fields = _fields(self.record(value), None)
        nulls = {name: Raw(b"null") for name in required_nulls(self._own.schema)}
        return _encode({**nulls, **fields})

    def record(self, value: bytes) -> dict[str, Any]:
        """Return the record in *value* as Avro has it, resolved into our schema, or raise Fault."""
        writer, at = self._writer_of(value)
        return _record(value, at, writer)

    def _writer_of(self, value: bytes) -> tuple[_Writer, int]:
        """Return the schema that *value* was written with, and the position of its data."""
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
    """Writes one message; names its schema by the *registered* id, without one by fingerprint.

    The fields ``REPEATED`` are encoded once for the same JSON where *repeats* are remembered.
    """

    def __init__(
        self, message: str, registered: int | None = None, repeats: Repeats | None = None
    ) -> None:
        own = latest(message)
        self._repeats = repeats or Repeats(0)
        self._parts = cut(own.schema, () if repeats is None else REPEATED)
        self._apart = {name: schema for name, schema in self._parts if name}
        self._nulls = {name: _written(schema, {name: None}) for name, schema in self._apart.items()}
        self._decoders: Mapping[str, Any] = decoders(own.schema)
        self._header = (
            _SINGLE_OBJECT + own.fingerprint
            if registered is None
            else _CONFLUENT + registered.to_bytes(4)
        )

    def write(self, value: bytes) -> bytes:
        """Return the Avro form of *value*, a JSON object."""
        record: dict[str, Any] = {}
        apart = dict(self._nulls)
        other: dict[str, bytes] = {}
        for name, raw in _decode_fields(value).items():
            decode = self._decoders.get(name)
            if decode is None:
                other[name] = bytes(raw)
                continue
            try:
                if name in apart:
                    apart[name] = self._encoded(name, bytes(raw), decode)
                else:
                    record[name] = decode(raw)
            except msgspec.ValidationError:
                other[name] = bytes(raw)
        record[OTHER_FIELDS] = other
        stream = BytesIO()
        stream.write(self._header)
        for name, schema in self._parts:
            if name:
                stream.write(apart[name])
            else:
                schemaless_writer(stream, schema, record)
        return stream.getvalue()

    def _encoded(self, name: str, data: bytes, decode: Callable[[bytes], Any]) -> bytes:
        """Return the encoding of a field apart; ValidationError where it cannot hold *data*."""
        found = self._repeats.encoding((name, data))
        if found is None:
            found = _written(self._apart[name], {name: decode(data)})
            self._repeats.keep_encoding((name, data), found)
        return found


def _written(schema: Schema, record: dict[str, Any]) -> bytes:
    stream = BytesIO()
    schemaless_writer(stream, schema, record)
    return stream.getvalue()


def _record(value: bytes, at: int, writer: _Writer) -> dict[str, Any]:
    """Return what *value* holds from there on; Fault where that is not one record of *writer*."""
    stream = _stream(value, at)
    record = _read(stream, writer.writer, writer.reader)
    _check_end(stream, value)
    return record


def _read_in_thirds(
    value: bytes,
    at: int,
    thirds: tuple[Schema, Schema, Schema],
    repeats: Repeats,
    max_bytes: int,
) -> Fields:
    """Return the fields of a record that *value* holds from there on, as ``_fields`` does.

    Its passage of repeated fields is read only where it is not known.
    """
    before, of, behind = thirds
    stream = _stream(value, at)
    first = _read(stream, before)
    begin = stream.tell()
    passage = repeats.passage(value, begin)
    if passage is not None:
        stream.seek(begin + len(passage.data))
    said = _read(stream, of) if passage is None else {}
    end = stream.tell()
    last = _read(stream, behind)
    _check_end(stream, value)
    fields: Fields = {}
    length = _add(fields, first, 0, max_bytes)
    if passage is None:
        its: Fields = {}
        passage = Passage(value[begin:end], its, _add(its, said, length, max_bytes) - length)
        repeats.keep_passage(value, begin, passage)
    length += passage.length
    _check_length(length, max_bytes)
    fields.update(passage.fields)
    other: dict[str, bytes] = last.pop(OTHER_FIELDS)
    _add(fields, last, length, max_bytes)
    return _with_other(fields, other)


def _stream(value: bytes, at: int) -> BytesIO:
    # fastavro does not notice that a skipped field ends behind the value. So one byte is added:
    # a reader that has consumed it wanted more than there was.
    stream = BytesIO(value + b"\0")
    stream.seek(at)
    return stream


def _read(stream: BytesIO, writer: Schema, reader: Schema | None = None) -> dict[str, Any]:
    try:
        record = schemaless_reader(stream, writer, reader)
    except Exception:  # noqa: BLE001 - the library raises many errors for such bytes
        raise Fault("the value does not fit its Avro schema", "undecodable") from None
    assert isinstance(record, dict)  # every schema that is accepted is a record
    return record


def _check_end(stream: BytesIO, value: bytes) -> None:
    if stream.tell() > len(value):
        raise Fault("the value ends within its Avro record", "undecodable")
    if stream.tell() < len(value):
        raise Fault("bytes are left over behind the Avro record", "undecodable")


def _fields(record: dict[str, Any], max_bytes: int | None) -> Fields:
    """Return the fields of *record* as JSON; Fault where they have more than *max_bytes*.

    JSON may be many times as long as the Avro it was made of.
    """
    fields: Fields = {}
    other: dict[str, bytes] = record.pop(OTHER_FIELDS)
    _add(fields, record, 0, max_bytes)
    return _with_other(fields, other)


def _add(fields: Fields, record: dict[str, Any], length: int, max_bytes: int | None) -> int:
    """Add those of *record* that are not null; return the *length* that all have with them."""
    for name, value in record.items():
        if value is None:
            continue
        if type(value) is bytes:
            length += len(value)
            fields[name] = _embedded(value, name)
            continue
        data = _encode(value)
        length += len(data)
        _check_length(length, max_bytes)
        if b"null" in data and not _is_finite(value):  # NaN, say, has no JSON form but null
            raise Fault(f"{name}: holds a number that is not finite", "undecodable")
        fields[name] = Raw(data)
    return length


def _check_length(length: int, max_bytes: int | None) -> None:
    if max_bytes is not None and length > max_bytes:
        raise Fault("the value is larger than limits.max_record_bytes as JSON", "oversize")


def _with_other(fields: Fields, other: dict[str, bytes]) -> Fields:
    for name, data in other.items():
        if name not in fields:
            fields[name] = _embedded(data, OTHER_FIELDS)
    return fields


def _embedded(data: bytes, field: str) -> Raw:
    """Return JSON that is embedded in a record; Fault unless it is one valid value."""
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
    """The schema registry cannot be asked now. The loop waits and rewinds."""

"""Rows of JSON lines: a batch each, or an object with the names that columns have."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from processor.codecs.envelope import Fields
from processor.imports.columns import Vocabulary
from processor.imports.judge import WHOLE_ROW, Judge
from processor.imports.table import Stamp
from processor.imports.verdict import FileRefused, Taken, Unfit

_decode: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_encode: Final = msgspec.json.Encoder().encode
_EMPTY: Final = (b"[]", b"null", b"{}")
_NESTED: Final = frozenset(
    {
        "user_identities",
        "user_attributes",
        "device_info",
        "consent_state",
        "partner_identities",
        "deleted_user_attributes",
    }
)


class Objects:
    """Makes batches of lines of JSON."""

    def __init__(self, vocabulary: Vocabulary, judge: Judge, stamp: Stamp) -> None:
        self._vocabulary = vocabulary
        self._judge = judge
        self._stamp = stamp

    def read(self, line: bytes, row: int) -> Taken:
        """Return what goes in for *line*; Unfit where the row breaks a rule."""
        fields = self._fields(line)
        events = fields.pop("events", None)
        if events is not None and bytes(events) not in _EMPTY:
            raise Unfit("events", "events are not imported")
        batch: dict[str, Any] = dict(fields)
        if bytes(fields.get("environment", b"null")) == b"null":
            batch["environment"] = self._stamp.environment
        batch["source_request_id"] = self._stamp.request_id(row)
        value = _encode(batch)
        read = self._judge.check(value)
        identifiers = self._judge.usable(read.identifiers, read.mpid)
        key = self._judge.key(identifiers, read.mpid)
        return Taken(row, value, key, identifiers, read.environment)

    def _fields(self, line: bytes) -> Fields:
        """Return the fields of the batch that *line* is, dotted names put where they belong."""
        try:
            line.decode()
            fields = _decode(line)
        except msgspec.ValidationError:
            raise Unfit(WHOLE_ROW, "is no JSON object") from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise Unfit(WHOLE_ROW, "is no valid JSON") from None
        if not any("." in name for name in fields):
            return fields
        batch: dict[str, Any] = {}
        for place, (name, raw) in enumerate(fields.items(), 1):
            if "." in name:
                self._place(batch, name, raw, place)
            elif name in _NESTED and bytes(raw)[:1] == b"{":
                batch.setdefault(name, {}).update(_decode(raw))
            else:
                batch[name] = raw
        return {name: _raw(value) for name, value in batch.items()}

    def _place(self, batch: dict[str, Any], name: str, raw: Raw, place: int) -> None:
        """Put the value of a dotted *name*, the one at *place*, where its column is for."""
        if name.startswith("events."):
            raise Unfit("events", "events are not imported")
        head, _, rest = name.partition(".")
        if head == "user_attributes":  # JSON has types: a colon is part of a name here
            path: tuple[str, ...] = (head, rest)
        else:
            try:
                path = self._vocabulary.column(name).path
            except FileRefused:
                field = head if head in _NESTED else WHOLE_ROW
                raise Unfit(field, f"the name of field {place} is no name of a column") from None
        holder = batch
        for key in path[:-1]:
            holder = holder.setdefault(key, {})
            if not isinstance(holder, dict):
                raise Unfit(head, "is given in two ways that do not go together")
        if path[-1] in holder:
            raise Unfit(head, "is given twice")
        holder[path[-1]] = raw


def _raw(value: Raw | dict[str, Any]) -> Raw:
    return value if isinstance(value, Raw) else Raw(_encode(value))

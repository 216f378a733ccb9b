"""Rows of a table: what its columns make of a row's cells."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

import msgspec

from processor.codecs.fields import MAX_TEXT
from processor.identity.model import Identifier
from processor.imports.cells import NULL, READERS, text
from processor.imports.columns import Column
from processor.imports.judge import WHOLE_ROW, Judge
from processor.imports.verdict import Taken, Unfit

_encode: Final = msgspec.json.Encoder().encode
_SECTIONS: Final = ("user_identities", "user_attributes")
_NO_NULL: Final = frozenset({"environment", "mpid", "deleted_user_attributes", "consent_state"})
"""Fields in which null says no more than an empty cell."""


class Stamp:
    """What each batch of an import is stamped with."""

    def __init__(self, import_id: str, environment: str) -> None:
        self._prefix = f"import:{import_id}:"
        self.environment = environment

    def request_id(self, row: int) -> str:
        """Return the id by which a row that is sent again is known."""
        return self._prefix + str(row)


class _Plain:
    """The columns of text for one object in a batch: most columns are such."""

    def __init__(self, section: str, columns: Sequence[tuple[int, Column]]) -> None:
        self.section = section
        self.columns = columns
        self.keys = [column.path[1] for _, column in columns]
        places = [at for at, _ in columns]
        self.pick: Callable[[Sequence[str]], Sequence[str]] = itemgetter(*places)
        if len(places) == 1:
            self.pick = itemgetter(slice(places[0], places[0] + 1))

    def check(self, cells: Sequence[str]) -> None:
        """Raise Unfit where a cell is too long."""
        for at, column in self.columns:
            text(cells[at], column.name)


def _is_plain(column: Column, section: str) -> bool:
    return column.path[0] == section and column.kind == "text"


class Table:
    """Makes batches of rows whose columns are known."""

    def __init__(self, columns: Sequence[Column | None], judge: Judge, stamp: Stamp) -> None:
        self._width = len(columns)
        placed = [(at, column) for at, column in enumerate(columns) if column is not None]
        self._plain = [
            _Plain(section, found)
            for section in _SECTIONS
            if (found := [(at, c) for at, c in placed if _is_plain(c, section)])
        ]
        done = {column.name for plain in self._plain for _, column in plain.columns}
        self._other = [(at, column) for at, column in placed if column.name not in done]
        self._identities = [(at, c.identity_type) for at, c in placed if c.identity_type]
        self._judge = judge
        self._stamp = stamp

    def read(self, cells: Sequence[str], row: int) -> Taken:
        """Return what goes in for *cells*; Unfit where the row breaks a rule."""
        if len(cells) != self._width:
            raise Unfit(WHOLE_ROW, f"has {len(cells)} cells, and the header {self._width}")
        batch: dict[str, Any] = {"environment": self._stamp.environment}
        is_long = max(map(len, cells)) > MAX_TEXT
        has_gaps = "" in cells or NULL in cells
        for plain in self._plain:
            if is_long:
                plain.check(cells)
            values: dict[str, Any] = dict(zip(plain.keys, plain.pick(cells), strict=True))
            if has_gaps:
                values = {k: None if cell == NULL else cell for k, cell in values.items() if cell}
            if values:
                batch[plain.section] = values
        for at, column in self._other:
            if cells[at]:
                _put(batch, column, cells[at])
        return self._taken(cells, row, batch)

    def _taken(self, cells: Sequence[str], row: int, batch: dict[str, Any]) -> Taken:
        named = [
            Identifier(identity_type, cells[at])
            for at, identity_type in self._identities
            if cells[at] and cells[at] != NULL
        ]
        mpid = batch.get("mpid")
        identifiers = self._judge.usable(named, mpid)
        batch["source_request_id"] = self._stamp.request_id(row)
        try:
            value = _encode(batch)
        except UnicodeEncodeError:
            raise Unfit(WHOLE_ROW, "is not valid UTF-8") from None
        self._judge.check_size(value)
        if self._judge.is_strict:
            self._judge.check(value)
        key = self._judge.key(identifiers, mpid)
        return Taken(row, value, key, identifiers, batch["environment"])


def _put(batch: dict[str, Any], column: Column, cell: str) -> None:
    """Put what *cell* says where its column is for."""
    if cell == NULL:
        if column.path[0] in _NO_NULL:
            return
        value = None
    else:
        value = READERS[column.kind](cell, column.name)
    holder = batch
    for key in column.path[:-1]:
        holder = holder.setdefault(key, {})
    holder[column.path[-1]] = value

"""Readers: a file's rows one after the other, each taken or rejected."""

import csv
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from msgspec import Struct

from processor.imports.columns import Vocabulary, columns_of
from processor.imports.judge import WHOLE_ROW, Judge
from processor.imports.manifest import Manifest, names_under
from processor.imports.objects import Objects
from processor.imports.table import Stamp, Table
from processor.imports.tape import Tape
from processor.imports.verdict import FileRefused, Rejected, Row, Unfit
from processor.rules import InputRules, Limits

MAX_CELL: Final = 16 * 1024 * 1024
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Reader(Protocol):
    """Reads the rows of a file."""

    def rows(self, after: int) -> Iterator[Row]:
        """Yield the rows that the tape has from here on, the first one is *after* + 1."""
        ...


class Plan(Struct, frozen=True):
    """What a file is read by."""

    rules: InputRules
    limits: Limits
    stamp: Stamp
    manifest: Manifest | None = None

    def judge(self) -> Judge:
        """Return what judges the rows."""
        return Judge(self.rules, self.limits)


class CsvReader:
    """Reads CSV: RFC 4180, its first row names the columns unless a manifest does."""

    def __init__(self, plan: Plan, tape: Tape) -> None:
        """Read the header; FileRefused where the file cannot be imported under its columns."""
        csv.field_size_limit(MAX_CELL)
        self._tape = tape
        self._rows = csv.reader(map(_decoded, tape), strict=True)
        header = self._header(plan.manifest)
        names = names_under(plan.manifest, header) if plan.manifest else _checked(header or [])
        columns = columns_of(names, Vocabulary(plan.rules))
        self._table = Table(columns, plan.judge(), plan.stamp)

    def rows(self, after: int) -> Iterator[Row]:
        """Yield row by row."""
        row, tape = after, self._tape
        behind = tape.lines
        while True:
            try:
                for cells in self._rows:
                    if cells:  # an empty line is no row
                        row += 1
                        yield self._read(cells, row)
                    behind = tape.lines
            except csv.Error as error:
                row += 1
                yield Rejected(row, tape.lines, WHOLE_ROW, _told(error, tape.lines - behind))
                behind = tape.lines
            else:
                return

    def _read(self, cells: Sequence[str], row: int) -> Row:
        try:
            return self._table.read(cells, row)
        except Unfit as unfit:
            return Rejected(row, self._tape.lines, unfit.field, unfit.rule)

    def _header(self, manifest: Manifest | None) -> list[str] | None:
        """Return the first row; None where a manifest says that it is no header."""
        if manifest is not None and not manifest.has_header_row:
            return None
        try:
            header = next(self._rows, None)
        except csv.Error as error:
            raise FileRefused(f"the header {_told(error, self._tape.lines)}") from None
        if not header:
            raise FileRefused("the file is empty: its first row names the columns")
        return header


class JsonReader:
    """Reads lines of JSON."""

    def __init__(self, plan: Plan, tape: Tape) -> None:
        self._tape = tape
        vocabulary = Vocabulary(plan.rules)
        self._objects = Objects(vocabulary, plan.judge(), plan.stamp)

    def rows(self, after: int) -> Iterator[Row]:
        """Yield line by line; empty lines are none."""
        row, tape = after, self._tape
        for line in tape:
            if not line.strip():
                continue
            row += 1
            try:
                yield self._objects.read(line, row)
            except Unfit as unfit:
                yield Rejected(row, tape.lines, unfit.field, unfit.rule)


def _decoded(line: bytes) -> str:
    """Return *line* as text; what is no UTF-8 is noticed where the row is put together."""
    return line.decode("utf-8", "surrogateescape")


def _told(error: csv.Error, lines: int) -> str:
    """Return what is wrong in our words where the library's do not help.

    *lines* belong to the row: where a quote is not closed those of other rows do as well.
    """
    if "new-line character" in str(error):
        return "is no CSV: lines end in carriage returns alone, without line feeds"
    others = f", and {lines:,} lines are lost: a quote is not closed" if lines > 1 else ""
    return f"is no CSV: {error}{others}"


def _checked(names: Sequence[str]) -> Sequence[str]:
    """Return *names*; FileRefused where one is missing, or the separator is another."""
    for separator, word in _SEPARATORS.items():
        if len(names) == 1 and separator in names[0]:
            raise FileRefused(f"the columns are separated by {word}: only commas are read")
    for place, name in enumerate(names, 1):
        if not name:
            raise FileRefused(f"column {place} has no name: name it, or ignore it by a manifest")
    return names

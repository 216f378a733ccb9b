"""Cells: from the text of a cell to the value that its column is for."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

from processor.codecs.fields import MAX_ENTRIES, MAX_ENTRY_TEXT, MAX_TEXT
from processor.imports.verdict import Unfit

Kind = Literal["text", "number", "boolean", "list", "names", "mpid", "environment", "time"]

NULL: Final = "\\N"
"""The cell that says null; an empty one says nothing."""
TYPES: Final[tuple[Kind, ...]] = ("number", "boolean", "list", "text")
"""What may stand behind the colon of an attribute's column."""

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}
_decode_list = msgspec.json.Decoder(list[int | float | str | bool | None]).decode


def text(cell: str, column: str) -> str:
    """Return *cell* as it is."""
    if len(cell) > MAX_TEXT:
        raise Unfit(column, f"has more than {MAX_TEXT} characters")
    return cell


def _number(cell: str, column: str) -> Raw:
    """Return the number digit by digit as it is written."""
    found = cell.strip()
    if not _NUMBER.fullmatch(found) or len(found) > MAX_ENTRY_TEXT:
        raise Unfit(column, "is no number")
    if not math.isfinite(float(found)):
        raise Unfit(column, "is no number of 64 bits")
    return Raw(found.encode())


def _boolean(cell: str, column: str) -> bool:
    found = _BOOLEANS.get(cell.strip().lower())
    if found is None:
        raise Unfit(column, "is neither true nor false")
    return found


def _list(cell: str, column: str) -> list[Any]:
    """Return the entries: those of a JSON list, else what stands between semicolons."""
    entries: list[Any]
    try:
        entries = _decode_list(cell) if cell.lstrip().startswith("[") else cell.split(";")
    except (msgspec.DecodeError, UnicodeEncodeError):
        entries = cell.split(";")
    if len(entries) > MAX_ENTRIES:
        raise Unfit(column, f"has more than {MAX_ENTRIES} entries")
    if any(isinstance(one, str) and len(one) > MAX_ENTRY_TEXT for one in entries):
        raise Unfit(column, f"has an entry of more than {MAX_ENTRY_TEXT} characters")
    return entries


def _names(cell: str, _: str) -> list[str]:
    return [name for name in (part.strip() for part in cell.split(";")) if name]


def _mpid(cell: str, column: str) -> int:
    found = cell.strip()
    mpid = int(found) if _WHOLE.fullmatch(found) else 0
    if not mpid or not -(2**63) <= mpid < 2**63:
        raise Unfit(column, "is no signed integer of 64 bits other than 0")
    return mpid


def _environment(cell: str, column: str) -> str:
    if cell not in ("production", "development"):
        raise Unfit(column, "is neither production nor development")
    return cell


def _time(cell: str, column: str) -> int:
    found = cell.strip()
    time_ms = int(found) if _WHOLE.fullmatch(found) else 2**63
    if not -(2**63) <= time_ms < 2**63:
        raise Unfit(column, "is no time in milliseconds since 1970")
    return time_ms


READERS: Final[Mapping[Kind, Callable[[str, str], Any]]] = {
    "text": text,
    "number": _number,
    "boolean": _boolean,
    "list": _list,
    "names": _names,
    "mpid": _mpid,
    "environment": _environment,
    "time": _time,
}
"""What reads a cell that is neither empty nor null, by the kind of its column."""

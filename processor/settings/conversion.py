"""From the tables of a document to typed values, or to a SettingsError that names the key."""

import re
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec

from processor.codecs.mismatch import Expected, Mismatch, mismatch_of
from processor.settings.error import SettingsError, hint
from processor.settings.reflection import choices_of, keys_of, type_of
from processor.settings.secret import Secret
from processor.settings.toml import Document

T = TypeVar("T")

_TYPES: Final = {
    "int": "an integer",
    "str": "a string",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
"""Types in words of the file's format, by the library's names."""


def convert(table: object, kind: type[T], path: str) -> T:
    """Return *table* as a *kind*; a SettingsError names the key below *path*."""
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: expected a table; write [{path}]")
    try:
        found: T = convert_value(table, kind)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(mismatch_of(error), path, table, kind)) from None
    return found


def convert_value(value: object, kind: Any) -> Any:  # noqa: ANN401 - any type of any setting
    """Return *value*, as parsed, as a *kind*; raises msgspec.ValidationError."""
    return msgspec.convert(value, kind, dec_hook=_secret)


def fits(value: object, kind: object) -> bool:
    """Return whether *value*, as parsed, can be a *kind*."""
    try:
        convert_value(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError("Expected `str`")


def _explain(found: Mismatch, path: str, table: Document, kind: type) -> str:
    below, its = _place(found.path.removeprefix("."), table, kind)
    if found.unknown is not None:
        return (
            f"{_join(path, below, found.unknown)}: unknown key; remove it or correct"
            f" its spelling{hint(found.unknown, keys_of(its))}"
        )
    choices = choices_of(its)
    use = f"; use one of {', '.join(choices)}" if choices else ""
    return f"{_join(path, below)}: {_problem(found)}{use}"


def _place(path: str, table: Document, kind: object) -> tuple[str, object]:
    """Return the *path* of a key in *table*, a *kind*, and that key's type.

    The library hides the keys of free tables, so the entry whose value does not fit is looked for.
    """
    name, hidden, rest = path.partition("[...]")
    names = re.sub(r"\[\d+\]", "", name).split(".")
    value: Any = table
    for step in filter(None, names):
        kind, value = type_of(kind, step), value[step]
    if not hidden or get_origin(kind) is not dict:
        return path.replace("[...]", ""), kind
    inner = get_args(kind)[1]
    key = next(key for key, one in value.items() if not fits(one, inner))
    below, found = _place(rest.removeprefix("."), value[key], inner)
    return _join(name, key, below), found


def _problem(found: Mismatch) -> str:
    """Return what is wrong with a value, in words of the file's format."""
    if found.expected is not None:
        return _wanted(found.expected)
    return found.text[:1].lower() + found.text[1:].replace("`", "")


def _wanted(expected: Expected) -> str:
    types = " or ".join(_TYPES[t] for t in expected.types.split(" | ") if t in _TYPES)
    bound = {"<=": "less", ">=": "more"}.get(expected.bound or "")
    return f"must be {types}" + (f" of {expected.limit} or {bound}" if bound else "")


def _join(*parts: str) -> str:
    return ".".join(p for p in parts if p).replace(".[", "[")

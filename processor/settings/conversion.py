"""From the tables of a document to typed values, or to a SettingsError that names the key."""

import re
from copy import deepcopy
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec

from processor.codecs.mismatch import Expected, Mismatch, mismatch_of
from processor.settings.elsewhere import meant_elsewhere
from processor.settings.error import Mistakes, SettingsError, hint
from processor.settings.reflection import choices_of, keys_of, type_of
from processor.settings.secret import Secret
from processor.settings.toml import Document

T = TypeVar("T")

_BOUNDS: Final = {
    "<=": "{} or less",
    ">=": "{} or more",
    "<": "less than {}",
    ">": "more than {}",
}
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
    """Return *table* as a *kind*; a SettingsError names every key below *path* that is wrong."""
    mistakes = Mistakes()
    found = kept(table, kind, path, mistakes)
    mistakes.check()
    assert found is not None, "nothing is left, and nothing was wrong"
    return found


def kept(table: object, kind: type[T], path: str, mistakes: Mistakes) -> T | None:
    """Return what of *table* fits a *kind*, and note every key below *path* that does not.

    None where nothing can be kept: it is no table, or what it must have is not there.
    """
    if not isinstance(table, dict):
        mistakes.add(SettingsError(f"{path}: expected a table; write [{path}]"))
        return None
    left = deepcopy(table)
    while True:
        try:
            found: T = convert_value(left, kind)
        except msgspec.ValidationError as error:
            mismatch = mismatch_of(error)
            if not _was_there(mismatch, left, table, kind):
                mistakes.add(SettingsError(_explain(mismatch, path, left, kind)))
            # The library tells of one mistake: without it, it tells of the next.
            if not _removed(mismatch, left, kind):
                return None
            continue
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
    steps, its = _place(found.path.removeprefix("."), table, kind)
    if (unquoted := _unquoted(found, steps, table, kind)) is not None:
        key, name = unquoted
        return f'{_join(path, *key)}: TOML reads a name with dots as tables; quote it: "{name}"'
    if found.unknown is not None:
        where = _join(path, *steps)
        remedy = meant_elsewhere(where, found.unknown) or (
            f"remove it or correct its spelling{hint(found.unknown, keys_of(its))}"
        )
        return f"{_join(where, found.unknown)}: unknown key; {remedy}"
    choices = choices_of(its)
    value = _value(table, steps)
    meant = hint(value, choices) if isinstance(value, str) else ""
    use = f"; use one of {', '.join(choices)}{meant}" if choices else ""
    return f"{_join(path, *steps)}: {_problem(found, value)}{use}"


def _place(path: str, table: Document, kind: object) -> tuple[tuple[str, ...], object]:
    """Return the steps of *path* to a key in *table*, a *kind*, and that key's type.

    The library hides the keys of free tables, so the entry whose value does not fit is looked for.
    """
    name, hidden, rest = path.partition("[...]")
    steps = tuple(filter(None, name.split(".")))
    value: Any = table
    for step in steps:
        key = _key(step, value)
        kind, value = type_of(kind, key), value[key]
    if not hidden or get_origin(kind) is not dict:
        return (*steps, *filter(None, rest.split("."))), kind
    inner = get_args(kind)[1]
    key = next(key for key, one in value.items() if not fits(one, inner))
    item, _, rest = rest.partition(".")
    if item:  # the number of an item of a list, which has no keys
        return (*steps, key + item), inner
    below, found = _place(rest, value[key], inner)
    return (*steps, key, *below), found


def _unquoted(
    found: Mismatch, steps: tuple[str, ...], table: Document, kind: object
) -> tuple[tuple[str, ...], str] | None:
    """Return path and name of a key with dots that lacks its quotes, None for other mistakes."""
    if not steps or found.missing is not None or not _is_free(steps[:-1], kind):
        return None
    name, value = steps[-1], _value(table, steps)
    if found.unknown is not None:
        # A table of tables: the next part of the name looks like a key of this one.
        name, value = f"{name}.{found.unknown}", value[found.unknown]
        return ((*steps[:-1], name), name) if isinstance(value, dict) else None
    while isinstance(value, dict) and len(value) == 1:
        (key, value), *_ = value.items()
        name = f"{name}.{key}"
    is_meant = name != steps[-1] and not isinstance(value, dict)
    return ((*steps[:-1], name), name) if is_meant else None


def _is_free(steps: tuple[str, ...], kind: object) -> bool:
    for step in steps:
        kind = type_of(kind, step)
    return get_origin(kind) is dict


def _removed(found: Mismatch, table: Document, kind: type) -> bool:
    """Remove what does not fit from *table*, or the table in it that lacks something.

    Return False where it is *table* itself that does.
    """
    steps, _ = _place(found.path.removeprefix("."), table, kind)
    if not (steps or found.unknown):
        return False
    *above, last = (*steps, found.unknown) if found.unknown is not None else steps
    inner = _value(table, tuple(above))
    del inner[_key(last, inner)]
    return True


def _was_there(found: Mismatch, left: Document, table: Document, kind: type) -> bool:
    """Return whether the key that *left* lacks is in *table*: it was removed for a wrong value."""
    if found.missing is None:
        return False
    steps, _ = _place(found.path.removeprefix("."), left, kind)
    return found.missing in _value(table, steps)


def _value(table: Document, steps: tuple[str, ...]) -> Any:  # noqa: ANN401 - any value of a file
    value: Any = table
    for step in steps:
        value = value[_key(step, value)]
    return value


def _key(step: str, table: Document) -> str:
    """Return the key of *table* that a step means; it may end with the number of an item."""
    return step if step in table else re.sub(r"(\[\d*\])+$", "", step)


def _problem(found: Mismatch, value: object) -> str:
    """Return what is wrong with *value*, in words of the file's format."""
    if found.missing is not None:
        return f"must have the key {found.missing}; add it"
    if found.expected is not None:
        return _wanted(found.expected) + _form(found.expected, value)
    text = found.text.replace("`", "").replace(" enum value", " value")
    return text[:1].lower() + text[1:]


def wanted(value: object, kind: Any) -> str:  # noqa: ANN401 - any type of any setting
    """Return what a value of *kind* must be, '' where *value* is no single value or fits."""
    choices = choices_of(kind)
    if choices:
        return f"use one of {', '.join(choices)}"
    try:
        convert_value(value, kind)
    except msgspec.ValidationError as error:
        expected = mismatch_of(error).expected
        return "" if expected is None else _wanted(expected)
    return ""


def _form(expected: Expected, value: object) -> str:
    """Return how the file has such a value, where *value* is of a form that is often meant so."""
    types = expected.types.split(" | ")
    if "array" in types:
        return ', such as ["a", "b"]'
    if isinstance(value, str) and not {"str", "object"} & set(types):
        return ", without quotes" if "bool" in types else ", without quotes and unit"
    return ""


def _wanted(expected: Expected) -> str:
    named = expected.types.split(" | ")
    if {"str", "float", "bool"} <= set(named):
        return "must be a string, a number, true or false"
    types = " or ".join(_TYPES[t] for t in named if t in _TYPES)
    bound = _BOUNDS.get(expected.bound or "")
    return f"must be {types}" + (f" of {bound.format(expected.limit)}" if bound else "")


def _join(*parts: str) -> str:
    return ".".join(p for p in parts if p).replace(".[", "[")

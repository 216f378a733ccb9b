"""What the types of the sections tell of their keys.

A *type* is a Struct, a dict with free keys, or a union of either with other types.
"""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct


def keys_of(kind: object) -> tuple[str, ...]:
    """Return the keys of a table of type *kind*, none where they are free."""
    if isinstance(kind, Mapping):
        return tuple(kind)
    struct = _struct_of(kind)
    return () if struct is None else struct.__struct_fields__


def type_of(kind: object, key: str) -> Any:  # noqa: ANN401 - any type of any setting
    """Return the type of *key* in a table of type *kind*, None where there is no such key.

    A mapping from keys to types is a table too: the sections of a file.
    """
    if isinstance(kind, Mapping):
        return kind.get(key)
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    struct = _struct_of(kind)
    if struct is None:
        return None
    return next((field.type for field in msgspec.structs.fields(struct) if field.name == key), None)


def is_list(kind: object) -> bool:
    """Return whether a value of type *kind* may be a list."""
    return any(get_origin(one) is tuple for one in _alternatives(kind))


def is_structured(kind: object) -> bool:
    """Return whether a value of type *kind* may be a list or a table."""
    is_table = any(get_origin(one) is dict for one in _alternatives(kind))
    return is_table or is_list(kind) or _struct_of(kind) is not None


def choices_of(kind: object) -> tuple[str, ...]:
    """Return the words that a value of type *kind* is one of, none where it is free."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return next((found for one in get_args(kind) if (found := choices_of(one))), ())


def _alternatives(kind: object) -> tuple[object, ...]:
    """Return the types that *kind* is the union of, or it alone."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _struct_of(kind: object) -> type[Struct] | None:
    return next(
        (one for one in _alternatives(kind) if isinstance(one, type) and issubclass(one, Struct)),
        None,
    )

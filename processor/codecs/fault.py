"""Faults: what is wrong with a record, as a path and a rule in our own words, never a value."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from processor.codecs.mismatch import Expected, mismatch_of
from processor.codecs.nearness import ordinal
from processor.records import DeadLetterReason

_NOTHING: Final[Mapping[str, Iterable[str]]] = MappingProxyType({})


class Fault(Exception):
    """A record breaks a rule; caught where the codec ends, never seen outside of it."""

    def __init__(self, detail: str, reason: DeadLetterReason = "invalid") -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason: DeadLetterReason = reason


_TYPES: Final = {
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "number": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
"""JSON's types in the words of every fault."""
_SHORT: Final = 24
"""How many allowed values a fault lists."""


def fault_of(
    error: msgspec.ValidationError, field: str, allowed: Mapping[str, Iterable[str]] = _NOTHING
) -> Fault:
    """Return the fault that *error* found while *field* was read.

    It holds the path, of our own field names, and names of JSON types. Keys of maps are hidden.
    *allowed* are the values of enumerations, by the name of their field.
    """
    found = mismatch_of(error)
    path = field + found.path
    if found.missing is not None:
        return is_missing(path, found.missing)
    expected = found.expected
    if expected is None:
        return not_allowed(path, allowed.get(_field_of(path), ()))
    if expected.types == "int" and expected.bound is not None:
        return Fault(f"{path}: must be an integer of 64 bits")
    return Fault(f"{path}: must be {types_in_words(expected)}")


def _field_of(path: str) -> str:
    """Return the name of the field at *path*, or of the one whose list it is in."""
    return path.rpartition(".")[2].partition("[")[0]


def types_in_words(expected: Expected) -> str:
    """Return the types that fit, and which one came instead."""
    names = expected.types.split(" | ")
    if "float" in names and "int" in names:
        names.remove("int")
    words = [_TYPES.get(name, name) for name in names]
    listed = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
    return (
        listed
        if expected.got is None
        else f"{listed}, not {_TYPES.get(expected.got, expected.got)}"
    )


def is_missing(path: str, field: str) -> Fault:
    """Return the fault of an object at *path* that lacks a required field."""
    return Fault(f"{path}.{field}: is required")


def near_miss(holder: str, place: int, meant: str) -> Fault:
    """Return the fault of a field of *holder* that is nearly one that is read; it tells its place.

    Not its name: that is its client's, and may be somebody's.
    """
    return Fault(f"{holder}: its {ordinal(place)} field is not read (did you mean {meant}?)")


def not_allowed(path: str, allowed: Iterable[str] = ()) -> Fault:
    """Return the fault of a value that is not in an enumeration, or wrong in another way."""
    values = tuple(allowed)
    if not values or len(values) > _SHORT:
        return Fault(f"{path}: is not one of the values allowed here")
    return Fault(f"{path}: is none of {', '.join(values)}")

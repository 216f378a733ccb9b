"""Faults: what is wrong with a record, as a path and a rule in our own words, never a value."""

import msgspec

from processor.codecs.mismatch import mismatch_of
from processor.records import DeadLetterReason


class Fault(Exception):
    """A record breaks a rule; caught where the codec ends, never seen outside of it."""

    def __init__(
        self, detail: str, reason: DeadLetterReason = "invalid", code: str = "BAD_REQUEST"
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason: DeadLetterReason = reason
        self.code = code
        """The error code if the record is an identity request."""


def fault_of(error: msgspec.ValidationError, field: str) -> Fault:
    """Return the fault that *error* found while *field* was read.

    It holds the path, of our own field names, and names of JSON types. Keys of maps are hidden.
    """
    found = mismatch_of(error)
    path = field + found.path
    if found.missing is not None:
        return is_missing(path, found.missing)
    expected = found.expected
    if expected is None:
        return not_allowed(path)
    if expected.types == "int" and expected.bound is not None:
        return Fault(f"{path}: must be int of 64 bits")
    instead = "" if expected.got is None else f", not {expected.got}"
    return Fault(f"{path}: must be {expected.types}{instead}")


def is_missing(path: str, field: str) -> Fault:
    """Return the fault of an object at *path* that lacks a required field."""
    return Fault(f"{path}.{field}: is required")


def not_allowed(path: str) -> Fault:
    """Return the fault of a value that is not in an enumeration, or wrong in another way."""
    return Fault(f"{path}: is not one of the values allowed here")

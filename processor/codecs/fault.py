"""What is wrong with a record: paths and rules in our own words, never a value of it."""

import re
from typing import Final

import msgspec

from processor.records import DeadLetterReason

_EXPECTED: Final = re.compile(r"Expected `([a-z0-9 |]+)`(?:, got `([a-z0-9]+)`)?", re.ASCII)
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`", re.ASCII)
_PATH: Final = re.compile(r" - at `\$([\w.\[\]]*)`$|$", re.ASCII)


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


def missing(message: str, path: str) -> Fault | None:
    """Return the fault of a required field that the library's *message* misses under *path*."""
    found = _MISSING.match(message)
    return Fault(f"{path}.{found.group(1)}: is required") if found else None


def not_allowed(path: str) -> Fault:
    """Return the fault of a value that is none of a list, or wrong in some other way."""
    return Fault(f"{path}: is not one of the values allowed here")


def fault_of(error: msgspec.ValidationError, field: str) -> Fault:
    """Return the fault that *error* found while *field* was read.

    Of the library's message only paths of our own field names and names of JSON types are taken;
    keys of maps are not in it, and what may hold a value is left out.
    """
    message = str(error)
    found = _PATH.search(message)
    path = field + ((found.group(1) or "") if found else "")
    if fault := missing(message, path):
        return fault
    if expected := _EXPECTED.match(message):
        what, got = expected.groups()
        if what == "int" and ("<=" in message or ">=" in message):
            return Fault(f"{path}: must be int of 64 bits")
        return Fault(f"{path}: must be {what}" + (f", not {got}" if got else ""))
    return not_allowed(path)

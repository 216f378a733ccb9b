"""A record's value as a JSON object: well-formed, within bounds, its fields as received."""

import re
from collections.abc import Callable
from itertools import accumulate
from typing import Final

import msgspec
from msgspec import Raw

from processor.codecs.fault import Fault
from processor.records import Ignored

MAX_DEPTH: Final = 128
"""Levels of nesting. No setting: a record is judged alike wherever it is decoded."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(b for b in range(256) if b not in b"{}[]")
_STEP: Final = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}

_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_any = msgspec.json.Decoder(Raw).decode

Fields = dict[str, Raw]
"""The top-level fields of a value, each as its JSON text."""


class Opened(Fields):
    """Fields that were made of a value in another shape, with what was left out of it."""

    __slots__ = ("ignored",)

    def __init__(self, fields: Fields, ignored: tuple[Ignored, ...]) -> None:
        super().__init__(fields)
        self.ignored = ignored


Opener = Callable[[bytes | None, int], Fields]
"""Returns the top-level fields of a value of at most so many bytes, or raises Fault."""


def open_object(value: bytes | None, max_bytes: int) -> Fields:
    """Return the top-level fields of *value*, the last one of each name, or raise Fault."""
    if value is None:
        raise Fault("the value is null (a tombstone)", "malformed")
    if not value:
        raise Fault("the value is empty", "malformed")
    if len(value) > max_bytes:
        raise Fault("the value is larger than limits.max_record_bytes", "oversize")
    if not value.isascii():
        _check_text(value)
    try:
        fields = _decode_fields(value)  # refuses lone surrogates and NaN at any depth
    except msgspec.ValidationError:
        raise Fault(_no_object(value), "malformed") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Fault("the value is not valid JSON, or nested too deeply", "malformed") from None
    _check_depth(value)
    return fields


def _no_object(value: bytes) -> str:
    if value.lstrip().startswith(b"["):
        return "the value is a list: send each of its entries as a record of its own"
    return "the value is JSON, but not an object"


def check_json(value: bytes) -> None:
    """Raise Fault unless *value* is one JSON value, within the bounds that a record has."""
    _check_text(value)
    try:
        _decode_any(value)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Fault("the value is not valid JSON, or nested too deeply", "malformed") from None
    _check_depth(value)


def _check_depth(value: bytes) -> None:
    # A fifth of the time of bytes.count.
    opening = 2 * len(value) - len(value.replace(b"[", b"")) - len(value.replace(b"{", b""))
    if opening > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise Fault(f"the value is nested more than {MAX_DEPTH} levels deep", "malformed")


def _check_text(value: bytes) -> None:
    if value.startswith(b"\xef\xbb\xbf"):
        raise Fault("the value begins with a byte order mark", "malformed")
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError:
            raise Fault("the value is not valid UTF-8", "malformed") from None


def _depth(value: bytes) -> int:
    """Return how deep *value*, valid JSON, is nested; brackets within strings do not count."""
    brackets = _STRING.sub(b"", value).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)

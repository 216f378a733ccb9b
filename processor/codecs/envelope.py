"""A record's value as a JSON object: well-formed, within bounds, its fields as received."""

import re
from itertools import accumulate
from typing import Final

import msgspec
from msgspec import Raw

from processor.codecs.fault import Fault

MAX_DEPTH: Final = 128
"""Levels of nesting; fixed, so that a record is judged alike wherever it is decoded."""

_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F])|.)",
    re.DOTALL,
)
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS: Final = bytes(b for b in range(256) if b not in b"{}[]")
_STEP: Final = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}

_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode

Fields = dict[str, Raw]


def open_object(value: bytes | None, max_bytes: int) -> Fields:
    """Return the top-level fields of *value*, the last one of each name, or raise Fault."""
    if value is None:
        raise Fault("the value is null (a tombstone)", "malformed")
    if not value:
        raise Fault("the value is empty", "malformed")
    if len(value) > max_bytes:
        raise Fault("the value is larger than limits.max_record_bytes", "oversize")
    _check_text(value)
    if value.count(b"[") + value.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise Fault(f"the value is nested more than {MAX_DEPTH} levels deep", "malformed")
    try:
        return _decode_fields(value)
    except msgspec.ValidationError:
        raise Fault("the value is JSON, but not an object", "malformed") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Fault("the value is not valid JSON", "malformed") from None


def _check_text(value: bytes) -> None:
    if value.startswith(b"\xef\xbb\xbf"):
        raise Fault("the value begins with a byte order mark", "malformed")
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError:
            raise Fault("the value is not valid UTF-8", "malformed") from None
    if b"\\" not in value or not _ESCAPED_SURROGATE.search(value):
        return
    if any(found.group(1) for found in _ESCAPE.finditer(value)):
        raise Fault("the value holds a lone surrogate", "malformed")


def _depth(value: bytes) -> int:
    """Return how deep *value* is nested, strings left out."""
    brackets = _STRING.sub(b"", value).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)

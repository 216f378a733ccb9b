"""Lines of ``idstream resolve``: a record each, its value exactly as written.

A value may be anything, as on a topic: not JSON at all, or JSON that is refused. So a line is cut
into its members before anything is decoded, and only the members around the value are.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, Literal

import msgspec
from msgspec import Struct

from processor.codecs.fault import fault_of
from processor.commands.terminal.failure import Failure
from processor.records import Record

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+|"', re.DOTALL)
_OPENING: Final = frozenset({b"{", b"["})
_CLOSING: Final = frozenset({b"}", b"]"})
_NOT_AN_OBJECT: Final = "not a JSON object"


class Line(Struct, frozen=True):
    """The members of a line beside the value; members of other names are ignored."""

    topic: Literal["batches", "requests", "privacy", "clock"]
    timestamp_ms: int
    input: str | None = None
    key: str | None = None
    headers: dict[str, str | int | float | bool | None] | None = None


_decoder = msgspec.json.Decoder(Line)
_decode_name = msgspec.json.Decoder(str).decode


def records(source: Iterable[bytes]) -> Iterator[Record]:
    """Yield the record of each line; its offset is the number of lines before it."""
    for offset, line in enumerate(source):
        if line.strip():
            yield _record(line, offset)


def _record(text: bytes, offset: int) -> Record:
    """Return the record that a line stands for, at its place in the input."""
    try:
        members = split_members(text)
        value = members.pop("value", None)
        around = b",".join(b'"%s":%s' % (name.encode(), raw) for name, raw in members.items())
        line = _decoder.decode(b"{%s}" % around)
    except (ValueError, RecursionError) as error:
        reason = _wrong(error) if isinstance(error, msgspec.ValidationError) else _NOT_AN_OBJECT
        raise Failure(f"line {offset + 1} of the input: {reason}") from None
    headers = {name: _text(given) for name, given in (line.headers or {}).items()}
    if line.input is not None:
        headers["input"] = line.input
    return Record(
        topic=line.topic,
        partition=0,
        offset=offset,
        timestamp_ms=line.timestamp_ms,
        key=None if line.key is None else line.key.encode(),
        value=value,
        headers=tuple((name, given.encode()) for name, given in headers.items()),
    )


def _wrong(error: msgspec.ValidationError) -> str:
    """Return which member is wrong and how, without its value."""
    wrong = fault_of(error, "").detail.removeprefix(".")
    return (
        "topic: write batches, requests, privacy or clock" if wrong.startswith("topic:") else wrong
    )


def split_members(text: bytes) -> dict[str, bytes]:
    """Return those members of an object that a line may have, as their bytes; else ValueError.

    Only strings and brackets are looked at. Whether the value is valid is for its decoder to say.
    """
    text = text.strip()
    if text[:1] != b"{" or text[-1:] != b"}":
        raise ValueError(_NOT_AN_OBJECT)
    members: dict[bytes, bytes] = {}
    for start, end in pairwise([0, *_commas(text), len(text) - 1]):
        name, _, value = text[start + 1 : end].partition(b":")
        members[name.strip()] = value.strip()
    known = {name: members.get(b'"%s"' % name.encode()) for name in _KNOWN}
    return {name: value for name, value in known.items() if value}


def _commas(text: bytes) -> Iterator[int]:
    """Yield where the members of an object end."""
    depth = 0
    for token in _TOKEN.finditer(text):
        word = token[0]
        depth += (word in _OPENING) - (word in _CLOSING)
        if depth == 1 and word == b",":
            yield token.start()
        if depth == 0 and token.end() != len(text):
            raise ValueError(_NOT_AN_OBJECT)


_KNOWN: Final = (*Line.__struct_fields__, "value")


def _text(given: str | float | bool | None) -> str:  # noqa: FBT001 - a JSON scalar
    if isinstance(given, str):
        return given
    return "" if given is None else msgspec.json.encode(given).decode()

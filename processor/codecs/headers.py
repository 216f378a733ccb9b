"""Headers of records: those that we write, and those that an input's records bring along.

``idstream replay`` puts a dead letter back with its first place and a count of attempts. Producers
can forge both, so they give no power: the place matters only for deduplication within the record's
own topic, and the count is only increased.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from processor.identity.grave import Grave
from processor.records import DeadLetter, Record

Header = tuple[str, bytes]
Headers = tuple[Header, ...]

REPLAY_OF: Final = "replay-of"
ATTEMPTS: Final = "attempts"
REPLAY_TIME: Final = "replay-time"
"""When a record that was put back was first received, in milliseconds since 1970."""
RESERVED: Final = frozenset(
    {
        "source-topic",
        "source-partition",
        "source-offset",
        "source-timestamp",
        "mpid",
        "resolution",
        "reason",
        "detail",
        ATTEMPTS,
        REPLAY_OF,
        REPLAY_TIME,
        "version",
    }
)
"""Names of headers that only we write: those of inputs are not copied."""
NOT_COPIED: Final = RESERVED | {"input", "content-type"}
MOST_HEADERS: Final = 32
MOST_HEADER_BYTES: Final = 8192
"""Bounds of the other headers of an input that are copied to its outputs."""

_PLACE: Final = re.compile(rb"([A-Za-z0-9._-]{1,249})/[0-9]{1,10}/[0-9]{1,19}")
_TIME: Final = re.compile(rb"[0-9]{1,18}")
_COUNT: Final = re.compile(rb"[0-9]{1,6}")


def output_headers(record: Record) -> Headers:
    """Return the headers of an output of *record*: copied ones, then those of its place."""
    if not record.headers:
        return place_headers(record.topic, record.partition, record.offset)
    copied: list[Header] = []
    room = MOST_HEADER_BYTES
    for name, value in record.headers:
        size = len(name) + len(value)
        if name in NOT_COPIED or size > room or len(copied) >= MOST_HEADERS:
            continue
        room -= size
        copied.append((name, value))
    return (*copied, *source_headers(record))


def source_headers(record: Record) -> Headers:
    """Return the headers that name *record* as the source of an output."""
    return place_headers(record.topic, record.partition, record.offset)


def place_headers(topic: str, partition: int, offset: int) -> Headers:
    """Return the headers that name the record at a place of an input topic."""
    return (*_partition_headers(topic, partition), ("source-offset", b"%d" % offset))


@lru_cache(maxsize=4096)
def _partition_headers(topic: str, partition: int) -> Headers:
    return ("source-topic", topic.encode()), ("source-partition", b"%d" % partition)


def mpid_header(mpid: int) -> Header:
    """Return the header that names a profile: its MPID as decimal text."""
    return "mpid", b"%d" % mpid


def tombstone_headers(grave: Grave) -> Headers:
    """Return the headers of a tombstone of ``profiles`` beside its place: a version, and why."""
    return ("version", b"%d" % grave.version), ("reason", grave.why.encode())


def dead_letter_headers(letter: DeadLetter, record: Record, attempts: int = 1) -> Headers:
    """Return the headers that a dead letter has beside those it came with."""
    return (
        ("reason", letter.reason.encode()),
        ("detail", letter.detail.encode("utf-8", "replace")),
        *source_headers(record),
        ("source-timestamp", b"%d" % first_received(record)),
        (ATTEMPTS, b"%d" % attempts),
    )


def first_place(record: Record) -> str:
    """Return where *record* was first consumed from, as ``topic/partition/offset``."""
    if record.headers:
        place = replayed_place(record)
        if place is not None:
            return place.decode()
    return f"{record.topic}/{record.partition}/{record.offset}"


def replayed_place(record: Record) -> bytes | None:
    """Return the first place of a record that was put back; None for any other record."""
    for name, value in record.headers:
        if name == REPLAY_OF:
            match = _PLACE.fullmatch(value)
            if match is not None and match[1] == record.topic.encode():
                return value
    return None


def first_received(record: Record) -> int:
    """Return when *record* was received, or first received, if it says that this was earlier."""
    if record.headers:
        for name, value in record.headers:
            if name == REPLAY_TIME and _TIME.fullmatch(value):
                return min(record.timestamp_ms, int(value))
    return record.timestamp_ms


def attempts(record: Record) -> int:
    """Return how often *record* has been a dead letter already."""
    if not record.headers or replayed_place(record) is None:
        return 0
    return count(dict(record.headers).get(ATTEMPTS, b""))


def replay_time(letter: Mapping[str, bytes]) -> Headers:
    """Return the header that says when a letter with these headers was first received, if known."""
    said = letter.get("source-timestamp", b"")
    return ((REPLAY_TIME, said),) if _TIME.fullmatch(said) else ()


def count(value: bytes) -> int:
    """Return the count that a header holds, 0 where it holds none."""
    return int(value) if _COUNT.fullmatch(value) else 0

"""Headers: those that we write, those that an input's records bring along.

What ``idstream replay`` put back names its first place and its attempts. Producers can forge these
headers, so they give no power: the place only matters for deduplication within the record's own
topic, and the attempts are only counted on.
"""

import re
from functools import lru_cache
from typing import Final

from processor.records import DeadLetter, Record

Headers = tuple[tuple[str, bytes], ...]

RESERVED = frozenset(
    {
        "source-topic",
        "source-partition",
        "source-offset",
        "source-timestamp",
        "mpid",
        "resolution",
        "reason",
        "detail",
        "attempts",
        "replay-of",
        "version",
    }
)
"""Header names that only we write: stripped from what comes in."""


NOT_COPIED = RESERVED | {"input", "content-type"}


MOST_HEADERS = 32


MOST_HEADER_BYTES = 8192
"""The bound within which an input's other headers go along to its outputs."""


def output_headers(record: Record) -> Headers:
    """Return the source headers and what is copied of the input's."""
    if not record.headers:
        return source_headers(record)
    copied: list[tuple[str, bytes]] = []
    room = MOST_HEADER_BYTES
    for name, value in record.headers:
        size = len(name) + len(value)
        if name in NOT_COPIED or size > room or len(copied) >= MOST_HEADERS:
            continue
        room -= size
        copied.append((name, value))
    return (*copied, *source_headers(record))


def source_headers(record: Record) -> Headers:
    """Return the headers that name the record an output comes from."""
    return place_headers(record.topic, record.partition, record.offset)


def place_headers(topic: str, partition: int, offset: int) -> Headers:
    """Return the headers that name a place in an input topic."""
    return (*_partition_headers(topic, partition), ("source-offset", b"%d" % offset))


@lru_cache(maxsize=4096)
def _partition_headers(topic: str, partition: int) -> Headers:
    return ("source-topic", topic.encode()), ("source-partition", b"%d" % partition)


def dead_letter_headers(letter: DeadLetter, record: Record, attempts: int = 1) -> Headers:
    """Return the headers that a dead letter has beside those it came with."""
    return (
        ("reason", letter.reason.encode()),
        ("detail", letter.detail.encode("utf-8", "replace")),
        *source_headers(record),
        ("source-timestamp", b"%d" % record.timestamp_ms),
        ("attempts", b"%d" % attempts),
    )


REPLAY_OF: Final = "replay-of"


ATTEMPTS: Final = "attempts"


_PLACE: Final = re.compile(rb"([A-Za-z0-9._-]{1,249})/[0-9]{1,10}/[0-9]{1,19}")


_COUNT: Final = re.compile(rb"[0-9]{1,6}")


def first_place(record: Record) -> str:
    """Return ``topic/partition/offset`` of *record* as it was first consumed."""
    if record.headers:
        said = replayed_place(record)
        if said is not None:
            return said.decode()
    return f"{record.topic}/{record.partition}/{record.offset}"


def replayed_place(record: Record) -> bytes | None:
    """Return the place that *record* says it was put back from; None where it was not."""
    for name, value in record.headers:
        if name == REPLAY_OF:
            match = _PLACE.fullmatch(value)
            if match is not None and match[1] == record.topic.encode():
                return value
    return None


def attempts(record: Record) -> int:
    """Return how often *record* has been a dead letter already."""
    if not record.headers or replayed_place(record) is None:
        return 0
    return count(dict(record.headers).get(ATTEMPTS, b""))


def count(value: bytes) -> int:
    """Return a header's count, 0 where it is none."""
    return int(value) if _COUNT.fullmatch(value) else 0

"""What the headers of a record that ``idstream replay`` put back say of its past.

Anybody who may write to an input can write these headers. So they say nothing that such a producer
could not bring about without them: the place counts only on the record's own topic and only against
other uses of one ``source_request_id``, which may as well be left out; the attempts are counted on.
"""

import re
from typing import Final

from processor.outcome import Record

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

"""What becomes of a profile's place in the wheel: when it is written, and when its entry is met.

Activity mostly postpones what is due, and what is only postponed moves nothing: the entry is met in
its bucket and goes on from there. A profile is entered anew only where its entry would come too
late, or has been lost.
"""

from typing import Final

from msgspec import Struct

from processor.clock.bucket import DAY_MS, Bucket, bucket_named, bucket_of

LOST_MS: Final = DAY_MS
"""A bucket that opened longer ago was emptied: who still stands in it was lost, or set aside."""


SHARDS: Final = 16
"""Sweeps divide a space by them."""


class Place(Struct, frozen=True, gc=False):
    """What a document says of its place in the wheel."""

    due_ms: int | None = None
    """The next instant at which time alone changes the profile."""
    bucket: str | None = None
    """Where it is entered, or was: its entry may have gone on into a finer bucket within."""


NOWHERE = Place()


def placed(before: Place, due_ms: int | None, now_ms: int) -> Place:
    """Return the place of a profile that is written at *now_ms* and is due at *due_ms* then."""
    if due_ms is None:
        return NOWHERE
    named = _named(before)
    if named is None or before.due_ms is None:
        return _entered(due_ms, now_ms)
    is_early = due_ms < before.due_ms and due_ms < named.end_ms
    is_lost = now_ms - named.opens_ms > LOST_MS
    return _entered(due_ms, now_ms) if is_early or is_lost else Place(due_ms, before.bucket)


def is_entered_anew(before: Place, after: Place) -> bool:
    """Whether a profile whose place was *before* is to be appended to the bucket of *after*."""
    if after.bucket is None:
        return False
    if before.bucket != after.bucket or before.due_ms is None or after.due_ms is None:
        return True
    named = _named(after)
    return after.due_ms < before.due_ms and (named is None or after.due_ms < named.end_ms)


def counts(place: Place, met_in: str) -> bool:
    """Whether an entry met in a bucket is that of a document that says *place*; else it is stale.

    It is if that bucket lies within the one that the document names.
    """
    named, met = _named(place), bucket_named(met_in)
    return named is not None and met is not None and met.is_within(named)


def gone_on(place: Place, as_of_ms: int) -> tuple[Place, str]:
    """Return where a profile goes on whose entry was met as of *as_of_ms* and that is due later.

    The second is the bucket that its entry goes to. Where that lies within the one that the
    document names, the document stays as it is.
    """
    assert place.due_ms is not None
    bucket, named = bucket_of(place.due_ms, as_of_ms), _named(place)
    if named is not None and bucket.is_within(named):
        return place, bucket.name
    return Place(place.due_ms, bucket.name), bucket.name


def shard_of(mpid: int) -> int:
    """Return the shard of a profile: a sixteenth of the space."""
    return mpid % SHARDS


def _entered(due_ms: int, now_ms: int) -> Place:
    return Place(due_ms, bucket_of(due_ms, now_ms).name)


def _named(place: Place) -> Bucket | None:
    return None if place.bucket is None else bucket_named(place.bucket)

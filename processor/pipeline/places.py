"""Places in the wheel: what documents of profiles say of theirs, and what is entered. Pure."""

from msgspec.structs import replace

from processor.clock.bucket import DAY_MS, bucket_of
from processor.clock.place import NOWHERE, Place, is_entered_anew, placed
from processor.clock.wheel import Entry, Moves
from processor.identity.grave import Grave
from processor.identity.profile import Profile
from processor.identity.view import Effects, ReadSet, View
from processor.pipeline.ageing import Ageing, stored_ms


def place_of(profile: Profile | None) -> Place:
    """Return what a document says of its place in the wheel."""
    return NOWHERE if profile is None else profile.place


def with_place(profile: Profile, place: Place) -> Profile:
    """Return *profile* at another place."""
    more = profile.more
    if (more.due_ms, more.bucket) == (place.due_ms, place.bucket):
        return profile
    return replace(profile, more=replace(more, due_ms=place.due_ms, bucket=place.bucket))


def place_edits(view: View, ageing: Ageing | None, *, is_computing: bool) -> None:
    """Give every profile that a record has changed its due and its place, as of its own clock.

    Where something is computed, its evaluation has said when it is due, the end of its lifetime
    included; who was not evaluated is looked at when they were due before, at the latest.
    """
    for edit in view.record.edits():
        if edit.after.merged_into is None:
            more = edit.after.more
            now_ms, dues = more.clock_ms, [more.due_ms] if is_computing else []
            if ageing is not None:
                now_ms = max(now_ms, stored_ms(edit.after))
                dues.append(ageing.end_ms(edit.after))
            due_ms = min((due for due in dues if due is not None), default=None)
            after = with_place(edit.after, placed(place_of(edit.before), due_ms, now_ms))
            if after is not edit.after:
                view.put(after)


def entered(effects: Effects, read: ReadSet, grave_days: int) -> Effects:
    """Return *effects* with the entries that follow from the documents of before and after.

    A grave is entered for when it is to be looked at again; that of somebody who was erased goes
    with its case.
    """
    entries = [
        Entry(grave_bucket(grave, grave_days, grave.time_ms), mpid)
        for mpid, grave in effects.graves.items()
        if grave.why != "erased"
    ]
    entries += [
        Entry(profile.more.bucket, mpid)
        for mpid, profile in effects.profiles.items()
        if profile.more.bucket is not None
        and is_entered_anew(place_of(read.profiles.get(mpid)), place_of(profile))
    ]
    if not entries:
        return effects
    return replace(effects, moves=Moves(entered=[*effects.moves.entered, *entries]))


def grave_bucket(grave: Grave, grave_days: int, now_ms: int) -> str:
    """Return the bucket of a grave that stands for some days."""
    return bucket_of(grave.time_ms + grave_days * DAY_MS, now_ms).name

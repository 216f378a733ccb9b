"""The end of a profile: a grave in its place, and in that of every pointer to it. Pure.

All that is told of it follows from the view (``View.record``), as index entries do.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from processor.identity.grave import Why
from processor.identity.model import Identifier
from processor.identity.profile import Profile, lookups
from processor.identity.view import Unread, View

Key = TypeVar("Key")
Value = TypeVar("Value")


def end_profile(view: View, profile: Profile, why: Why, time_ms: int) -> None:
    """End *profile*, which *view* holds; raises Unread, once, where more must be read first.

    What other profiles say of it (``source_mpid``, aliases) stays: that is history.
    """
    held = () if view.has_one_owner else lookups(profile, view.is_lookup)
    for pointer in have_read(view, held, profile.absorbed):
        if pointer is not None and pointer.merged_into is not None:
            view.bury(pointer, why, time_ms)
    view.bury(profile, why, time_ms)


def have_read(
    view: View, identifiers: Iterable[Identifier] = (), mpids: Iterable[int] = ()
) -> list[Profile | None]:
    """Return the profiles of *mpids*; raises Unread, once, for all of both that was not read."""
    _, unread = _found(view.holders, identifiers)
    profiles, unknown = _found(view.exact, mpids)
    if unread or unknown:
        raise Unread(unread, unknown)
    return profiles


def _found(look: Callable[[Key], Value], wanted: Iterable[Key]) -> tuple[list[Value], list[Key]]:
    """Return what *look* finds, and those that have not been read."""
    found: list[Value] = []
    unread: list[Key] = []
    for key in wanted:
        try:
            found.append(look(key))
        except Unread:
            unread.append(key)
    return found, unread

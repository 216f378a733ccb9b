"""Erasing a family: graves, markers, and what other workspaces keep. Pure."""

from collections.abc import Callable, Sequence
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.ending import end_profile, have_read
from processor.identity.former import DEVICE, STRONG, WEAK, tokens_of
from processor.identity.grave import Grave
from processor.identity.lookup import is_known
from processor.identity.marker import EVER_MS, EVERY_WORKSPACE
from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import NO_DATA, Profile, lookups
from processor.identity.screening import lasting_types, marking_types
from processor.identity.unnamed import of_mpid, of_token
from processor.identity.view import View
from processor.privacy.case import Found, Marked
from processor.privacy.family import Family, counted
from processor.rules import PrivacyRules


class Ground(Struct, frozen=True):
    """What decisions on requests of one workspace depend on, besides request and view."""

    workspace: str
    policy: IdentityPolicy
    rules: PrivacyRules
    key: bytes
    token: Callable[[Identifier], bytes]
    now_ms: int


def going(family: Family, ground: Ground) -> tuple[list[Profile], list[Profile]]:
    """Return who goes as a whole, and who stays as other workspaces have data of them."""
    goes: list[Profile] = []
    stays: list[Profile] = []
    for profile in family.profiles:
        (stays if _has_others(profile, ground) else goes).append(profile)
    return goes, stays


class Asked(Struct, frozen=True):
    """What an erasure is to reach besides a family, and for how long."""

    identifiers: Sequence[Identifier]
    """What the request named: records of the person may be still to come, so they get markers too,
    also where nobody is found.
    """
    ended: Sequence[Grave] = ()
    """Of whom the request found at first, their families included, and who live no more: those that
    no other request has erased meanwhile are the erased of this one.
    """
    ever_ms: int | None = None
    """The time of markers that never end; None where the person is not to be suppressed."""


def erase(family: Family, asked: Asked, view: View, ground: Ground) -> tuple[Found, Marked | None]:
    """Erase *family*; return what is told of it, and its markers, None where there are none.

    Raises Unread where more must be read first.
    """
    goes, stays = going(family, ground)
    ended = [grave for grave in asked.ended if grave.why != "erased"]
    found = replace(
        counted(family, ground.workspace),
        mpids=(*gone(goes), *[grave.mpid for grave in ended]),
        kept=tuple(one.mpid for one in stays),
    )
    named = list(dict.fromkeys(i for p in family.profiles for i in lookups(p, view.is_lookup)))
    lost = {kind: _lost(family, kind) for kind in (STRONG, WEAK, DEVICE)}
    mpids = _marked_mpids((*goes, *stays), asked.ended, ground)
    marking = (*named, *asked.identifiers, *chain.from_iterable(lost.values()), *mpids)
    have_read(view, marking, [m for one in goes for m in one.absorbed])
    until_ms = own_instant(marking, asked.ended, view, ground)
    until = until_ms if asked.ever_ms is None else asked.ever_ms
    for profile in goes:
        end_profile(view, profile, "erased", until)
    for grave in ended:
        view.files.entomb(replace(grave, why="erased", time_ms=until))
    for profile in stays:
        data = {n: d for n, d in profile.workspaces.items() if n != ground.workspace}
        view.put(replace(profile, workspaces=data))
    strong, devices = _tokens(family, (*named, *lost[DEVICE]), asked.identifiers, view, ground)
    strong += tuple(map(ground.token, mpids))
    if not (family.profiles or ended or strong or devices):
        return found, None
    is_anybody = bool(family.profiles or ended or strong)
    marked = Marked(
        until_ms,
        ground.rules.mark if ground.rules.is_shared else EVERY_WORKSPACE,
        strong,
        devices,
        is_suppressed=asked.ever_ms is not None and is_anybody,
        ever_ms=EVER_MS if asked.ever_ms is None else asked.ever_ms,
        mpids=len(mpids),
    )
    view.files.filing.marks.extend(marked.markers().items())
    return found, marked


def own_instant(
    marking: Sequence[Identifier], graves: Sequence[Grave], view: View, ground: Ground
) -> int:
    """Return now, or the next instant that no other case has: for markers of *marking* that end.

    For equal markers of one identity are one, and the first case that ends would take it away; so
    would it take one of *graves*, of those whom several cases keep away.
    """
    taken = {grave.time_ms for grave in graves}
    taken.update(its.until_ms for one in marking for its in view.files.markers(one))
    # Those of cases before it in one sweep, looked through once.
    tokens = frozenset(map(ground.token, marking))
    taken.update(its.until_ms for of, its in view.files.filing.marks if of in tokens)
    instant = ground.now_ms
    while instant in taken:
        instant += 1
    return instant


def gone(goes: Sequence[Profile]) -> tuple[int, ...]:
    """Return the MPIDs of those who go, with those that were merged into them."""
    mpids = [one.mpid for one in goes]
    return tuple(dict.fromkeys((*mpids, *[m for one in goes for m in one.absorbed])))


def _has_others(profile: Profile, ground: Ground) -> bool:
    if not ground.rules.is_shared:
        return False
    others = (data for name, data in profile.workspaces.items() if name != ground.workspace)
    return any(data != NO_DATA for data in others)


def _tokens(
    family: Family,
    named: Sequence[Identifier],
    asked: Sequence[Identifier],
    view: View,
    ground: Ground,
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return the tokens of what a family had, *named*, and of what was *asked* for besides.

    Those of strong types, and those of devices.
    """
    types, members = marking_types(ground.policy), frozenset(family.mpids)

    def is_theirs(one: Identifier) -> bool:
        """Old records of a device that a living anonymous profile holds too may be that one's."""
        return all(is_known(other, ground.policy) for other in _held(one, view, members))

    strong = [one for one in named if one.identity_type in types]
    # Whoever lives with an identity that did not lead to them is protected: it stays theirs.
    strong += [one for one in asked if one.identity_type in types and not _held(one, view, members)]
    weak = [one for one in (*named, *asked) if one.identity_type not in types and is_theirs(one)]
    lasting = lasting_types(ground.policy)
    strong += [one for one in weak if one.identity_type in lasting]
    devices = [one for one in weak if one.identity_type not in lasting]
    # What the person lost and another has by now: of later it is no more theirs than a device is.
    for one in (*_lost(family, STRONG), *filter(is_theirs, _lost(family, WEAK))):
        (devices if _held(one, view, members) else strong).append(one)
    return (
        tuple(dict.fromkeys(map(ground.token, strong))),
        tuple(dict.fromkeys(map(ground.token, devices))),
    )


def _marked_mpids(
    family: Sequence[Profile], ended: Sequence[Grave], ground: Ground
) -> list[Identifier]:
    """Return what has the markers of those MPIDs that get some: no grave says it of them.

    Of those whom another request has erased the grave is that one's. Where several workspaces share
    profiles no grave says whose records it keeps away, and who is kept has none.
    """
    mpids = [grave.mpid for grave in ended if ground.rules.is_shared or grave.why == "erased"]
    if ground.rules.is_shared:
        mpids = [*gone(family), *mpids]
    return [of_mpid(mpid) for mpid in dict.fromkeys(mpids)]


def _lost(family: Family, kind: str) -> list[Identifier]:
    """Return what a family had and lost: identities of one kind, by their tokens."""
    return [of_token(token) for token in tokens_of(family.profiles, kind)]


def _held(one: Identifier, view: View, members: frozenset[int]) -> list[Profile]:
    """Return who lives with an identity and is none of *members*."""
    found = (view.profile(mpid) for mpid in view.holders(one) if mpid not in members)
    return [profile for profile in found if profile is not None]

"""Erasing a family: graves, markers, and what other workspaces keep. Pure."""

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.ending import end_profile, have_read
from processor.identity.former import DEVICE, STRONG, tokens_of
from processor.identity.lookup import is_known
from processor.identity.marker import EVER_MS, EVERY_WORKSPACE
from processor.identity.model import Identifier, IdentityPolicy
from processor.identity.profile import NO_DATA, Profile, lookups
from processor.identity.screening import marking_types
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


def erase(
    family: Family, view: View, ground: Ground, *, suppress: bool
) -> tuple[Found, Marked | None]:
    """Erase *family*; return what is told of it, and its markers.

    Raises Unread where more must be read first.
    """
    if not family.profiles:
        return counted(family, ground.workspace), None
    goes, stays = going(family, ground)
    found = replace(
        counted(family, ground.workspace),
        mpids=gone(goes),
        kept=tuple(one.mpid for one in stays),
    )
    named = list(dict.fromkeys(i for p in family.profiles for i in lookups(p, view.is_lookup)))
    have_read(view, named, [m for profile in goes for m in profile.absorbed])
    until = EVER_MS if suppress else ground.now_ms
    for profile in goes:
        end_profile(view, profile, "erased", until)
    for profile in stays:
        data = {n: d for n, d in profile.workspaces.items() if n != ground.workspace}
        view.put(replace(profile, workspaces=data))
    marked = _marked(family, named, view, ground, suppress=suppress)
    view.files.filing.marks.extend(marked.markers().items())
    return found, marked


def gone(goes: Sequence[Profile]) -> tuple[int, ...]:
    """Return the MPIDs of those who go, with those that were merged into them."""
    mpids = [one.mpid for one in goes]
    return tuple(dict.fromkeys((*mpids, *[m for one in goes for m in one.absorbed])))


def _has_others(profile: Profile, ground: Ground) -> bool:
    if not ground.rules.is_shared:
        return False
    others = (data for name, data in profile.workspaces.items() if name != ground.workspace)
    return any(data != NO_DATA for data in others)


def _marked(
    family: Family, named: Sequence[Identifier], view: View, ground: Ground, *, suppress: bool
) -> Marked:
    types = marking_types(ground.policy)
    strong = [one for one in named if one.identity_type in types]
    devices = [one for one in named if one.identity_type not in types]
    members = frozenset(family.mpids)
    devices = [one for one in devices if not _is_held(one, view, ground.policy, members)]
    return Marked(
        ground.now_ms,
        ground.rules.mark if ground.rules.is_shared else EVERY_WORKSPACE,
        tuple(dict.fromkeys((*map(ground.token, strong), *tokens_of(family.profiles, STRONG)))),
        tuple(dict.fromkeys((*map(ground.token, devices), *tokens_of(family.profiles, DEVICE)))),
        suppress,
    )


def _is_held(
    device: Identifier, view: View, policy: IdentityPolicy, members: frozenset[int]
) -> bool:
    """Whether a living anonymous profile holds a device too: old records of it may be theirs."""
    for mpid in view.holders(device):
        profile = None if mpid in members else view.profile(mpid)
        if profile is not None and not is_known(profile, policy):
            return True
    return False

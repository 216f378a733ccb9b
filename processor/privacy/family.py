"""Whom a request is about: those whom it names, and the profiles that are the same person. Pure.

(docs/privacy.md, "Whom it reaches")
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import Struct

from processor.identity.decision import Matched, Merged
from processor.identity.lookup import is_known, is_returnable
from processor.identity.model import Identifier, IdentityPolicy, IdentityRequest
from processor.identity.profile import NO_DATA, Profile
from processor.identity.question import Question
from processor.identity.resolve import resolve
from processor.identity.view import View
from processor.privacy.case import NOBODY, Followed, Found

MOST: Final = 200
"""Profiles that one case takes, pointers to them included: beyond it nobody is followed.

Of whom it takes it takes all pointers, also where these alone are more.
"""


class Family(Struct, frozen=True):
    """The profiles of one person."""

    persons: int
    """How many of them were named."""
    profiles: tuple[Profile, ...]
    """Those that live."""
    followed: Followed
    is_bounded: bool
    """Whether there are more than ``MOST``."""

    @property
    def mpids(self) -> tuple[int, ...]:
        """Every MPID of the family, those merged into it included."""
        return (*[one.mpid for one in self.profiles], *self.followed.merges)


class Sought(Struct, frozen=True):
    """Whom a request names, and how far it reaches."""

    identifiers: tuple[Identifier, ...] = ()
    mpids: tuple[int, ...] = ()
    follow: Collection[str] = ()
    all_holders: bool = False
    time_ms: int = 0
    known: Followed = NOBODY
    """Who went with whom it named when it was received, whatever has become of that one since."""


def family_of(sought: Sought, view: View, policy: IdentityPolicy) -> Family:
    """Return the family of whom a request names; raises Unread where more must be read first."""
    known = sought.known
    queue = [(mpid, "named") for mpid in (*sought.mpids, *_identified(sought, view, policy))]
    queue += [(mpid, "source") for mpid in known.source]
    queue += [(mpid, "aliases") for mpid in known.aliases]
    members: dict[int, Profile] = {}
    why_of: dict[int, str] = {}
    merged: dict[int, None] = {}
    is_bounded = False
    for mpid, why in queue:  # it grows meanwhile
        profile = view.profile(mpid)
        if profile is None or profile.mpid in members:
            continue
        if why == "source" and is_known(profile, policy):
            continue
        if len(members) + len(merged) >= MOST:
            is_bounded = True
            break
        members[profile.mpid], why_of[profile.mpid] = profile, why
        merged.update(dict.fromkeys(profile.absorbed))
        queue += _related(profile, sought.follow)
    named, source, aliases = (
        tuple(mpid for mpid, its in why_of.items() if its == why)
        for why in ("named", "source", "aliases")
    )
    followed = Followed(tuple(m for m in merged if m not in members), source, aliases)
    is_bounded |= len(members) + len(followed.merges) > MOST
    return Family(len(named), tuple(members.values()), followed, is_bounded)


def counted(family: Family, workspace: str) -> Found:
    """Return what is told of *family*: counts, types and MPIDs."""
    types: dict[str, int] = {}
    attributes = devices = 0
    for profile in family.profiles:
        for identity in profile.identities:
            types[identity.identity_type] = types.get(identity.identity_type, 0) + 1
        data = profile.workspaces.get(workspace, NO_DATA)
        attributes += len(data.attributes)
        devices += len(data.devices)
    return Found(
        family.persons,
        family.mpids,
        family.followed,
        identities=dict(sorted(types.items())),
        attributes=attributes,
        devices=devices,
        is_bounded=family.is_bounded,
    )


def _identified(sought: Sought, view: View, policy: IdentityPolicy) -> Sequence[int]:
    """Return whom the identities name: as an identify would find them, and write nothing."""
    if not sought.identifiers:
        return ()
    request = IdentityRequest(
        "identify",
        sought.identifiers,
        time_ms=sought.time_ms,
        may_create=False,
        read_only=True,
    )
    decision = resolve(request, view, policy)
    named: Sequence[int] = ()
    if isinstance(decision, Matched):
        named = (decision.mpid,)
    elif isinstance(decision, Merged):
        named = (decision.mpid, *decision.absorbed)
    return (*named, *_holders(request, view, policy)) if sought.all_holders else named


def _holders(request: IdentityRequest, view: View, policy: IdentityPolicy) -> Iterable[int]:
    """Return everybody who holds one of the identities and whom no protection hides."""
    question = Question.of(request, view, policy)
    held = [mpid for one in request.identifiers for mpid in view.holders(one)]
    profiles = [profile for mpid in held if (profile := view.profile(mpid)) is not None]
    return [profile.mpid for profile in profiles if is_returnable(profile, question)]


def _related(profile: Profile, follow: Collection[str]) -> list[tuple[int, str]]:
    """Return the profiles that *profile* arose from, and why: never those that arose from it."""
    found: list[tuple[int, str]] = []
    if "source" in follow and profile.source_mpid is not None:
        found.append((profile.source_mpid, "source"))
    if "aliases" in follow:
        found += [(a.mpid, "aliases") for a in profile.more.aliases if a.role == "destination"]
    return found

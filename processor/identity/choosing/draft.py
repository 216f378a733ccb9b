"""Drafts: a profile's identities under change, and the other profiles that this touches.

All of a request is worked out on a draft; nothing reaches the view before everything is decided,
so a request that is refused, or is ``read_only``, leaves no trace.
"""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.decision import Skip
from processor.identity.lookup import is_known
from processor.identity.model import Identifier
from processor.identity.profile import Identity, Profile, without
from processor.identity.question import Question


class Draft:
    """The identities of *profile* as a request leaves them, and the other profiles it touches."""

    def __init__(self, question: Question, profile: Profile) -> None:
        self.question = question
        self.profile = profile
        self.identities = list(profile.identities)
        self.others: dict[int, Profile] = {}
        self.skipped: list[Skip] = []
        self.gained: list[Identifier] = []
        """Lookups that were added."""
        self.fallen: list[int] = []
        """Others that lost their last login ID."""
        self.named: set[str] = set()
        """Unique types of which the request has named a value: of several the first counts."""

    def find(self, identifier: Identifier) -> Identity | None:
        """Return the identity on the draft that is *identifier*."""
        for identity in self.identities:
            if matches(identity, identifier):
                return identity
        return None

    def values(self, identity_type: str) -> list[Identity]:
        """Return the draft's identities of a type."""
        return [i for i in self.identities if i.identity_type == identity_type]

    def other(self, mpid: int) -> Profile | None:
        """Return another profile, with the changes that this draft makes to it."""
        return self.others.get(mpid) or self.question.view.profile(mpid)

    def rivals(self, identifier: Identifier) -> list[int]:
        """Return the MPIDs of the other holders of *identifier*, before this draft."""
        holders = self.question.view.holders(identifier)
        if not holders:
            return []
        mine = self.profile.mpid
        return [mpid for mpid in holders if mpid != mine]

    def add(self, identifier: Identifier) -> None:
        """Append *identifier*; it becomes the current value of its type."""
        kind, value = identifier
        request = self.question.request
        time_ms = request.time_ms
        updated_ms = max([time_ms, *[i.updated_ms for i in self.values(kind)]])
        self.identities.append(Identity(kind, value, time_ms, updated_ms, request.input))
        if kind in self.question.policy.priority:
            self.gained.append(identifier)

    def refresh(self, identity: Identity) -> None:
        """Make *identity* the current value of its type.

        Where it is current already, its time is renewed at most once per activity resolution.
        """
        time_ms = self.question.request.time_ms
        latest_first = reversed(self.values(identity.identity_type))
        current = max(latest_first, key=lambda i: i.updated_ms)
        place = self.identities.index(identity)
        if current is not identity:
            del self.identities[place]
            self.identities.append(replace(identity, updated_ms=max(time_ms, current.updated_ms)))
        elif time_ms - identity.updated_ms > self.question.policy.activity_resolution_ms:
            self.identities[place] = replace(identity, updated_ms=time_ms)

    def drop(self, identities: Iterable[Identity]) -> None:
        """Remove *identities* from the profile."""
        for identity in identities:
            self.identities.remove(identity)

    def take_away(self, mpid: int, identifier: Identifier) -> None:
        """Remove *identifier* from another profile, which keeps everything else."""
        before, policy = self.other(mpid), self.question.policy
        if before is None:
            return
        self.others[mpid] = after = without(before, identifier)
        if is_known(before, policy) and not is_known(after, policy):
            self.fallen.append(mpid)


class DraftResult(Struct, frozen=True, gc=False):
    """The result of a draft: profiles to write, and what the decision tells of it."""

    profile: Profile
    """The profile to write: the very object of before where nothing changes."""
    matched: tuple[Identifier, ...] = ()
    """Lookup identifiers of the request that were on the profile before."""
    skipped: tuple[Skip, ...] = ()
    others: tuple[Profile, ...] = ()
    """Profiles that lost an identifier or became contested, by MPID."""


def matches(identity: Identity, identifier: Identifier) -> bool:
    """Whether an identity of a profile is *identifier*."""
    return identity.value == identifier.value and identity.identity_type == identifier.identity_type

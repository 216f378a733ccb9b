"""Whom a batch names: read once, found once, and remembered while its other fields change.

Of a known user who brings a new attribute or consent, the fields that name user and device are in
the same words as before. So what they say is not read again, and whom they mean is not resolved
again while the index answers alike. Resolving is a function of the request, of the holders of its
identifiers, of the profile apart from its data, and of time, up to when activity is next written.

All that a remembered decision presupposes is asked of the view each time. So what earlier records
of the poll batch changed counts, and the commit checks it, as if it were resolved anew.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Raw, Struct

from processor.identity.decision import Decision, Matched, NotFound
from processor.identity.lookup import reads
from processor.identity.model import Identifier, IdentityPolicy, IdentityRequest, Space
from processor.identity.normalize import admit
from processor.identity.profile import Profile, current_by_type
from processor.identity.question import DocumentRules
from processor.identity.resolve import refused_skips, resolve
from processor.identity.unnamed import of_mpid
from processor.identity.view import Holders, View
from processor.index.cache import UNPACKED
from processor.records import EventBatch
from processor.rules import WorkspaceRules

NEVER_MS: Final = -1
NAMING_BYTES: Final = 1_500
"""About how many bytes a naming takes beside its words, which are held twice and parsed."""


class Answer(Struct, frozen=True, gc=False):
    """How a batch was resolved that changed no identities, and all that this presupposes."""

    decision: Matched
    holders: tuple[tuple[Identifier, Holders], ...]
    bearings: tuple[object, ...]
    """Of the profile that was found, the only one that was looked at."""
    until_ms: int
    """The last time at which no identity has to be renewed."""

    def is_given(self, view: View, time_ms: int, policy: IdentityPolicy) -> bool:
        """Whether resolving would give the same, and change nothing, at *time_ms*."""
        if time_ms > self.until_ms:
            return False
        for identifier, holders in self.holders:
            if view.holders(identifier) != holders:
                return False
        profile = view.exact(self.decision.mpid)
        return (
            profile is not None
            and time_ms - profile.last_seen_ms <= policy.activity_resolution_ms
            and bearings(profile) == self.bearings
        )


class Naming(Struct, gc=False):
    """What a batch says of who its user is, and which device it came from."""

    batch: EventBatch
    """The batch, of which only that counts; without the rest of it once it is remembered."""
    space: Space
    identifiers: tuple[Identifier, ...]
    """Those that find the user: in their normal form, and not blocked."""
    refused: tuple[tuple[Identifier, str], ...]
    asked: tuple[tuple[Identifier, ...], tuple[int, ...]]
    """The identifiers and MPIDs to be read."""
    words: tuple[Raw | None, ...] = ()
    """The raw fields that say it; none while it is not remembered."""
    answer: Answer | None = None

    @property
    def cost(self) -> int:
        """How many bytes it takes in memory, about."""
        return NAMING_BYTES + (2 + UNPACKED) * bytes_of(self.words)


def bytes_of(raws: Iterable[Raw | None]) -> int:
    """Return how many bytes raw fields have."""
    return sum([len(bytes(raw)) for raw in raws if raw is not None])


def name(batch: EventBatch, workspace: WorkspaceRules) -> Naming:
    """Return whom *batch* names."""
    kept, blocked = admit(batch.identifiers, workspace.blocklist, workspace.normalizers)
    refused = (*batch.over_limit, *blocked)
    space = Space(workspace.scope, batch.environment)
    asked = asked_of(IdentityRequest("batch", kept, refused, mpid=batch.mpid), workspace)
    return Naming(batch, space, kept, refused, asked)


def asked_of(
    request: IdentityRequest, workspace: WorkspaceRules
) -> tuple[tuple[Identifier, ...], tuple[int, ...]]:
    """Return the identifiers and MPIDs that are to be read for *request*, markers included."""
    identifiers, mpids = reads(request, workspace.policy)
    privacy = workspace.privacy
    if request.mpid is not None and privacy is not None and privacy.is_shared:
        identifiers = (*identifiers, of_mpid(request.mpid))
    return identifiers, mpids


def resolve_named(
    naming: Naming | None,
    request: IdentityRequest,
    view: View,
    policy: IdentityPolicy,
    documents: DocumentRules,
) -> tuple[Decision, Answer | None]:
    """Resolve *request*, of a batch, unless its *naming* has the answer.

    Return also the answer for the user's next batch, where there is another now.
    """
    known = None if naming is None else naming.answer
    if known is not None and known.is_given(view, request.time_ms, policy):
        return known.decision, None
    if not request.identifiers and request.mpid is None:
        return NotFound("no_identity", skipped=refused_skips(request)), None
    decision = resolve(request, view, policy, documents)
    return decision, None if naming is None else answer_of(decision, request, view, policy)


def bearings(profile: Profile) -> tuple[object, ...]:
    """Return what of *profile* resolving depends on, but its last activity."""
    return (
        profile.identities,
        profile.created_ms,
        profile.source_mpid,
        profile.merged_into,
        profile.contested,
        profile.merges,
        profile.absorbed,
    )


def answer_of(
    decision: Decision, request: IdentityRequest, view: View, policy: IdentityPolicy
) -> Answer | None:
    """Return what may be remembered of a decision that was just taken.

    None where it wrote something, where it is due to, or where it had to choose among several
    profiles.
    """
    if type(decision) is not Matched:
        return None
    asked = view.asked()
    profile = view.exact(decision.mpid)
    if asked is None or asked.mpids != (decision.mpid,) or profile is None:
        return None
    if profile.contested and not policy.traits.has_one_owner:
        return None  # every match is written
    until_ms = min(identity_ends(profile, request.identifiers, policy), default=NEVER_MS)
    if until_ms < request.time_ms:
        return None
    holders = tuple([(identifier, view.holders(identifier)) for identifier in asked.identifiers])
    return Answer(decision, holders, bearings(profile), until_ms)


def identity_ends(
    profile: Profile, identifiers: Iterable[Identifier], policy: IdentityPolicy
) -> Iterator[int]:
    """Yield until when each identifier changes nothing; ``NEVER_MS`` where uncertain."""
    current = current_by_type(profile.identities)
    for identifier in identifiers:
        kind, value = identifier
        newest = current.get(kind)
        is_current = newest is not None and newest.value == value
        if newest is not None and is_current:
            yield newest.updated_ms + policy.activity_resolution_ms
        elif not policy.traits.has_one_owner:
            yield NEVER_MS
        elif kind in policy.priority:  # other types are not looked at
            same = (i for i in profile.identities if (i.identity_type, i.value) == identifier)
            # A value becomes the current one as soon as it is asserted later.
            yield newest.updated_ms if newest is not None and any(same) else NEVER_MS

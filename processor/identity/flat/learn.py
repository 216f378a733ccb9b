"""Learning: a profile gains the identifiers of a request, and newer assertions of its own."""

from collections.abc import Collection

from msgspec.structs import replace

from processor.identity.activity import seen
from processor.identity.decision import Skip
from processor.identity.model import Identifier
from processor.identity.profile import Identity, Profile, current_by_type
from processor.identity.question import Question


def learn(
    question: Question, profile: Profile, identifiers: Collection[Identifier]
) -> tuple[Profile, tuple[Skip, ...]]:
    """Return *profile* with *identifiers*, strongest first, and those it has no room for.

    The very same object comes back if nothing changes, last activity included.
    """
    held = {(i.identity_type, i.value): i for i in profile.identities}
    new = [identifier for identifier in identifiers if identifier not in held]
    room = max(question.policy.max_mappings - len(held), 0)
    identities = refreshed(question, profile, [held[i] for i in identifiers if i in held])
    skips = tuple(Skip(i.identity_type, "mapping_limit") for i in new[room:])
    after = profile
    if identities is not profile.identities:
        after = replace(profile, identities=identities)
    if new[:room]:
        after, unfit = _extended(question, after, new[:room])
        skips = (*(Skip(i.identity_type, "bound") for i in unfit), *skips)
    return seen(question, profile, after), skips


def identity_of(question: Question, identifier: Identifier) -> Identity:
    """Return a new identity, as of the time of the request."""
    time_ms = question.request.time_ms
    return Identity(*identifier, time_ms, time_ms, question.request.input)


def _extended(
    question: Question, profile: Profile, new: list[Identifier]
) -> tuple[Profile, list[Identifier]]:
    """Add the *new* identifiers that the document has room for, strongest first."""
    added = [identity_of(question, identifier) for identifier in new]
    whole = replace(profile, identities=(*profile.identities, *added))
    if question.documents.fits(whole):
        return whole, []
    unfit = []
    for identifier, identity in zip(new, added, strict=True):
        longer = replace(profile, identities=(*profile.identities, identity))
        if question.documents.fits(longer):
            profile = longer
        else:
            unfit.append(identifier)
    return profile, unfit


def refreshed(
    question: Question, profile: Profile, asserted: Collection[Identity]
) -> tuple[Identity, ...]:
    """Make the *asserted* identities the current ones of their types, unless newer ones are.

    The current one itself is renewed only when it is older than ``activity_resolution_ms``.
    """
    time_ms, resolution_ms = question.request.time_ms, question.policy.activity_resolution_ms
    current = current_by_type(profile.identities)
    renewed = None
    for identity in asserted:
        newest = current[identity.identity_type]
        least = resolution_ms if newest is identity else 0
        if time_ms - newest.updated_ms > least:
            renewed = renewed or list(profile.identities)
            place = profile.identities.index(identity)
            renewed[place] = replace(identity, updated_ms=time_ms)
    return profile.identities if renewed is None else tuple(renewed)

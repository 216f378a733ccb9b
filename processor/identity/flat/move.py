"""Modify under flat matching: an identifier moves to the profile, within its limits.

A type may hold several values, so only the ``old_value`` of a change is taken away; a ``new_value``
comes from its owner. A value that a limit forbids is skipped, like one that a request carries.
"""

from msgspec.structs import replace

from processor.identity.activity import seen
from processor.identity.answer import bad_request, matched
from processor.identity.decision import Decision, Skip, change_results
from processor.identity.flat.evidence import shorten
from processor.identity.flat.learn import identity_of, refreshed
from processor.identity.flat.union import Union
from processor.identity.lookup import Found
from processor.identity.model import Identifier, IdentityChange
from processor.identity.profile import Profile, without
from processor.identity.question import Question


def move(question: Question) -> Decision:
    """Apply the changes of a request, in order; 400 where there is no such profile."""
    request, view = question.request, question.view
    before = None if request.mpid is None else view.profile(request.mpid)
    if before is None:
        return bad_request("modify needs the MPID of an existing profile")
    moves = _Moves(question, before)
    skips = [moves.apply(change) for change in request.changes]
    skipped = tuple(skip for skip in skips if skip is not None)
    after = seen(question, before, moves.profile)
    results = change_results(request.changes, [(before, after), *moves.losers()])
    if not request.read_only:
        for _, loser in moves.losers():
            view.put(loser)
        if after is not before:
            view.put(after)
        if request.mpid is not None:
            shorten(view, request.mpid)
    return matched(question, Found(after), skipped=skipped, change_results=results)


class _Moves:
    """The profile as the changes so far leave it, and those that lost an identifier to it."""

    def __init__(self, question: Question, profile: Profile) -> None:
        self._question = question
        self.profile = profile
        self._others: dict[int, tuple[Profile, Profile]] = {}

    def losers(self) -> list[tuple[Profile, Profile]]:
        """Return the other profiles, each as it was and as it is, by MPID."""
        return [self._others[mpid] for mpid in sorted(self._others)]

    def apply(self, change: IdentityChange) -> Skip | None:
        """Apply one change, or say why its new value is not added: then nothing of it is done."""
        kind, old, new = change
        left = self.profile
        if old is not None and old != new:
            left = without(left, Identifier(kind, old))
        if new is None:
            self.profile = left
            return None
        identifier = Identifier(kind, new)
        if identifier in _identifiers(left):
            asserted = [i for i in left.identities if (i.identity_type, i.value) == identifier]
            identities = refreshed(self._question, left, asserted)
            same = identities is left.identities
            self.profile = left if same else replace(left, identities=identities)
            return None
        return self._own(left, identifier)

    def _own(self, left: Profile, identifier: Identifier) -> Skip | None:
        question, kind = self._question, identifier.identity_type
        policy = question.policy
        # The limit is compared with the profile without the old value, which makes room.
        union = Union([left], [identifier], policy, question.request.time_ms)
        if kind in union.excess:
            return Skip(kind, "demoted", union.reason)
        if len(left.identities) >= policy.max_mappings:
            return Skip(kind, "mapping_limit")
        identity = identity_of(question, identifier)
        longer = replace(left, identities=(*left.identities, identity))
        if not question.documents.fits(longer):
            return Skip(kind, "bound")
        self.profile = longer
        for mpid in question.view.holders(identifier):
            owner = question.view.profile(mpid)
            if owner is not None and owner.mpid != longer.mpid:
                first, latest = self._others.get(owner.mpid, (owner, owner))
                self._others[owner.mpid] = first, without(latest, identifier)
        return None


def _identifiers(profile: Profile) -> set[tuple[str, str]]:
    return {(i.identity_type, i.value) for i in profile.identities}

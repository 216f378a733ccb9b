"""Flat matching: any identifier finds the user; profiles merge, within limits.

| what the identifiers lead to    | what happens                                               |
|---------------------------------|------------------------------------------------------------|
| no profile                      | a new one with them                                        |
| one profile                     | it gains those that nobody has                             |
| several profiles                | they become one; the one that was created first survives   |
| more values than a limit allows | the weakest identifier is left out (demoted); then again   |
| too many merges, or too large   | no merge; the owner of the strongest identifier, as it is  |

An identifier has one owner. A limit counts the values added within its window of event time. What
a profile has already is tolerated and only growth refused, so that no profile is ever frozen.
"""

from collections import Counter

from msgspec import Struct

from processor.identity.decision import Decision, NotFound
from processor.identity.flat.apply import add, create, merge, nothing_left
from processor.identity.flat.evidence import Demotion, Evidence, Match, gather
from processor.identity.flat.move import move
from processor.identity.flat.owner import strongest_owner
from processor.identity.flat.union import Union
from processor.identity.model import Traits
from processor.identity.question import Question


class FlatMatching(Struct, frozen=True):
    """The strategy: it answers whole requests, and merges where others choose."""

    traits: Traits = Traits(has_one_owner=True, is_literal=True, newest_wins=True, can_alias=False)

    def decide(self, question: Question) -> Decision:
        """Decide an identify, a login, a logout or a batch, and write what follows from it."""
        mpid = question.supplied
        if mpid is not None and question.view.profile(mpid) is None and not question.may_make(mpid):
            return NotFound("unknown_mpid")
        match = match_of(question)
        if not match.members:
            return create(question, match) if match.kept else nothing_left(question, match)
        if len(match.members) == 1:
            return add(question, match)
        return merge(question, match)

    def search(self, question: Question) -> Decision:
        """Return the owner of the strongest identifier."""
        return strongest_owner(question)

    def modify(self, question: Question) -> Decision:
        """Move identifiers to the profile that the request names, within its limits."""
        return move(question)


STRATEGY = FlatMatching()


def match_of(question: Question) -> Match:
    """Return the profiles that the request leads to within the limits, and what was demoted."""
    supplied = None
    if question.supplied is not None:
        supplied = question.view.profile(question.supplied)
        supplied = supplied or question.new_profile(question.supplied)
    return within_limits(question, gather(question, supplied))


def within_limits(question: Question, evidence: Evidence) -> Match:
    """Demote identifiers, weakest first, until the final profile would keep every limit.

    An identifier that plays no part in the excess is passed over, except by ``lowest``. One pass
    is enough: what is no excess now never becomes one by leaving something out.
    """
    policy, kept = question.policy, dict.fromkeys(evidence.identifiers)
    members = evidence.members(kept)
    new = [i for i in kept if not evidence.owners[i]]
    if len(members) == 1 and not new:  # a known user who brings nothing new, as most records do
        return Match(evidence, evidence.identifiers, (), members)
    union = Union(members.values(), new, policy, question.request.time_ms)
    links = Counter(profile.mpid for i in kept for profile in evidence.owners[i])
    links.update(() if evidence.supplied is None else (evidence.supplied.mpid,))
    demoted = []
    for identifier in reversed(evidence.identifiers):
        if not union.excess:
            break
        owners = evidence.owners[identifier]
        is_relevant = owners or identifier.identity_type in union.excess
        if not is_relevant and policy.demotion == "lowest_relevant":
            continue
        demoted.append(Demotion(identifier, union.reason, tuple(sorted(union.excess))))
        del kept[identifier]
        if not owners:
            union.drop_new(identifier)
        for profile in owners:
            links[profile.mpid] -= 1
            if not links[profile.mpid]:
                union.drop_member(profile.mpid)
    return Match(evidence, tuple(kept), tuple(demoted), evidence.members(kept))

"""Evidence: the identifiers of a request, strongest first, and who owns each."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.model import Identifier
from processor.identity.profile import Profile
from processor.identity.question import Question
from processor.identity.view import View


class Evidence(Struct, frozen=True):
    """The identifiers of a request and the profiles that own them."""

    identifiers: tuple[Identifier, ...]
    """Of the configured types, strongest first; those of one type as they were listed."""
    owners: Mapping[Identifier, tuple[Profile, ...]]
    """Empty for a new identifier. More than one owner can only come from another strategy."""
    supplied: Profile | None = None
    """The profile of the MPID that a batch came with: evidence above every identifier."""

    def members(self, identifiers: Iterable[Identifier]) -> dict[int, Profile]:
        """Return the profiles that *identifiers* and the supplied MPID lead to, strongest first."""
        found = {} if self.supplied is None else {self.supplied.mpid: self.supplied}
        for identifier in identifiers:
            for profile in self.owners[identifier]:
                found[profile.mpid] = profile
        return found


class Demotion(Struct, frozen=True):
    """An identifier that was left out, for the limits that the final profile would have passed."""

    identifier: Identifier
    reason: str
    """limit, or time_limit where only limits with a window are passed."""
    excess: tuple[str, ...]
    """The types of which it would have had too many values."""


class Match(Struct, frozen=True):
    """The evidence that is within the limits, and the profiles that it leads to."""

    evidence: Evidence
    kept: tuple[Identifier, ...]
    demoted: tuple[Demotion, ...]
    members: dict[int, Profile]
    """Strongest first."""

    @property
    def candidates(self) -> int:
        """How many profiles the evidence led to before anything of it was demoted."""
        found = self.evidence.members(self.evidence.identifiers)
        return sum(profile.version > 0 for profile in found.values())


def gather(question: Question, supplied: Profile | None) -> Evidence:
    """Return the evidence of a request; *supplied* is the profile that it names outright."""
    view, asserted = question.view, question.asserted
    identifiers = tuple(i for kind in question.policy.priority for i in asserted.get(kind, ()))
    owners = {}
    for identifier in identifiers:
        found = {}
        for mpid in view.holders(identifier):
            profile = view.profile(mpid)
            if profile is not None:
                found[profile.mpid] = profile
        owners[identifier] = tuple(found.values())
    return Evidence(identifiers, owners, supplied)


def shorten(view: View, mpid: int) -> None:
    """Let the pointers between *mpid* and its survivor lead straight there."""
    survivor, step = view.profile(mpid), view.exact(mpid)
    while survivor is not None and step is not None and step.merged_into is not None:
        after = view.exact(step.merged_into)
        if step.merged_into != survivor.mpid:
            view.put(replace(step, merged_into=survivor.mpid))
        step = after

"""What time alone changes of profiles: their audiences, and whether they live. Pure."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from processor.computed.evaluate import Evaluation
from processor.computed.message import AudienceChange
from processor.computed.state import Standing
from processor.identity.model import IdentityPolicy
from processor.identity.profile import Profile
from processor.pipeline.ageing import Ageing, emptied, with_due
from processor.pipeline.casework import Casework
from processor.pipeline.computing import Computing, struck_off
from processor.privacy.erasing import Ground
from processor.privacy.receipt import Residues, no_residues
from processor.profiles.room import without_computed

NOTHING: Final = Evaluation(Standing(), is_changed=False)
"""The evaluation of a person of whom nothing is computed."""


class Aged(Struct, frozen=True):
    """A profile after all that was due of it by an instant."""

    profile: Profile
    """As it is then; of one that has ended as it was last."""
    evaluation: Evaluation
    """What is told of it, and what bounds kept out."""
    ended_ms: int | None = None
    """When it has aged out."""
    emptied_ms: int | None = None
    """When its data was forgotten."""


class TimeRules(Struct, frozen=True):
    """What time changes of the profiles of one space: their audiences, and whether they live."""

    policy: IdentityPolicy
    workspace: str
    """The one that is named where a change is told that belongs to none."""
    computing: Computing | None = None
    ageing: Ageing | None = None
    grave_days: int = 7
    grounds: Mapping[str, Ground] = {}
    """What requests under privacy law are decided by, in the workspaces that carry them out."""
    residues: Residues = no_residues
    """Where else data of the people is who ask."""

    @property
    def stamp(self) -> bytes:
        """Which definitions these are; empty where there are none."""
        return b"" if self.computing is None else self.computing.scope.stamp

    @property
    def is_needed(self) -> bool:
        """Whether time alone changes anything."""
        return self.computing is not None or self.ageing is not None or bool(self.grounds)

    def casework(self, as_of_ms: int, now_ms: int) -> Casework:
        """Return what the cases of one sweep are decided by."""
        return Casework(self.grounds, self.computing, as_of_ms, now_ms, self.residues)

    def may_end(self, profile: Profile, until_ms: int) -> bool:
        """Whether the lifetime of *profile* is over by *until_ms*, and no part of it stays.

        True also of some who will be kept by what is due before; False of some who are emptied and
        end at the same instant.
        """
        if self._end_ms(profile, until_ms) is None:
            return False
        assert self.ageing is not None
        return not self.ageing.lifetimes.keeps_identity or profile.more.emptied_ms is not None

    def swept(self, profile: Profile, until_ms: int) -> Aged:
        """Do all of *profile* that is due by *until_ms*, each at its own instant, in order.

        After a bound of instants it stops: what is left is due still.
        """
        end_ms = self._end_ms(profile, until_ms)
        flipped, evaluation = self._flipped(profile, until_ms, end_ms)
        due_ms = profile.more.due_ms
        if self.computing is None or profile.more.emptied_ms is not None:
            due_ms = None
        elif evaluation.is_changed:
            due_ms = flipped.more.due_ms
        if end_ms is not None and (due_ms is None or due_ms > end_ms):
            return self._ended(flipped, evaluation, max(end_ms, profile.more.clock_ms))
        return Aged(self._due(flipped, due_ms), evaluation)

    def renewed(self, profile: Profile, as_of_ms: int, *, is_striking: bool = False) -> Aged:
        """Do what is due, then bring *profile* up to the settings as they are now.

        *is_striking*: nobody else knows other definitions, so that what none of ours is about goes.
        """
        aged = self.swept(profile, as_of_ms)
        if aged.ended_ms is not None or aged.profile.more.emptied_ms is not None:
            return aged
        if self.computing is None:
            bare = without_computed(aged.profile) if is_striking else aged.profile
            return replace(aged, profile=self._due(bare, None))
        stored, then = self.computing.renewed(aged.profile, as_of_ms)
        if is_striking:
            stored = struck_off(self.computing.scope, stored)
        whole = replace(
            then,
            messages=(*aged.evaluation.messages, *then.messages),
            bounded=aged.evaluation.bounded + then.bounded,
        )
        return Aged(self._due(stored, stored.more.due_ms), whole)

    def due_ms(self, profile: Profile) -> int | None:
        """Return when time alone changes something of *profile* next, by the settings as they are.

        A due that is noted counts; without one its lifetime does.
        """
        if profile.more.due_ms is not None or self.ageing is None:
            return profile.more.due_ms
        return self.ageing.end_ms(profile)

    def _end_ms(self, profile: Profile, until_ms: int) -> int | None:
        """Return the instant at which *profile* ends, None where it does not by *until_ms*.

        A lifetime that was made shorter ends at the due that was noted, if that is later.
        """
        end_ms = None if self.ageing is None else self.ageing.end_ms(profile)
        if end_ms is None:
            return None
        at_ms = max(end_ms, profile.more.due_ms or end_ms)
        return at_ms if at_ms <= until_ms else end_ms if end_ms <= until_ms else None

    def _flipped(
        self, profile: Profile, until_ms: int, end_ms: int | None
    ) -> tuple[Profile, Evaluation]:
        if self.computing is None or profile.more.emptied_ms is not None:
            return profile, NOTHING
        return self.computing.swept(profile, until_ms, end_ms)

    def _ended(
        self,
        flipped: Profile,
        evaluation: Evaluation,
        instant_ms: int,
    ) -> Aged:
        """Return who has aged out, or of whom only the identity is left."""
        assert self.ageing is not None
        left: tuple[AudienceChange, ...] = ()
        without = 0
        if self.computing is not None:
            left, without = self.computing.left(flipped, instant_ms, "aged_out")
        told = replace(
            evaluation,
            messages=(*evaluation.messages, *left),
            bounded=evaluation.bounded + without,
        )
        if self.ageing.lifetimes.keeps_identity and flipped.more.emptied_ms is None:
            empty = emptied(flipped, instant_ms)
            next_ms = self.ageing.end_ms(empty)
            if next_ms is None or next_ms > instant_ms:
                return Aged(with_due(empty, next_ms), told, emptied_ms=instant_ms)
        return Aged(flipped, told, ended_ms=instant_ms)

    def _own_due(self, profile: Profile) -> int | None:
        return None if self.ageing is None else self.ageing.end_ms(profile)

    def _due(self, profile: Profile, due_ms: int | None) -> Profile:
        """Return *profile* with the earlier of what is due of computed data and its lifetime."""
        found = [one for one in (due_ms, self._own_due(profile)) if one is not None]
        return with_due(profile, min(found, default=None))

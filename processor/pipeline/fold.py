"""The fold: decide the records of one poll batch and space in order over one view. Pure.

Later records see the effects of earlier ones. The changes and the profile that each record leaves
behind follow from its decision and from what it did to the view.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from processor.computed.definition import Scope
from processor.identity.change import Change, endings, identity_changes
from processor.identity.decision import Aliased, Decision
from processor.identity.filed import Filed
from processor.identity.former import note_former
from processor.identity.grave import Grave
from processor.identity.model import Identifier, IdentityPolicy, Space
from processor.identity.profile import Profile
from processor.identity.question import DocumentRules
from processor.identity.view import Edit, Effects, Outdated, ReadSet, View
from processor.pipeline.ageing import Ageing, ageing_of
from processor.pipeline.casework import grounds_of
from processor.pipeline.computing import Computing, computing_of, yield_room
from processor.pipeline.journal import Entry
from processor.pipeline.places import entered, place_edits
from processor.pipeline.timing import TimeRules
from processor.pipeline.work import Decided, FoldRules, Verdict, Work
from processor.privacy.receipt import Residues, no_residues
from processor.profiles.merging import combine
from processor.profiles.room import is_within
from processor.records import OutcomeName
from processor.rules import Limits, Rules, SpaceRules

VIOLATIONS = frozenset({"blocked", "bound", "mapping_limit"})
"""Reasons of skips that are violations too, each with a change event.

What flat matching demotes or leaves unmerged says its violation itself.
"""


class Folded(Struct):
    """The decisions of a batch and what they write; ``effects`` is None where nothing changed."""

    decided: list[Decided]
    effects: Effects | None


class Fold(Struct, frozen=True):
    """Folds batches of one space: its policy, its limits, and the token of an identifier."""

    space: Space
    policy: IdentityPolicy
    limits: Limits
    token: Callable[[Identifier], bytes]
    computing: Computing | None = None
    """None where the scope defines nothing to be computed."""
    residues: Residues = no_residues
    """Where else data of a person is."""
    ageing: Ageing | None = None
    """None where nobody ages."""

    @property
    def is_timed(self) -> bool:
        """Whether time alone can change anything of its profiles."""
        return self.computing is not None or self.ageing is not None

    def fold(self, works: Sequence[tuple[Work, bool]], read: ReadSet) -> Folded:
        """Decide works in order over *read*; raises Unread where more must be read first.

        Each comes with whether it is a duplicate: another record used its ``source_request_id``.
        Raises Outdated where remembered decisions must be taken anew.
        """
        lookups = frozenset(self.policy.priority)
        one_owner = self.policy.traits.has_one_owner
        view = View(read, lookups.__contains__, self.space, one_owner=one_owner)
        documents = DocumentRules(
            combine=partial(combine, limits=self.limits),
            fits=partial(is_within, most=self.limits.max_profile_bytes),
        )
        rules = FoldRules(self.policy, self.limits, documents, self.token, self.residues)
        decided: list[Decided] = []
        outdated: set[int] = set()
        for number, (work, is_duplicate) in enumerate(works):
            if is_duplicate:
                decided.append(_undecided(work, number, view, "duplicate"))
                continue
            try:
                decided.append(self._decide(work, number, view, rules))
            except Outdated as found:  # what else is outdated is found in the same pass
                outdated |= found.mpids
        if outdated:
            raise Outdated(outdated)
        effects = view.effects()
        if effects is not None and (self.is_timed or effects.graves):
            effects = entered(effects, read, self.limits.grave_days)
        return Folded(decided, effects)

    def time_rules(self, rules: Rules, key: bytes) -> TimeRules:
        """Return what time changes of the profiles that are decided about here.

        *key* keys receipts, numbers and digests of requests under privacy law.
        """
        scope = self.space.scope
        names = (i.workspace.name for i in rules.inputs.values() if i.workspace.scope == scope)
        return TimeRules(
            self.policy,
            next(names, scope),
            self.computing,
            self.ageing,
            self.limits.grave_days,
            grounds_of(scope, self.policy, rules, key, self.token),
            self.residues,
        )

    def _note(self, work: Work, verdict: Verdict, view: View) -> None:
        """Note with profiles what lifetimes and erasures will want to know of this record."""
        if self.ageing is not None:
            self.ageing.received(work, verdict, view)
        if work.rules.workspace.privacy is not None:
            note_former(view, self.policy, self.token)

    def _decide(self, work: Work, number: int, view: View, rules: FoldRules) -> Decided:
        verdict = work.content.decide(work, view, rules)
        decision = verdict.decision
        if decision is None and not verdict.receipts:
            return _undecided(work, number, view, verdict.outcome)
        if decision is not None and verdict.is_recalled:
            return _recalled(work, number, verdict, decision)
        self._note(work, verdict, view)
        computed = None if self.computing is None else self.computing.follow(work, verdict, view)
        if computed is None and view.record.before:
            yield_room(view, self.limits.max_profile_bytes)
        if self.is_timed:
            place_edits(view, self.ageing, is_computing=computed is not None)
        mpid = verdict.mpid
        asked = view.asked()
        burials = view.record.buried
        edits = view.end_record()
        profile = None if mpid is None else view.left_behind(mpid)
        documents: tuple[Profile | Grave | Filed, ...] = tuple([e.after for e in edits])
        changes = self._changes(decision, edits, profile)
        if type(decision) is Aliased:
            changes += _full(decision, view)
        if burials:
            documents += tuple([one.grave for one in burials])
            changes += tuple(endings(burials))
        if verdict.receipts:
            documents += tuple(view.files.filing.documents.values())
        entry = Entry(
            work.record.offset,
            verdict.outcome,
            verdict.reason,
            mpid,
            decision,
            changes,
            tuple([(one.mpid, one.version) for one in documents]),
            verdict.notifications,
            number,
            0,
            () if computed is None else computed.messages,
            verdict.receipts,
        )
        return Decided(
            work,
            entry,
            profile,
            documents,
            verdict.bounded,
            verdict,
            asked,
            computed=computed,
        )

    def _changes(
        self, decision: Decision | None, edits: tuple[Edit, ...], profile: Profile | None
    ) -> tuple[Change, ...]:
        skipped = () if decision is None else decision.skipped
        if not edits and not skipped:
            return ()
        return (
            *identity_changes(edits, self.policy, self.token),
            *[
                Change(
                    change="violation",
                    mpid=profile.mpid if profile else None,
                    version=profile.version if profile else None,
                    identity_type=skip.identity_type,
                    reason=skip.violation or skip.reason,
                )
                for skip in skipped
                if skip.violation is not None or skip.reason in VIOLATIONS
            ],
        )


def fold_of(
    its: SpaceRules,
    rules: Rules,
    scopes: Mapping[str, Scope],
    token: Callable[[Identifier], bytes],
    residues: Residues = no_residues,
) -> Fold:
    """Return what decides about the profiles of one space; *scopes* define what is computed."""
    policy, limits = its.policy, rules.limits
    ageing = None
    if its.lifetimes is not None:
        ageing = ageing_of(its.lifetimes, policy, limits)
    end_ms = _never if ageing is None else ageing.end_ms
    computing = computing_of(its.space.scope, scopes, rules, end_ms)
    return Fold(its.space, policy, limits, token, computing, residues, ageing)


def _never(_profile: Profile) -> None:
    """Return when the lifetime of a profile ends where nobody ages."""


def _full(decision: Aliased, view: View) -> tuple[Change, ...]:
    """Return the violation of an alias that a profile had no room for."""
    if decision.full_mpid is None:
        return ()
    profile = view.left_behind(decision.full_mpid)
    assert profile is not None
    return (Change("violation", profile.mpid, profile.version, reason=decision.reason),)


def _recalled(work: Work, number: int, verdict: Verdict, decision: Decision) -> Decided:
    """Return a record whose decision is remembered: nothing was read or written for it."""
    entry = Entry(
        work.record.offset,
        verdict.outcome,
        verdict.reason,
        verdict.mpid,
        decision,
        (),
        (),
        None,
        number,
        0,
    )
    return Decided(work, entry, None, (), verdict.bounded, verdict)


def _undecided(work: Work, number: int, view: View, outcome: OutcomeName) -> Decided:
    """Return a record for which nobody was to be resolved: it has an outcome, and no effect."""
    view.end_record()
    entry = Entry(
        offset=work.record.offset,
        outcome=outcome,
        reason=None,
        mpid=None,
        decision=None,
        changes=(),
        touched=(),
        notifications=None,
        position=number,
        seq=0,
    )
    return Decided(work, entry, None)

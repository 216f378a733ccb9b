"""The fold: decide the records of one poll batch and space in order over one view. Pure.

Later records see the effects of earlier ones. The outcome, the identity changes and the profile
that each record leaves behind follow from its decision and from what it did to the view.
"""

from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.change import Change, identity_changes
from processor.identity.decision import Decision, NotFound, Refused, Skip
from processor.identity.flat.merge import DocumentRules
from processor.identity.model import Identifier, IdentityPolicy, Space
from processor.identity.profile import Profile
from processor.identity.resolve import resolve
from processor.identity.view import Edit, Effects, ReadSet, View
from processor.pipeline.intake import Work
from processor.pipeline.journal import Entry
from processor.profiles.merging import combine
from processor.profiles.room import is_within
from processor.profiles.update import apply_batch
from processor.records import OutcomeName
from processor.rules import Limits

VIOLATIONS = frozenset({"blocked", "bound", "mapping_limit"})
"""Reasons of skips that are violations too, each with a change event.

What flat matching demotes or leaves unmerged says its violation itself.
"""


class Decided(Struct, gc=False):
    """A record with its journal entry, and its profile as it stands after its own effect."""

    work: Work
    entry: Entry
    profile: Profile | None
    documents: tuple[Profile, ...] = ()
    """The profiles that the record changed, as they stand after it: to be published."""
    bounded: int = 0
    """Attributes and devices of the record that a limit kept out."""


class Folded(Struct):
    """The decisions of a batch and what they write; ``effects`` is None where nothing changed."""

    decided: list[Decided]
    effects: Effects | None


class Folder(Struct, frozen=True):
    """Folds batches of one space: its policy, its limits, and the token of an identifier."""

    space: Space
    policy: IdentityPolicy
    limits: Limits
    token: Callable[[Identifier], bytes]

    def fold(self, works: Sequence[Work], duplicates: Sequence[bool], read: ReadSet) -> Folded:
        """Decide *works* in order over *read*; raises Unread where more must be read first."""
        lookups = frozenset(self.policy.priority)
        is_flat = self.policy.strategy == "flat_matching"
        view = View(read, lookups.__contains__, self.space, one_owner=is_flat)
        rules = DocumentRules(
            combine=partial(combine, limits=self.limits),
            fits=partial(is_within, most=self.limits.max_profile_bytes),
        )
        decided = [
            self._decide(work, place, view, rules, is_duplicate=duplicate)
            for place, (work, duplicate) in enumerate(zip(works, duplicates, strict=True))
        ]
        return Folded(decided, view.effects())

    def _decide(
        self, work: Work, place: int, view: View, rules: DocumentRules, *, is_duplicate: bool
    ) -> Decided:
        request = work.request
        if is_duplicate:
            return _plain(work, place, "duplicate")
        if request is None:
            return _plain(work, place, "forwarded")
        if request.action == "batch" and not request.identifiers and request.mpid is None:
            skipped = tuple(Skip(i.identity_type, reason) for i, reason in request.refused)
            decision: Decision = NotFound("no_identity", skipped=skipped)
        else:
            decision = resolve(request, view, self.policy, rules)
        mpid = None if isinstance(decision, NotFound | Refused) else decision.mpid
        notifications, bounded = None, 0
        if work.batch is not None and mpid is not None:
            notifications, bounded = self._store(work, view, mpid)
        edits = view.end_record()
        profile = None if mpid is None else view.exact(mpid)
        outcome, reason = outcome_of(work, decision)
        entry = Entry(
            offset=work.record.offset,
            outcome=outcome,
            reason=reason,
            mpid=mpid,
            decision=decision,
            changes=self._changes(decision, edits, profile),
            touched=tuple([(e.after.mpid, e.after.version) for e in edits]),
            notifications=notifications,
            position=place,
            seq=0,
        )
        return Decided(work, entry, profile, tuple([e.after for e in edits]), bounded)

    def _store(self, work: Work, view: View, mpid: int) -> tuple[bytes | None, int]:
        """Write the batch's attributes, consent and device to the profile."""
        profile = view.exact(mpid)
        assert work.batch is not None
        assert profile is not None
        applied = apply_batch(
            profile,
            work.rules,
            work.batch,
            received_ms=work.record.timestamp_ms,
            time_ms=work.time_ms,
            limits=self.limits,
        )
        after = applied.profile
        if after is not profile:
            if work.time_ms > after.last_seen_ms:
                after = replace(after, last_seen_ms=work.time_ms)
            view.put(after)
        return applied.notifications, applied.bounded + work.batch.bounded_attributes

    def _changes(
        self, decision: Decision, edits: tuple[Edit, ...], profile: Profile | None
    ) -> tuple[Change, ...]:
        if not edits and not decision.skipped:
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
                for skip in decision.skipped
                if skip.violation is not None or skip.reason in VIOLATIONS
            ],
        )


def outcome_of(work: Work, decision: Decision) -> tuple[OutcomeName, str | None]:
    """Say what becomes of a record for its decision."""
    if work.batch is None:
        return "answered", error_code(work, decision)
    if isinstance(decision, NotFound):
        return "dropped", decision.reason
    if isinstance(decision, Refused):
        return "dropped", "no_attachable_identity"
    if work.batch.has_events or work.rules.workspace.forward_empty_batches:
        return "forwarded", None
    return "stored", None


def error_code(work: Work, decision: Decision) -> str | None:
    """Return the code of the error that an identity request is answered with, if any."""
    if isinstance(decision, Refused):
        return decision.code
    is_search = work.request is not None and work.request.action == "search"
    return "NOT_FOUND_ERROR" if is_search and isinstance(decision, NotFound) else None


def _plain(work: Work, place: int, outcome: OutcomeName) -> Decided:
    entry = Entry(work.record.offset, outcome, None, None, None, (), (), None, place, 0)
    return Decided(work, entry, None)

"""Ageing: who is not heard of for a lifetime is forgotten (docs/lifetimes.md). Pure.

A lifetime is rolling: every receipt starts it again. Only a sweep ends it, so that neither an
outage of ours nor one of producers makes anybody age.
"""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from processor.identity.model import IdentityPolicy
from processor.identity.profile import Profile, WorkspaceData
from processor.identity.view import Edit, View, absorbed_by
from processor.pipeline.work import Verdict, Work
from processor.rules import Lifetimes, Limits


class Ageing(Struct, frozen=True):
    """When profiles of one space have aged, and how receipts keep them."""

    lifetimes: Lifetimes
    login_ids: Collection[str]
    resolution_ms: int
    """How much later a receipt must be to be noted."""

    def end_ms(self, profile: Profile) -> int | None:
        """Return when the lifetime of *profile* ends; None: never."""
        its = self.lifetimes
        if profile.merged_into is not None:
            return None
        if profile.more.emptied_ms is not None and its.keeps_identity:
            lifetime_ms = its.identity_ms
        elif any(i.identity_type in self.login_ids for i in profile.identities):
            lifetime_ms = its.known_ms
        else:
            lifetime_ms = its.anonymous_ms
        return stored_ms(profile) + lifetime_ms if lifetime_ms else None

    def received(self, work: Work, verdict: Verdict, view: View) -> None:
        """Note that a record was received of whoever it was attributed to, or has changed."""
        request = work.request
        if request is not None and (request.read_only or request.action == "search"):
            return
        now_ms = work.record.timestamp_ms
        edits = view.record.edits()
        for edit in edits:
            if edit.after.merged_into is None:
                self._note(edit.after, max(now_ms, _heard_before_ms(edit, edits)), 0, view)
        if verdict.mpid is not None and all(edit.after.mpid != verdict.mpid for edit in edits):
            confirmed = view.exact(verdict.mpid)
            if confirmed is not None:
                later_ms = max(now_ms, stored_ms(confirmed))
                self._note(confirmed, later_ms, self.resolution_ms, view)

    def _note(self, profile: Profile, heard_ms: int, resolution_ms: int, view: View) -> None:
        more = profile.more
        is_old = more.stored_ms is None or heard_ms - more.stored_ms > resolution_ms
        if is_old or more.emptied_ms is not None:
            view.put(replace(profile, more=replace(more, stored_ms=heard_ms, emptied_ms=None)))


def ageing_of(lifetimes: Lifetimes, policy: IdentityPolicy, limits: Limits) -> Ageing:
    """Return how profiles of a scope with *lifetimes* age."""
    return Ageing(lifetimes, policy.login_ids, limits.receipt_resolution_ms)


def stored_ms(profile: Profile) -> int:
    """Return when something was received of *profile* last, within a resolution."""
    found = profile.more.stored_ms
    return profile.last_seen_ms if found is None else found


def _heard_before_ms(edit: Edit, edits: Sequence[Edit]) -> int:
    """Return when something was received last of whom a record has changed, or merged into them.

    A record that has waited may be older than that, and take nothing of anybody's lifetime.
    """
    own = () if edit.before is None else (edit.before,)
    members = (*own, *absorbed_by(edit.after.mpid, edits))
    return max([stored_ms(one) for one in members], default=0)


def with_due(profile: Profile, due_ms: int | None) -> Profile:
    """Return *profile* with another due."""
    if profile.more.due_ms == due_ms:
        return profile
    return replace(profile, more=replace(profile.more, due_ms=due_ms))


def emptied(profile: Profile, time_ms: int) -> Profile:
    """Return *profile* without what was known of the person but for who it is.

    Identities, consent (a refusal must not turn into silence), links, aliases and when the person
    was first seen stay.
    """
    more = replace(profile.more, stamp=b"", due_ms=None, bucket=None, emptied_ms=time_ms)
    return replace(profile, workspaces=_consents(profile.workspaces), more=more)


def _consents(workspaces: Mapping[str, WorkspaceData]) -> dict[str, WorkspaceData]:
    return {
        name: WorkspaceData(consent_state=data.consent_state)
        for name, data in workspaces.items()
        if data.consent_state
    }

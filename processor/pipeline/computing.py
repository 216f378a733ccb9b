"""What a record changes of calculated attributes and audiences: evaluated in the fold. Pure.

``computed`` has the rules and knows no profiles; here they meet (docs/computed.md, "Evaluation").
Whoever a record was attributed to or changed is evaluated after everything else was decided, over
the same view, and what is computed is written to the profile in the same step.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from processor.computed.announcement import farewell
from processor.computed.definition import Definitions, Scope
from processor.computed.evaluate import Evaluation, advance, evaluate, is_settled
from processor.computed.message import AudienceChange, Reason, bounded
from processor.computed.occasion import FactsChange, Leaver, Occasion
from processor.computed.situation import Facts
from processor.computed.state import Standing
from processor.computed.striking import struck
from processor.identity.alike import is_alike
from processor.identity.profile import (
    NO_DATA,
    Computed,
    Profile,
    WorkspaceData,
    current_by_type,
)
from processor.identity.view import Burial, Edit, View, absorbed_by
from processor.pipeline.work import Computation, Verdict, Work
from processor.profiles.room import has_room, room_for_computed, without_computed
from processor.rules import Rules

_ASKS_ONLY: Final = "search"


NOTHING: Final = Computation()


class Computing(Struct, frozen=True):
    """Evaluates persons of one space by the definitions of its scope."""

    scope: Scope
    most: int
    """``limits.max_profile_bytes``: what is computed yields to everything else."""
    sole: str | None = None
    """The only workspace of the scope, where there is one: everybody was seen there."""
    end_ms: Callable[[Profile], int | None] = lambda _: None
    """Returns when the lifetime of a profile ends."""

    def follow(self, work: Work, verdict: Verdict, view: View) -> Computation:
        """Evaluate whoever *work* was about or has changed, and write to *view* what follows."""
        request = work.request
        is_question = request is not None and (request.read_only or request.action == _ASKS_ONLY)
        if is_question:
            return NOTHING
        changed = {edit.after.mpid: edit for edit in view.record.edits()}
        found = _departures(self, work, verdict, view)
        persons = [verdict.mpid] if verdict.mpid is not None else []
        persons += [
            mpid for mpid, edit in changed.items() if _is_left(edit) and mpid not in persons
        ]
        for mpid in persons:
            after = view.exact(mpid)
            if after is not None:
                edit = changed.get(mpid) or Edit(after, after)
                absorbed = absorbed_by(mpid, changed.values())
                found.append(self._person(work, verdict, edit, absorbed, view))
        return found[0] if len(found) == 1 else _together(found)

    def farewells(
        self, burials: Iterable[Burial], now_ms: int
    ) -> tuple[tuple[AudienceChange, ...], int]:
        """Return what is told of profiles that end, and how many contents a bound kept out.

        They leave every audience, and each message carries what was true before.
        """
        found: list[AudienceChange] = []
        without = 0
        for burial in burials:
            if burial.before.merged_into is None:
                left, bare = self.left(burial.before, now_ms, burial.grave.why)
                found += left
                without += bare
        return tuple(found), without

    def left(
        self, profile: Profile, now_ms: int, reason: Reason
    ) -> tuple[tuple[AudienceChange, ...], int]:
        """Return what is told where *profile* leaves every audience, as above."""
        return bounded(farewell(self.scope, self._leaver(profile), now_ms, reason))

    def _person(
        self,
        work: Work,
        verdict: Verdict,
        edit: Edit,
        absorbed: Sequence[Profile],
        view: View,
    ) -> Computation:
        """Evaluate one person: who the record was attributed to, or somebody else it changed."""
        before, after = edit.before, edit.after
        is_own = after.mpid == verdict.mpid
        workspace = work.rules.workspace.name if is_own else None
        standing = standing_of(after)
        occasion = Occasion(
            after.mpid,
            work.record.timestamp_ms,
            "merge" if absorbed else "record",
            workspace,
            verdict.matches if is_own else (),
        )
        is_changed = after is not before
        if is_settled(self.scope, standing, occasion, is_changed=is_changed or bool(absorbed)):
            return NOTHING
        facts = self._changes(before, after, workspace)
        if not is_own and not absorbed and all(one.before is one.after for one in facts.values()):
            return NOTHING  # it was touched, and nothing that definitions look at is another
        if absorbed:
            occasion = replace(occasion, absorbed=[self._leaver(one) for one in absorbed])
        stored, evaluation = self._evaluated(after, occasion, facts)
        if evaluation.is_changed or is_changed:
            if is_own and not is_changed:
                stored = replace(stored, last_seen_ms=max(stored.last_seen_ms, work.time_ms))
            view.put(stored)
        definitions = self.scope.workspaces.get(workspace or "")
        hidden = 0 if definitions is None else _hidden(definitions, before, after)
        return Computation(evaluation.messages, evaluation.bounded, evaluation.wrote, hidden)

    def _evaluated(
        self, profile: Profile, occasion: Occasion, facts: Mapping[str, FactsChange]
    ) -> tuple[Profile, Evaluation]:
        """Return *profile* with what is computed of it, within its bounds."""
        standing = standing_of(profile)
        room = room_for_computed(profile, self.most)
        occasion = replace(occasion, room=room, own_due_ms=self.end_ms(profile))
        evaluation = evaluate(self.scope, standing, occasion, facts)
        stored = with_standing(profile, evaluation.standing)
        if room is None or has_room(stored, self.most):
            return stored, evaluation
        return self._forgotten(profile, occasion, facts, evaluation)

    def _forgotten(
        self,
        profile: Profile,
        occasion: Occasion,
        facts: Mapping[str, FactsChange],
        evaluation: Evaluation,
    ) -> tuple[Profile, Evaluation]:
        """Return *profile* without what is computed: other data has taken its room.

        The person leaves every audience, so that nobody downstream keeps a member whom the profile
        does not know any more.
        """
        had = standing_of(profile)
        leaver = Leaver(profile.mpid, had, {name: one.before for name, one in facts.items()})
        now_ms = evaluation.standing.clock_ms
        absorbed = [one for one in evaluation.messages if one.mpid != profile.mpid]
        left, without = bounded((*absorbed, *farewell(self.scope, leaver, now_ms, occasion.reason)))
        standing = Standing(
            now_ms,
            None,
            self.scope.stamp,
            dict.fromkeys(evaluation.standing.workspaces, Computed()),
        )
        stored = with_standing(profile, standing)
        if not has_room(stored, self.most):
            stored, standing = without_computed(profile), Standing()
        is_changed = stored != profile
        return stored, Evaluation(standing, is_changed, left, evaluation.bounded + without + 1)

    # ---- by time alone ------------------------------------------------------------------------

    def swept(
        self, profile: Profile, until_ms: int, end_ms: int | None = None
    ) -> tuple[Profile, Evaluation]:
        """Do all of *profile* that is due by *until_ms*, each at its own instant, in order.

        Where its lifetime ends by then, *end_ms* says when: nothing is done that is due later.
        """
        facts = self._facts(profile, None)
        found = advance(self.scope, standing_of(profile), profile.mpid, until_ms, facts, end_ms)
        if not found.is_changed:
            return profile, found
        stored = with_standing(profile, found.standing)
        if room_for_computed(profile, self.most) is None or has_room(stored, self.most):
            return stored, found
        occasion = Occasion(profile.mpid, found.standing.clock_ms, "time")
        changes = {name: FactsChange(one, one) for name, one in facts.items()}
        return self._forgotten(profile, occasion, changes, found)

    def renewed(self, profile: Profile, as_of_ms: int) -> tuple[Profile, Evaluation]:
        """Do what is due of *profile*, then bring it up to the definitions as they are now."""
        due, first = self.swept(profile, as_of_ms)
        facts = {name: FactsChange(one, one) for name, one in self._facts(due, None).items()}
        occasion = Occasion(due.mpid, as_of_ms, "definition")
        due_ms = first.standing.due_ms
        if not facts or (due_ms is not None and due_ms <= as_of_ms):
            return due, first  # nobody was seen there; or more is due than one sweep does
        stored, then = self._evaluated(due, occasion, facts)
        if not then.is_changed:
            return due, first
        messages = (*first.messages, *then.messages)
        return stored, replace(then, messages=messages, bounded=first.bounded + then.bounded)

    # ---- what is known of a person ------------------------------------------------------------

    def _seen(self, profile: Profile, workspace: str | None) -> Iterator[str]:
        """Yield the workspaces with definitions whose records have touched a person."""
        for name in self.scope.workspaces:
            if name in (workspace, self.sole) or name in profile.workspaces:
                yield name

    def _facts(self, profile: Profile, workspace: str | None) -> dict[str, Facts]:
        return {name: facts_of(profile, name) for name in self._seen(profile, workspace)}

    def _changes(
        self, before: Profile | None, after: Profile, workspace: str | None
    ) -> dict[str, FactsChange]:
        """Return what each workspace knew and knows; one object for both where that is the same."""
        changes = {}
        for name, known in self._facts(after, workspace).items():
            had = known
            if before is not after:
                had = Facts() if before is None else facts_of(before, name)
                if had == known and _is_same_data(before, after, name):
                    had = known
            changes[name] = FactsChange(had, known)
        return changes

    def _leaver(self, profile: Profile) -> Leaver:
        return Leaver(profile.mpid, standing_of(profile), self._facts(profile, None))


def computing_of(
    scope: str,
    scopes: Mapping[str, Scope],
    rules: Rules,
    end_ms: Callable[[Profile], int | None] = lambda _: None,
) -> Computing | None:
    """Return what evaluates persons of *scope*; None where it defines nothing."""
    found = scopes.get(scope)
    if found is None:
        return None
    names = {one.workspace.name for one in rules.inputs.values() if one.workspace.scope == scope}
    sole = names.pop() if len(names) == 1 else None
    return Computing(found, rules.limits.max_profile_bytes, sole, end_ms)


def struck_off(scope: Scope, profile: Profile) -> Profile:
    """Return *profile* without what no definition of *scope* is about; itself if all is theirs."""
    workspaces = {}
    for name, data in profile.workspaces.items():
        computed, definitions = data.more.computed, scope.workspaces.get(name)
        if computed is None:
            continue
        kept = None if definitions is None else struck(definitions, computed)
        if kept is not computed:
            workspaces[name] = replace(data, more=replace(data.more, computed=kept))
    if not workspaces:
        return profile
    return replace(profile, workspaces={**profile.workspaces, **workspaces})


def definitions_of(scopes: Mapping[str, Scope]) -> dict[str, Definitions]:
    """Return what workspaces define, by their names."""
    return {name: one for scope in scopes.values() for name, one in scope.workspaces.items()}


def yield_room(view: View, most: int) -> None:
    """Take what was computed from profiles of a record that have no room for it any more.

    It yields to everything else also where nothing is defined any more, and nobody is evaluated.
    """
    for profile in view.record.written():
        if profile.more.stamp and not has_room(profile, most):
            view.put(without_computed(profile))


def standing_of(profile: Profile) -> Standing:
    """Return what is computed of *profile*."""
    more = profile.more
    workspaces = {
        name: data.more.computed
        for name, data in profile.workspaces.items()
        if data.more.computed is not None
    }
    return Standing(more.clock_ms, more.due_ms, more.stamp, workspaces)


def with_standing(profile: Profile, standing: Standing) -> Profile:
    """Return *profile* with *standing* as what is computed of it."""
    workspaces = dict(profile.workspaces)
    for name, computed in standing.workspaces.items():
        data = workspaces.get(name, NO_DATA)
        if data.more.computed is not computed:
            workspaces[name] = replace(data, more=replace(data.more, computed=computed))
    more = replace(
        profile.more,
        clock_ms=standing.clock_ms,
        due_ms=standing.due_ms,
        stamp=standing.stamp,
    )
    return replace(profile, workspaces=workspaces, more=more)


def facts_of(profile: Profile, workspace: str) -> Facts:
    """Return what *workspace* knows of a person besides events."""
    data: WorkspaceData = profile.workspaces.get(workspace, NO_DATA)
    current = current_by_type(profile.identities)
    return Facts(
        attributes={name: one.value for name, one in data.attributes.items()},
        identities=[(one.identity_type, one.value) for one in profile.identities],
        current={kind: one.value for kind, one in current.items()},
        consent_state=data.consent_state,
        devices=[{**one.info, **one.ids} for one in data.devices],
        first_seen_ms=profile.first_seen_ms,
    )


def _is_same_data(before: Profile | None, after: Profile, workspace: str) -> bool:
    """Whether equal facts are the same: for Python, true is 1."""
    old = None if before is None else before.workspaces.get(workspace)
    new = after.workspaces.get(workspace)
    if old is new or old is None or new is None:
        return True
    return (
        (old.attributes is new.attributes or is_alike(_values(old), _values(new)))
        and is_alike(old.consent_state, new.consent_state)
        and (old.devices is new.devices or is_alike(_infos(old), _infos(new)))
    )


def _values(data: WorkspaceData) -> dict[str, Any]:
    return {name: one.value for name, one in data.attributes.items()}


def _infos(data: WorkspaceData) -> list[Any]:
    return [one.info for one in data.devices]


def partings(
    computing: Computing, edits: Iterable[Edit], workspace: str, now_ms: int
) -> tuple[tuple[AudienceChange, ...], int]:
    """Return what is told of profiles that a request takes the data of one workspace from."""
    found: list[AudienceChange] = []
    without = 0
    for before in (edit.before for edit in edits):
        if before is not None and workspace in before.workspaces:
            its = replace(before, workspaces={workspace: before.workspaces[workspace]})
            left, bare = computing.left(its, now_ms, "erased")
            found += left
            without += bare
    return tuple(found), without


def _departures(
    computing: Computing, work: Work, verdict: Verdict, view: View
) -> list[Computation]:
    """Return what is told of those whom a record ends, or takes the data of its workspace from."""
    now_ms = work.record.timestamp_ms
    ended = computing.farewells(view.record.buried, now_ms)
    found = [Computation(*ended)] if ended[0] else []
    if verdict.receipts:
        name = work.rules.workspace.name
        found.append(Computation(*partings(computing, view.record.edits(), name, now_ms)))
    return found


def _is_left(edit: Edit) -> bool:
    """Whether a record has changed somebody who is still there."""
    return edit.after.merged_into is None


def _together(found: Iterable[Computation]) -> Computation:
    """Return what was computed of several persons for one record."""
    whole = Computation()
    for one in found:
        whole.messages += one.messages
        whole.bounded += one.bounded
        whole.wrote |= one.wrote
        whole.hidden += one.hidden
    return whole


def _hidden(definitions: Definitions, before: Profile | None, after: Profile) -> int:
    """Return how many user attributes were written that a calculated one hides."""
    if before is after:
        return 0
    old = NO_DATA if before is None else before.workspaces.get(definitions.workspace, NO_DATA)
    new = after.workspaces.get(definitions.workspace, NO_DATA)
    if old.attributes is new.attributes:
        return 0
    names = definitions.calculated
    return sum(old.attributes.get(name) != new.attributes.get(name) for name in names)

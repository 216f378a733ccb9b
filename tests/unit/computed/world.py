"""A person whose records and sweeps are played, stored and read between any two steps."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from processor.computed.definition import Scope, scope_of
from processor.computed.evaluate import Evaluation, advance, evaluate, is_settled
from processor.computed.membership import shown
from processor.computed.message import AudienceChange
from processor.computed.occasion import FactsChange, Leaver, Occasion
from processor.computed.reading import Source, matches
from processor.computed.selector import Match
from processor.computed.situation import Facts
from processor.computed.state import Standing
from processor.computed.striking import struck
from processor.computed.workspace import values_at
from processor.identity.profile import Profile, WorkspaceData, WorkspaceMore
from processor.identity.types import canonical_type
from processor.profiles.document import from_json, pack, to_json, unpack
from processor.settings.computed import DefinitionReader
from processor.settings.conversion import convert
from processor.settings.sections import WorkspaceSettings

WORKSPACE = "shop"
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_767_225_600_000
"""2026-01-01, where all stories begin."""


def compiled(
    *documents: str | Mapping[str, Any],
    max_bytes: int = 16_384,
    names: Sequence[str] = (WORKSPACE,),
    inputs: Mapping[str, str] | None = None,
) -> Scope:
    """Return the scope of workspaces with these tables, TOML or parsed, in order of *names*."""
    inputs = {"default": names[0]} if inputs is None else inputs
    reader = DefinitionReader(inputs, max_bytes)
    found = []
    for name, document in zip(names, documents, strict=True):
        tables = tomllib.loads(document) if isinstance(document, str) else document
        written = convert(dict(tables), WorkspaceSettings, f"workspaces.{name}")
        found.append(reader.workspace(name, written, canonical_type))
    scope = scope_of(found, max_bytes)
    assert scope is not None
    return scope


def event(name: str = "Order", at: int | None = None, **attributes: Any) -> dict[str, Any]:
    """Return a custom event; *at* is its own time after START."""
    data = {"event_name": name, "custom_event_type": "other", "custom_attributes": attributes}
    if at is not None:
        data["timestamp_unixtime_ms"] = START + at
    return {"event_type": "custom_event", "data": data}


def purchase(
    *products: Mapping[str, Any], action: str = "purchase", **fields: Any
) -> dict[str, Any]:
    """Return a commerce event on *products*."""
    done = {"action": action, "products": list(products), **fields}
    return {"event_type": "commerce_event", "data": {"product_action": done}}


def stored(standing: Standing) -> Standing:
    """Return *standing* as it comes back from the index and from the topic, which agree."""
    workspaces = {
        name: WorkspaceData(more=WorkspaceMore(computed=computed))
        for name, computed in standing.workspaces.items()
    }
    profile = Profile("s", "production", 1, 1, 0, 0, workspaces=workspaces)
    packed, published = unpack(pack(profile)), from_json(to_json(profile))
    assert packed == published == profile
    found = {name: one.more.computed for name, one in packed.workspaces.items()}
    return Standing(standing.clock_ms, standing.due_ms, standing.stamp, found)


class Person:
    """One person in a scope: what is stored, and what was told of them."""

    def __init__(self, scope: Scope, mpid: int = 1, seen: int = 0, workspace: str = WORKSPACE):
        self.scope = scope
        self.mpid = mpid
        self.workspace = workspace
        self.facts = {workspace: Facts(first_seen_ms=START + seen)}
        self.standing = Standing()
        self.told: list[AudienceChange] = []
        self.wrote = False
        self.bounded = 0

    def record(
        self,
        at: int,
        *events: Mapping[str, Any],
        input: str = "default",  # noqa: A002 - the word of the configuration
        **changed: Any,
    ) -> list[AudienceChange]:
        """Take a record with events and changed facts; return what it told."""
        definitions = self.scope.workspaces[self.workspace]
        source = Source(input, START + at)
        found = matches(definitions, msgspec.json.encode(events), source)
        return self.happen(at, found, (), **changed)

    def absorb(
        self, at: int, *others: "Person", events: Sequence[Any] = ()
    ) -> list[AudienceChange]:
        """Take a record that merges *others* into this person; return what it told."""
        absorbed = [Leaver(other.mpid, other.standing, other.facts) for other in others]
        definitions = self.scope.workspaces[self.workspace]
        source = Source("default", START + at)
        found = matches(definitions, msgspec.json.encode(events), source)
        return self.happen(at, found, absorbed)

    def happen(
        self, at: int, found: Sequence[Match], absorbed: Sequence[Leaver], **changed: Any
    ) -> list[AudienceChange]:
        before = self.facts
        facts = msgspec.structs.replace(before[self.workspace], **changed)
        # For Python true is 1.
        is_changed = msgspec.json.encode(facts) != msgspec.json.encode(before[self.workspace])
        if is_changed:
            self.facts = {**before, self.workspace: facts}
        reason = "merge" if absorbed else "record"
        occasion = Occasion(self.mpid, START + at, reason, self.workspace, found, absorbed)
        changes = {name: FactsChange(before[name], self.facts[name]) for name in self.facts}
        outcome = evaluate(self.scope, self.standing, occasion, changes)
        self.check_by_looking_at_all(outcome, occasion, changes)
        if is_settled(self.scope, self.standing, occasion, is_changed=is_changed):
            assert not outcome.is_changed
            assert outcome.messages == ()
            self.wrote = False
            return []
        return self._take(outcome, is_changed=is_changed)

    def check_by_looking_at_all(
        self, outcome: Evaluation, occasion: Occasion, changes: Mapping[str, FactsChange]
    ) -> None:
        """Assert that nothing was left out: as if the person had been unknown to the stamp."""
        standing = msgspec.structs.replace(self.standing, stamp=b"")
        whole = evaluate(self.scope, standing, occasion, changes)
        assert whole.standing == outcome.standing
        assert whole.messages == outcome.messages

    def sweep(self, at: int) -> list[AudienceChange]:
        """Do all that is due by *at*; return what it told."""
        return self._take(
            advance(self.scope, self.standing, self.mpid, START + at, self.facts), is_changed=False
        )

    def recompute(self, at: int) -> list[AudienceChange]:
        """Do what ``idstream recompute`` does to a person; return what it told."""
        told = self.sweep(at)
        changes = {name: FactsChange(one, one) for name, one in self.facts.items()}
        occasion = Occasion(self.mpid, START + at, "definition")
        outcome = evaluate(self.scope, self.standing, occasion, changes)
        was, told = self.standing, [*told, *self._take(outcome, is_changed=False)]
        workspaces = {
            name: struck(self.scope.workspaces[name], one)
            for name, one in self.standing.workspaces.items()
        }
        self.standing = stored(msgspec.structs.replace(self.standing, workspaces=workspaces))
        self.wrote = self.standing != was
        return told

    def _take(self, outcome: Evaluation, *, is_changed: bool) -> list[AudienceChange]:
        self.wrote = outcome.is_changed or is_changed
        self.bounded += outcome.bounded
        assert self.wrote or outcome.messages == ()
        if self.wrote:
            self.standing = stored(outcome.standing)
        self.told += outcome.messages
        return list(outcome.messages)

    def values(self, at: int) -> dict[str, Any]:
        """Return the calculated attributes that a batch at *at* shows."""
        computed = self.standing.workspaces[self.workspace]
        now_ms = max(START + at, self.standing.clock_ms)
        return values_at(self.scope.workspaces[self.workspace], computed, now_ms)

    def audiences(self) -> list[str]:
        """Return the audiences that outputs show."""
        computed = self.standing.workspaces[self.workspace]
        return list(shown(self.scope.workspaces[self.workspace], computed.audiences))

    @property
    def due(self) -> int | None:
        """When time alone changes something next, after START."""
        return None if self.standing.due_ms is None else self.standing.due_ms - START


def flips(messages: Sequence[AudienceChange]) -> list[tuple[str, str, int]]:
    """Return change, audience and instant after START of *messages*."""
    return [(one.change, one.audience, one.timestamp_ms - START) for one in messages]

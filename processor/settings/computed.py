"""Definitions as ``load`` compiles them: of events, calculated attributes and audiences."""

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from processor.computed.attribute import CalculatedAttribute
from processor.computed.definition import (
    Audience,
    Definitions,
    Listed,
    Scope,
    conflicts,
    definitions,
    listing,
    remembered,
    scope_of,
)
from processor.computed.direction import Direction
from processor.identity.types import canonical_type
from processor.rules import InputRules, WorkspaceRules
from processor.settings.audiences import AudienceReader, AudienceSettings
from processor.settings.calculated import CalculatedSettings, calculated
from processor.settings.error import Mistakes
from processor.settings.events import SelectorSettings, selectors


class WrittenDefinitions(Protocol):
    """What one workspace defines, as written."""

    @property
    def events(self) -> Mapping[str, SelectorSettings]:
        """The selectors by name."""

    @property
    def calculated(self) -> Mapping[str, CalculatedSettings]:
        """The calculated attributes by name."""

    @property
    def audiences(self) -> Mapping[str, AudienceSettings]:
        """The audiences by name."""


class DefinitionReader(Struct, frozen=True):
    """Compiles what workspaces define."""

    inputs: Mapping[str, str]
    """The workspace of each input, by its name."""
    max_bytes: int
    """``limits.max_computed_bytes``."""

    def workspace(
        self, name: str, written: WrittenDefinitions, identity_type: Callable[[str], str | None]
    ) -> Definitions:
        """Return the definitions of a workspace; SettingsError names all that cannot be.

        *identity_type* tells the canonical type that a name spells there, None where it is none.
        """
        path = f"workspaces.{name}"
        found = selectors(written.events, self.inputs, name)
        mistakes = Mistakes()
        attributes: Mapping[str, CalculatedAttribute] = {}
        audiences: Mapping[str, Audience] = {}
        with mistakes.noted():
            attributes = calculated(written.calculated, found, path, self.max_bytes)
        with mistakes.noted():
            audiences = AudienceReader(
                f"{path}.audiences", written.audiences, found, identity_type, self.max_bytes
            ).read()
        mistakes.check()
        running = [
            one for key, one in audiences.items() if written.audiences[key].status != "draft"
        ]
        return definitions(name, found.values(), attributes.values(), running)


def computed_scopes(
    written: Mapping[str, WrittenDefinitions],
    rules: Mapping[str, WorkspaceRules],
    inputs: Mapping[str, InputRules],
    max_bytes: int,
) -> dict[str, Scope]:
    """Return what each identity scope defines; those that define nothing are left out."""
    reader = DefinitionReader({n: one.workspace.name for n, one in inputs.items()}, max_bytes)
    by_scope: dict[str, list[Definitions]] = {}
    mistakes = Mistakes()
    for name, workspace in rules.items():
        with mistakes.noted():
            found = reader.workspace(name, written[name], _identity_types(workspace))
            by_scope.setdefault(workspace.scope, []).append(found)
    mistakes.check()
    scopes = {scope: scope_of(found, max_bytes) for scope, found in by_scope.items()}
    return {name: scope for name, scope in scopes.items() if scope is not None}


def meanings(scope: Scope, known: Mapping[str, Listed]) -> dict[str, Listed]:
    """Return what an index is to remember after a start: of each name the higher version.

    SettingsError names every definition whose meaning is another than the *known* one of its
    version: what is stored under that version would be taken for what it is not.
    """
    found, mistakes = dict(known), Mistakes()
    for name, workspace in scope.workspaces.items():
        mark = f"{name}/"
        its = {k.removeprefix(mark): one for k, one in known.items() if k.startswith(mark)}
        own = listing(workspace)
        for line in conflicts(name, its, own):
            mistakes.tell(line)
        found |= {f"{mark}{key}": one for key, one in remembered(its, own).items()}
    mistakes.check()
    return found


def dropped(scope: Scope | None, known: Mapping[str, Listed]) -> frozenset[str]:
    """Return the *known* names of an index that *scope* does not define, None: defines nothing."""
    workspaces = {} if scope is None else scope.workspaces
    own = {f"{name}/{key}" for name, one in workspaces.items() for key in listing(one)}
    return frozenset(known.keys() - own)


def needs_time(scope: Scope) -> str | None:
    """Return the path of a definition that time alone can change, None where there is none."""
    for name, workspace in scope.workspaces.items():
        for audience in workspace.audiences.values():
            if workspace.needs[audience.name].direction is not Direction.NEITHER:
                return f"workspaces.{name}.audiences.{audience.name}"
        for attribute in workspace.windowed:
            if attribute.is_prompt:
                return f"workspaces.{name}.calculated.{attribute.name}"
    return None


def _identity_types(workspace: WorkspaceRules) -> Callable[[str], str | None]:
    if workspace.policy.strategy != "flat_matching":
        return canonical_type
    names = workspace.policy.priority
    return lambda name: name if name in names else None

"""Definitions of a workspace and of a scope, compiled once when the configuration is loaded."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from processor.computed.attribute import CalculatedAttribute, Interest, interest_of
from processor.computed.core import Core, shared
from processor.computed.criterion import (
    AgedCount,
    AttributeFits,
    AudienceFits,
    Criterion,
    EventCount,
    cores_of,
    leaves,
)
from processor.computed.direction import Direction, direction_of
from processor.computed.fingerprint import STAMP_BYTES, fingerprint
from processor.computed.selector import Selector
from processor.computed.turning import Turning, turning_of

Status = Literal["active", "draft", "retired"]
MOST_WORDS: Final = 8
"""For how many texts events are searched before they are read."""


class Audience(Struct, frozen=True):
    """An audience: a rule, and what its messages carry."""

    name: str
    version: int
    criterion: Criterion
    mark: bytes
    """The fingerprint of its meaning."""
    is_retired: bool = False
    """Nobody fits any more."""
    is_published: bool = True
    identities: tuple[str, ...] = ()
    """Types whose current values its messages carry."""
    attributes: tuple[str, ...] = ()


class Needs(Struct, frozen=True):
    """What the answer of a criterion depends on, besides the time."""

    keys: frozenset[str | bytes]
    """Names of calculated attributes, and keys of cores."""
    has_facts: bool
    direction: Direction
    """Which way time alone can turn it."""
    turning: Turning | None
    """When it turns, where it can turn once."""


class Use(Struct, frozen=True):
    """A selector with everything that wants its events."""

    selector: Selector
    attributes: tuple[tuple[CalculatedAttribute, int], ...]
    """Each with the place of what it looks for among the interests."""
    interests: tuple[Interest, ...]
    """What attributes look for in an event, each thing once."""
    cores: tuple[Core, ...]


class Definitions(Struct, frozen=True):
    """What one workspace computes: all that is active or retired; drafts are not here."""

    workspace: str
    uses: Mapping[str, Use]
    """By the name of the selector; those alone that something uses."""
    by_type: Mapping[str, tuple[Selector, ...]]
    """The selectors in use that could want an event, by its type; those for any at the end."""
    anywhere: tuple[Selector, ...]
    """The selectors in use for events of any type."""
    words: tuple[bytes, ...] | None
    """Texts of which one stands in every event that a selector in use could want; None: unknown."""
    calculated: Mapping[str, CalculatedAttribute]
    """By name, in the order of the configuration."""
    audiences: Mapping[str, Audience]
    """By name, in the order of the names."""
    cores: Mapping[bytes, Core]
    needs: Mapping[str, Needs]
    """What each audience looks at, by its name."""
    watching: Mapping[str | bytes, tuple[Audience, ...]]
    """The audiences that look at a calculated attribute, by its name, or at a core, by its key."""
    factual: tuple[Audience, ...]
    """The audiences that look at anything else of a person."""
    windowed: tuple[CalculatedAttribute, ...]
    """The attributes that time alone may change."""
    prompt: tuple[CalculatedAttribute, ...]
    """The attributes whose stored value changes when time alone changes it."""
    carrying: tuple[Audience, ...]
    """The published audiences whose messages carry something."""

    def wants(self, event_type: str) -> tuple[Selector, ...]:
        """Return the selectors that could want an event of this type."""
        return self.by_type.get(event_type, self.anywhere)


class Scope(Struct, frozen=True):
    """The definitions of all workspaces of an identity scope: a person has one clock for all."""

    workspaces: Mapping[str, Definitions]
    stamp: bytes
    max_bytes: int = 16_384
    """``limits.max_computed_bytes``: packed values, memberships and state of one workspace."""


class Listed(Struct, frozen=True, array_like=True):
    """What an index remembers of a definition: which meaning a version has."""

    version: int
    mark: bytes


def audience_mark(criterion: Criterion) -> bytes:
    """Return the fingerprint of an audience's meaning."""
    return fingerprint(criterion.meaning)


def definitions(
    workspace: str,
    selectors: Iterable[Selector],
    calculated: Iterable[CalculatedAttribute],
    audiences: Sequence[Audience],
) -> Definitions:
    """Compile what a workspace defines; drafts are to be left out."""
    attributes = {attribute.name: attribute for attribute in calculated}
    active = [one.criterion for one in audiences if not one.is_retired]
    cores = shared(cores_of(active))
    uses = {
        selector.name: _use(selector, attributes.values(), cores.values()) for selector in selectors
    }
    uses = {name: use for name, use in uses.items() if use.attributes or use.cores}
    wanted = [use.selector for use in uses.values()]
    named = {one.name: one for one in sorted(audiences, key=lambda one: one.name)}
    types = {kind for selector in wanted for kind in selector.types or ()}
    needs = {name: needs_of(one.criterion, attributes) for name, one in named.items()}
    keys = {key for need in needs.values() for key in need.keys}
    return Definitions(
        workspace=workspace,
        uses=uses,
        by_type={t: tuple(s for s in wanted if s.types is None or t in s.types) for t in types},
        anywhere=tuple(selector for selector in wanted if selector.types is None),
        words=_words(wanted),
        calculated=attributes,
        audiences=named,
        cores=cores,
        needs=needs,
        watching={k: tuple(named[n] for n, need in needs.items() if k in need.keys) for k in keys},
        factual=tuple(named[name] for name, need in needs.items() if need.has_facts),
        windowed=tuple(one for one in attributes.values() if one.window is not None),
        prompt=tuple(one for one in attributes.values() if one.is_prompt),
        carrying=tuple(
            one for one in named.values() if one.is_published and (one.identities or one.attributes)
        ),
    )


def _words(selectors: Iterable[Selector]) -> tuple[bytes, ...] | None:
    """Return the texts that *selectors* look for; None where they look for anything, or for many.

    To look for many takes longer than to read the events.
    """
    found: set[str] = set()
    for one in selectors:
        if one.words is None:
            return None
        found |= one.words
    return tuple(word.encode() for word in sorted(found)) if len(found) <= MOST_WORDS else None


def _use(
    selector: Selector, attributes: Iterable[CalculatedAttribute], cores: Iterable[Core]
) -> Use:
    own = [(one, interest_of(one)) for one in attributes if one.event == selector.name]
    interests = tuple(dict.fromkeys(interest for _, interest in own))
    return Use(
        selector,
        tuple((one, interests.index(interest)) for one, interest in own),
        interests,
        tuple(core for core in cores if core.selector == selector.name),
    )


def needs_of(criterion: Criterion, attributes: Mapping[str, CalculatedAttribute]) -> Needs:
    """Return what *criterion* looks at, where *attributes* are the calculated ones."""
    keys: set[str | bytes] = set()
    has_facts = False
    for leaf in leaves(criterion):
        if isinstance(leaf, EventCount | AgedCount):
            keys.add(leaf.core.key)
        elif isinstance(leaf, AttributeFits) and leaf.name in attributes:
            keys.add(leaf.name)
        elif isinstance(leaf, AudienceFits):
            if leaf.criterion is not None:
                other = needs_of(leaf.criterion, attributes)
                keys |= other.keys
                has_facts = has_facts or other.has_facts
        else:
            has_facts = True
    direction, turning = direction_of(criterion, attributes), turning_of(criterion, attributes)
    return Needs(frozenset(keys), has_facts, direction, turning)


def scope_of(workspaces: Iterable[Definitions], max_bytes: int) -> Scope | None:
    """Return the definitions of a scope; None where its workspaces define nothing."""
    found = {one.workspace: one for one in workspaces if one.calculated or one.audiences}
    if not found:
        return None
    meaning = [[name, _stamped(found[name])] for name in sorted(found)]
    return Scope(found, fingerprint(meaning, STAMP_BYTES), max_bytes)


def _stamped(workspace: Definitions) -> list[Any]:
    calculated = [
        [one.name, one.version, one.mark.hex(), one.is_prompt]
        for _, one in sorted(workspace.calculated.items())
    ]
    audiences = [
        [one.name, one.version, one.mark.hex(), one.is_retired, one.is_published]
        for one in workspace.audiences.values()
    ]
    return [calculated, audiences]


def listing(workspace: Definitions) -> dict[str, Listed]:
    """Return which meaning each version of *workspace* has, for the index to remember.

    Names are those of the configuration below the workspace: ``calculated.X``, ``audiences.X``.
    """
    found = {f"calculated.{n}": Listed(o.version, o.mark) for n, o in workspace.calculated.items()}
    for name, one in workspace.audiences.items():
        found[f"audiences.{name}"] = Listed(one.version, one.mark)
    return found


def remembered(known: Mapping[str, Listed], own: Mapping[str, Listed]) -> dict[str, Listed]:
    """Return what the index is to remember after a start: of each name the higher version."""
    found = dict(known)
    for name, one in own.items():
        if name not in found or found[name].version < one.version:
            found[name] = one
    return found


def conflicts(workspace: str, known: Mapping[str, Listed], own: Mapping[str, Listed]) -> list[str]:
    """Return a line for each definition whose meaning changed under the version that is *known*."""
    return [
        f"workspaces.{workspace}.{name}: its meaning changed; raise its version to"
        f" {one.version + 1}"
        for name, one in own.items()
        if name in known and known[name].version == one.version and known[name].mark != one.mark
    ]

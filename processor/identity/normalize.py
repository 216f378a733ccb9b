"""Input protection that every strategy has: blocked values and normal forms."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import re2
from msgspec import Struct

from processor.identity.model import Identifier, IdentityChange
from processor.identity.phone import e164
from processor.identity.placeholder import stands_for_none
from processor.identity.text import composed, visible

Refusals = tuple[tuple[Identifier, str], ...]


class Blocklist(Struct, frozen=True):
    """Values that identify nobody because too many people share them."""

    default: bool = True
    values: frozenset[str] = frozenset()
    pattern: Any = None
    """All configured patterns as one compiled RE2 expression: matched in linear time."""
    by_type: Mapping[str, "Blocklist"] = {}
    """More lists, each for one identity type (flat matching)."""

    @classmethod
    def build(
        cls,
        default: bool = True,  # noqa: FBT001, FBT002 - a setting's value, not a switch of this code
        values: Iterable[str] = (),
        patterns: Iterable[str] = (),
        by_type: Mapping[str, "Blocklist"] = MappingProxyType({}),
    ) -> "Blocklist":
        """Return the list of a workspace; ValueError has all patterns that RE2 cannot take."""
        return cls(default, frozenset(values), _compile(tuple(patterns)), by_type)

    def blocks(self, identifier: Identifier) -> bool:
        """Whether *identifier* must not be used to find or make a profile."""
        value = identifier.value
        if self.default and stands_for_none(identifier.identity_type, value):
            return True
        if value in self.values:
            return True
        if self.pattern is not None and self.pattern.search(value) is not None:
            return True
        mine = self.by_type.get(identifier.identity_type) if self.by_type else None
        return mine is not None and mine.blocks(identifier)


def _compile(patterns: tuple[str, ...]) -> Any:  # noqa: ANN401 - re2 ships no types
    if not patterns:
        return None
    options = re2.Options()
    options.log_errors = False
    wrong = []
    for number, pattern in enumerate(patterns, 1):
        if not pattern:
            wrong.append(f"pattern {number} is empty and would block everything; remove it")
        try:
            re2.compile(pattern, options)
        except re2.error as error:
            why = error.args[0].decode(errors="replace") if error.args else "no reason given"
            wrong.append(
                f"pattern {number} is not a regular expression that RE2 understands: {why}"
                " (look-around, back-references and long repetitions are not supported)"
            )
    if wrong:
        raise ValueError(*wrong)
    try:
        return re2.compile("|".join(f"(?:{p})" for p in patterns), options)
    except re2.error:
        raise ValueError("the patterns together are too large for one RE2 expression") from None


def trim(value: str) -> str:
    """Remove white space around *value*."""
    return value.strip()


def lower(value: str) -> str:
    """Put *value* in lower case, as mailboxes are in practice."""
    return value.lower()


Normalizer = Callable[[str], str]

NORMALIZERS: Final[Mapping[str, Callable[[], Normalizer]]] = MappingProxyType(
    {
        "trim": lambda: trim,
        "lower": lambda: lower,
        "e164": e164,
        "visible": lambda: visible,
        "nfc": lambda: composed,
    }
)
"""Makers of normal forms, by the names that settings use.

A normal form is a pure function of a value. Its maker raises ValueError where a library is missing.
"""


class Normalizers(Struct, frozen=True):
    """Normal forms per identity type, none by default."""

    steps: Mapping[str, tuple[Normalizer, ...]] = {}

    @classmethod
    def build(
        cls,
        names: Mapping[str, Iterable[str]],
        custom: Mapping[str, Normalizer] = MappingProxyType({}),
    ) -> "Normalizers":
        """Return the steps that *names* lists per type, in order; ValueError for an unknown one."""
        steps: dict[str, tuple[Normalizer, ...]] = {}
        for identity_type, wanted in names.items():
            made = []
            for name in wanted:
                if name in custom:
                    made.append(custom[name])
                elif name in NORMALIZERS:
                    made.append(NORMALIZERS[name]())
                else:
                    known = ", ".join((*NORMALIZERS, *custom))
                    raise ValueError(f"{name} is no normalizer; use one of {known}")
            steps[identity_type] = tuple(made)
        return cls(steps)

    def apply(self, identifier: Identifier) -> Identifier:
        """Return *identifier* in the normal form of its type."""
        steps = self.steps.get(identifier.identity_type)
        if not steps:
            return identifier
        value = composed(visible(identifier.value))  # values that look alike become equal
        for step in steps:
            value = step(value)
        return Identifier(identifier.identity_type, value)


def admit(
    identifiers: tuple[Identifier, ...], blocklist: Blocklist, normalizers: Normalizers
) -> tuple[tuple[Identifier, ...], Refusals]:
    """Split identifiers into evidence, in normal form and each once, and blocked ones."""
    if normalizers.steps:
        identifiers = tuple(normalizers.apply(i) for i in identifiers)
    refused = [i for i in identifiers if not i.value or blocklist.blocks(i)]
    kept = tuple(dict.fromkeys(identifiers))
    if not refused:
        return kept, ()
    return (
        tuple(i for i in kept if i not in refused),
        tuple((i, "blocked") for i in dict.fromkeys(refused)),
    )


def admit_changes(
    changes: tuple[IdentityChange, ...], blocklist: Blocklist, normalizers: Normalizers
) -> tuple[tuple[IdentityChange, ...], Refusals]:
    """Return the changes of a modify in normal form, and the blocked values (as ``admit`` does).

    A change to a blocked value is left out as a whole: it neither adds the new value nor takes
    the old one away, because the caller did not ask for a removal. Old values are never blocked,
    so that a value stored before it was blocked can be removed.
    """
    kept, refused = [], []
    for change in changes:
        kind, old, new = change
        if old is not None:
            old = normalizers.apply(Identifier(kind, old)).value
        if new is not None:
            identifier = normalizers.apply(Identifier(kind, new))
            new = identifier.value
            if not new or blocklist.blocks(identifier):
                refused.append((identifier, "blocked"))
                continue
        kept.append(IdentityChange(kind, old, new))
    return tuple(kept), tuple(refused)

"""Input protection that every strategy has: blocked values and normal forms."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import re2
from msgspec import Struct

from processor.identity.model import Identifier, IdentityChange

Refusals = tuple[tuple[Identifier, str], ...]

DEFAULT_BLOCKED: Final = frozenset(
    {
        "-1",
        "null",
        "none",
        "nil",
        "undefined",
        "nan",
        "anonymous",
        "guest",
        "unknown",
        "true",
        "false",
        "[object object]",
        "not_set",
    }
)
"""Values that programs send in place of none. Zeros, dashes and white space are blocked too."""

_LONGEST_BLOCKED: Final = max(map(len, DEFAULT_BLOCKED))


def is_placeholder(value: str) -> bool:
    """Whether *value* is on the default block list (docs/decisions.md, "Values").

    One pair of quotes and upper or lower case make no difference.
    """
    if "0" < value[:1] < "\x7f":  # most: neither quotes, zeros, dashes nor white space
        return len(value) <= _LONGEST_BLOCKED and value.lower() in DEFAULT_BLOCKED
    text = value
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if len(text) <= _LONGEST_BLOCKED and text.lower() in DEFAULT_BLOCKED:
        return True
    return not text.strip("0-") or text.isspace()


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
        """Return the list of a workspace; a pattern that RE2 cannot take raises ValueError."""
        return cls(default, frozenset(values), _compile(tuple(patterns)), by_type)

    def blocks(self, identifier: Identifier) -> bool:
        """Whether *identifier* must not be used to find or make a profile."""
        value = identifier.value
        if self.default and is_placeholder(value):
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
    for number, pattern in enumerate(patterns, 1):
        try:
            re2.compile(pattern, options)
        except re2.error as error:
            why = error.args[0].decode(errors="replace") if error.args else "no reason given"
            raise ValueError(
                f"pattern {number} is not a regular expression that RE2 understands: {why}"
                " (look-around, back-references and long repetitions are not supported)"
            ) from None
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


_PUNCTUATION: Final = str.maketrans("", "", " \t\u00a0-.()/")
_E164_DIGITS: Final = range(7, 16)


def e164(value: str) -> str:
    """Return an international phone number as E.164; anything else unchanged.

    A number without a country (neither ``+`` nor ``00`` in front) cannot be completed, because
    no country is known here, so it stays as it is.
    """
    digits = value.translate(_PUNCTUATION)
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    rest = digits[1:]
    is_number = digits.startswith("+") and rest.isascii() and rest.isdigit()
    if not is_number or len(rest) not in _E164_DIGITS or rest.startswith("0"):
        return value
    return digits


Normalizer = Callable[[str], str]

NORMALIZERS: Final[Mapping[str, Normalizer]] = MappingProxyType(
    {"trim": trim, "lower": lower, "e164": e164}
)
"""Normal forms by their names in the settings. A new one is a pure function in this table."""


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
        table = {**NORMALIZERS, **custom}
        steps: dict[str, tuple[Normalizer, ...]] = {}
        for identity_type, wanted in names.items():
            listed = tuple(wanted)
            for name in listed:
                if name not in table:
                    raise ValueError(f"{name} is no normalizer; use one of {', '.join(table)}")
            steps[identity_type] = tuple(table[name] for name in listed)
        return cls(steps)

    def apply(self, identifier: Identifier) -> Identifier:
        """Return *identifier* in the normal form of its type."""
        steps = self.steps.get(identifier.identity_type)
        if not steps:
            return identifier
        value = identifier.value
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

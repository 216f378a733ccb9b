"""msgspec's messages about values that do not fit their types, taken apart.

No other module knows how the library words them: one sentence, such as

    Expected `int`, got `str` - at `$.data[0].count`

A sentence may quote the data (an unknown field's name, a value that is not in an enumeration), so
what is said of records is made of the parts in ``Expected``, ``missing`` and ``path`` alone.
"""

import re
from typing import Final, NamedTuple

import msgspec

_PATH: Final = re.compile(r"([\w.\[\]]*)`", re.ASCII)
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`", re.ASCII)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_EXPECTED: Final = re.compile(
    r"Expected `(?P<types>[a-z0-9 |]+)`"
    r"(?:, got `(?P<got>[a-z0-9]+)`"
    r"| (?P<bound>[<>]=?) (?P<limit>-?[0-9]+)"
    r"| matching regex '(?P<pattern>[ -~]*)')?",
    re.ASCII,
)


class Expected(NamedTuple):
    """The JSON types that fit, and what is wrong with a value of one of them."""

    types: str
    """Names of types, as in ``int | null``."""
    got: str | None
    """The type of the value where it is another."""
    bound: str | None
    """``<=``, ``>=``, ``<`` or ``>`` where a number is out of bounds."""
    limit: int | None
    pattern: str | None
    """The pattern, one of ours, that text does not match."""


class Mismatch(NamedTuple):
    """What is wrong with a value, and where."""

    text: str
    """The sentence without the place. It may quote the data."""
    path: str
    """The place within the value, such as ``.data[0].name``; ``[...]`` stands for a map's key."""

    @property
    def missing(self) -> str | None:
        """The required field that an object lacks."""
        found = _MISSING.match(self.text)
        return found[1] if found else None

    @property
    def unknown(self) -> str | None:
        """The field that an object may not have. It is data: records' faults never tell it."""
        found = _UNKNOWN.match(self.text)
        return found[1] if found else None

    @property
    def expected(self) -> Expected | None:
        """The types that were expected; None where something else is wrong."""
        found = _EXPECTED.match(self.text)
        if found is None:
            return None
        types, got, bound, limit, pattern = found.groups()
        return Expected(types, got, bound, None if limit is None else int(limit), pattern)


def mismatch_of(error: msgspec.ValidationError) -> Mismatch:
    """Return the parts of *error*.

    Only the end of a sentence names the place. If the sentence has none, which is so at the top of
    the value, a field's name may imitate one.
    """
    message = str(error)
    text, _, rest = message.rpartition(" - at `$")
    path = _PATH.fullmatch(rest)
    return Mismatch(message, "") if path is None else Mismatch(text, path[1])

"""Placeholders: what programs send in place of an identifier (docs/decisions.md, "Values")."""

import re
from functools import lru_cache
from string import ascii_letters, digits
from typing import Final

from processor.identity.text import visible

DEFAULT_BLOCKED: Final = frozenset(
    {
        "-1",
        "null",
        "none",
        "nil",
        "undefined",
        "nan",
        "n/a",
        "anonymous",
        "guest",
        "unknown",
        "true",
        "false",
        "[object object]",
        "not_set",
        "not_authenticated",
    }
)
"""Values that programs send in place of none. Zeros, dashes and white space are blocked too."""

GENERIC_NAMES: Final = frozenset(
    {
        "id",
        "uuid",
        "guid",
        "user_id",
        "customer_id",
        "anonymous_id",
        "distinct_id",
        "device_id",
        "client_id",
        "visitor_id",
        "external_id",
        "account_id",
        "profile_id",
        "email",
        "email_address",
        "phone_number",
    }
)
"""Names of fields that programs send in place of the field's value."""

_BRACKETS: Final = frozenset(
    {"()", "[]", "{}", "<>", "''", '""', "``", "«»", "“”", "\u2018\u2019", "„“", "%%", "$$"}
)
_SEPARATORS: Final = re.compile(r"[\s_.-]+")


def _squeezed(text: str) -> str:
    return _SEPARATORS.sub("", text).casefold()


_WORDS: Final = DEFAULT_BLOCKED | {word[1:-1] for word in DEFAULT_BLOCKED if word[0] == "["}
_NAMES: Final = frozenset(
    _squeezed(word) for word in (*_WORDS, *GENERIC_NAMES) if not word[-1].isdigit()
)
_LONGEST: Final = max(map(len, (*DEFAULT_BLOCKED, *GENERIC_NAMES)))
_AROUND: Final = 8
"""How many characters a value may have around the name of its type and still be that name."""
_PLAIN: Final = frozenset(digits + ascii_letters)
_DIGITS: Final = frozenset(digits)
_WORDS_AND_NAMES: Final = _WORDS | _NAMES


def stands_for_none(identity_type: str, value: str) -> bool:
    """Whether *value* of a type is a placeholder, or the type's own name."""
    first, last, length = value[:1], value[-1:], len(value)
    if (
        first in _PLAIN
        and last in _PLAIN
        and (
            (length > _LONGEST and length > len(identity_type) + _AROUND)
            # No word and no name ends in a digit, but for types that do so.
            or (last in _DIGITS and identity_type[-1:].isalpha())
        )
        and value.isascii()
    ):
        return first == "0" and not value.strip("0-")
    return is_placeholder(value) or is_own_name(identity_type, value)


def is_placeholder(value: str) -> bool:
    """Whether *value* stands for no value.

    Case, separators, quotes, brackets, white space and invisible characters make no difference.
    """
    if value[:1] in _PLAIN and value[-1:] in _PLAIN and value.isascii():  # most values
        if value[0] == "0":
            return not value.strip("0-")
        return len(value) <= _LONGEST and _is_word(value)
    core = _core(value)
    return not core.strip("0-") or (len(core) <= _LONGEST and _is_word(core))


def is_own_name(identity_type: str, value: str) -> bool:
    """Whether *value* is the name of its own type, as a template that was never filled in sends."""
    first, last = value[:1], value[-1:]
    if first in _PLAIN and first.lower() != identity_type[:1].lower():  # most values
        return False
    if last in _PLAIN and last.lower() != identity_type[-1:].lower():
        return False
    if len(value) > len(identity_type) + _AROUND:
        return False
    return _squeezed(_core(value)) == _squeezed_type(identity_type)


def _is_word(text: str) -> bool:
    word = text.lower()
    return word in _WORDS_AND_NAMES or (not word.isalnum() and _squeezed(word) in _NAMES)


@lru_cache(maxsize=1024)
def _squeezed_type(identity_type: str) -> str:
    return _squeezed(identity_type)


def _core(value: str) -> str:
    """Return *value* without invisible characters and what stands around it."""
    text = visible(value).strip()
    if text.lower() in _WORDS:
        return text
    while len(text) > 1 and text[0] + text[-1] in _BRACKETS:
        text = text[1:-1].strip()
    return text

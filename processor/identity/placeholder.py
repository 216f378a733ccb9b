"""Placeholders: what programs send in place of an identifier (docs/decisions.md, "Values")."""

import re
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
_SPELLING: Final = 4
"""Separators, at most, by which a type's name and its spelling in a value differ."""


def is_placeholder(value: str) -> bool:
    """Whether *value* stands for no value.

    Case, separators, quotes, brackets, white space and invisible characters make no difference.
    """
    if value[:1].isalnum() and value[0] != "0" and value[-1].isalnum() and value.isascii():
        return len(value) <= _LONGEST and _is_word(value)  # most: nothing around them
    core = _core(value)
    return not core.strip("0-") or (len(core) <= _LONGEST and _is_word(core))


def is_own_name(identity_type: str, value: str) -> bool:
    """Whether *value* is the name of its own type, as a template that was never filled in sends."""
    if value == identity_type:
        return True
    if len(value) > len(identity_type) + _SPELLING and value[-1:].isalnum():
        return False
    return _squeezed(_core(value)) == _squeezed(identity_type)


def _is_word(text: str) -> bool:
    return text.lower() in _WORDS or _squeezed(text) in _NAMES


def _core(value: str) -> str:
    """Return *value* without invisible characters and what stands around it."""
    text = visible(value).strip()
    if text.lower() in _WORDS:
        return text
    while len(text) > 1 and text[0] + text[-1] in _BRACKETS:
        text = text[1:-1].strip()
    return text

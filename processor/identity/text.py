"""Text of identifiers: what nobody sees in it, and one form of what looks alike."""

import re
import unicodedata
from typing import Final

_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]+"
)
"""Characters without a shape of their own: controls, joiners, marks of direction, variation."""


def visible(value: str) -> str:
    """Remove characters that cannot be seen, such as the zero-width space and the soft hyphen."""
    if value.isascii() and value.isprintable():
        return value
    return _INVISIBLE.sub("", value)


def composed(value: str) -> str:
    """Put *value* in Unicode's form NFC: an accent is part of its letter, however it was typed."""
    return value if value.isascii() else unicodedata.normalize("NFC", value)

"""Names that are nearly ours: what a misspelt field or identity type was meant to be."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

_SEPARATORS: Final = re.compile(r"[\W_]+")
_LONGEST: Final = 64
_SURE: Final = 0.9
_LIKELY: Final = 0.75


def squeezed(name: str) -> str:
    """Return *name* without case, separators and the ending of a plural."""
    text = _SEPARATORS.sub("", name).casefold()
    if text.endswith("ies"):
        return f"{text[:-3]}y"
    return text.removesuffix("s")


def surely_meant(name: str, known: Iterable[str]) -> str:
    """Return the one of *known* that *name* can only be a slip of, '' if there is none."""
    return _closest(name, known, _SURE)


def likely_meant(name: str, known: Iterable[str]) -> str:
    """Return the one of *known* that *name* looks most like, '' if it looks like none."""
    return _closest(name, known, _LIKELY)


def hint(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean X?)`` where *name* is nearly one of *known*, else nothing."""
    meant = likely_meant(name, known)
    return f" (did you mean {meant}?)" if meant else ""


def ordinal(place: int) -> str:
    """Return how a fault tells which key of an object it means, as ``3rd``.

    A record's keys are its client's, and one may be somebody's name or address, so that faults tell
    their places alone.
    """
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{'th' if place % 100 in (11, 12, 13) else ending}"


def _closest(name: str, known: Iterable[str], least: float) -> str:
    if len(name) > _LONGEST:
        return ""
    text, best, found = squeezed(name), least, ""
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(text)
    for candidate in known:
        other = squeezed(candidate)
        if other == text:
            return candidate
        if abs(len(other) - len(text)) > len(other) // 3:
            continue
        matcher.set_seq1(other)
        if matcher.real_quick_ratio() >= best and (ratio := matcher.ratio()) >= best:
            best, found = ratio, candidate
    return found

"""Sections of published profiles: encoded once, and used again while nothing of them has changed.

Of a user who brings a new attribute, identities and devices are the very objects that they were:
values are frozen, so what stands in the changelog for them is the same too.
"""

from collections.abc import Callable, Hashable
from typing import Any, Final

import msgspec
from msgspec import Raw

PART: Final = 6
"""Of the bytes for remembered decisions, the part that sections may take besides."""
BESIDE: Final = 600
"""About how many bytes a section takes beside its JSON; its value is the remembered profile's."""

_encode = msgspec.json.Encoder().encode

Value = tuple[Any, ...]
Make = Callable[[Any], Any]
"""Returns what is encoded for a value."""
Section = Callable[[Hashable, Value, Make], Any]
"""Returns what stands for a value in a document, by the name of the section."""


def made(_name: Hashable, value: Value, make: Make) -> Any:  # noqa: ANN401 - what *make* makes
    """Return what is encoded for *value*: nothing is remembered."""
    return make(value)


class Sections:
    """The JSON of sections that were encoded before, at most *max_bytes* of them, estimated."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0
        self.evicted = 0
        """How many were forgotten for want of room."""
        self._held: dict[Hashable, tuple[Value, Raw]] = {}

    def encoded(self, name: Hashable, value: Value, make: Make) -> Raw:
        """Return the JSON of what *make* makes of *value*."""
        held = self._held.get(name)
        if held is not None and held[0] is value:
            return held[1]
        raw = Raw(_encode(make(value)))
        if held is not None:
            self.bytes -= _cost(held[1])
        self._held[name] = value, raw
        self.bytes += _cost(raw)
        if self.bytes > self._max_bytes:
            self._shrink()
        return raw

    def _shrink(self) -> None:
        """Forget the half that was named first."""
        for name in list(self._held)[: (len(self._held) + 1) // 2]:
            self.bytes -= _cost(self._held.pop(name)[1])
            self.evicted += 1


def _cost(raw: Raw) -> int:
    return BESIDE + len(bytes(raw))

"""Encodings: what fields of a user became in Avro, used again while batches say the same.

Most batches of a known user repeat whole fields, and to write such a field costs many times what it
costs to find what was written for these bytes before.
"""

from typing import Final

BESIDE: Final = 300
"""About how many bytes an encoding takes beside itself and the JSON that it was made of."""

Said = tuple[str, bytes]
"""The name of a field, and its JSON."""


class Encodings:
    """Encodings of fields that were written before, at most *max_bytes* of them, estimated."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0
        self.evicted = 0
        """How many were forgotten for want of room."""
        self._held: dict[Said, bytes] = {}
        self.find = self._held.get
        """Returns the encoding of a field that says the same; None where it is not known."""

    def keep(self, said: Said, encoding: bytes) -> None:
        """Remember the *encoding* of a field that was not known."""
        self._held[said] = encoding
        self.bytes += _cost(said, encoding)
        if self.bytes > self._max_bytes:
            self._shrink()

    def _shrink(self) -> None:
        """Forget the half that was written first."""
        for said in list(self._held)[: (len(self._held) + 1) // 2]:
            self.bytes -= _cost(said, self._held.pop(said))
            self.evicted += 1


def _cost(said: Said, encoding: bytes) -> int:
    return BESIDE + len(said[1]) + len(encoding)

"""MPIDs in records: as a whole number or a whole text, and in Avro as it writes numbers. Pure."""

import re
from collections.abc import Iterable
from typing import Final

_LONG: Final = 10
"""An MPID of so many digits counts wherever it stands; a shorter one only where it is named one."""
_RUN: Final = re.compile(rb"[0-9]{10,}")
_NAMED: Final = re.compile(rb'mpids?\\?"\s*:\s*\[?\s*\\?"?-?([0-9]+)(?![0-9.])')
_FRAMINGS: Final = (b"\x00", b"\xc3\x01")
_SEVEN: Final = 0x7F


class Numbering:
    """Whether bytes have one of the MPIDs."""

    def __init__(self, mpids: Iterable[int]) -> None:
        """Take whom to look for."""
        listed = frozenset(mpids)
        self._digits = frozenset(b"%d" % abs(mpid) for mpid in listed)
        self._long = tuple(d for d in self._digits if len(d) >= _LONG)
        numbers = tuple(_zigzag(mpid) for mpid in listed if len(b"%d" % abs(mpid)) >= _LONG)
        self._binary = (*self._long, *numbers)

    def is_in(self, data: bytes) -> bool:
        """Whether the value of a record has one."""
        if not self._digits:
            return False
        if data.startswith(_FRAMINGS) and any(form in data for form in self._binary):
            return True
        if self._long and not self._digits.isdisjoint(_RUN.findall(data)):
            return True
        return len(self._long) < len(self._digits) and not self._digits.isdisjoint(
            _NAMED.findall(data)
        )

    def is_key(self, data: bytes) -> bool:
        """Whether a record's key, or the value of its header ``mpid``, is one or ends in one."""
        return data.rpartition(b"/")[2].strip(b'"-') in self._digits or self.is_in(data)


def _zigzag(number: int) -> bytes:
    """Return *number* as Avro writes a long."""
    left = number << 1 if number >= 0 else ((-number) << 1) - 1
    out = bytearray()
    while left > _SEVEN:
        out.append((left & _SEVEN) | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)

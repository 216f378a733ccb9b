"""Graves: what stands in place of the document of a profile that has ended.

A key that was only deleted would forget the version: a slower processor could append an older
document behind the tombstone, and nobody would notice. A grave keeps the version and nothing of
the person (docs/lifetimes.md, "Graves").
"""

from typing import Literal

from msgspec import Struct

Why = Literal["aged_out", "deleted", "erased"]
"""Why a profile has ended."""


class Grave(Struct, frozen=True, array_like=True, gc=False):
    """A profile that has ended: nobody, at a version."""

    mpid: int
    version: int
    """One above that of the last document."""
    time_ms: int
    """When it was written."""
    why: Why
    seq: int = 0
    """The space's seq when it was written; 0 where a restore has made it of a tombstone."""

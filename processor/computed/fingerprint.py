"""Fingerprints of what definitions mean."""

from hashlib import blake2b
from typing import Any

import msgspec

MARK_BYTES = 8
STAMP_BYTES = 4


def fingerprint(meaning: Any, size: int = MARK_BYTES) -> bytes:  # noqa: ANN401 - any plain values
    """Return *size* bytes that differ where *meaning*, made of plain values, does."""
    encoded = msgspec.json.encode(meaning, order="sorted")
    return blake2b(encoded, digest_size=size, person=b"idstream mark").digest()

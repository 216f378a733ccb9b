"""New MPIDs: derived from the record that makes the profile, never random."""

from hashlib import blake2b

from processor.identity.model import Seed
from processor.identity.view import View

_POSITIVE = (1 << 63) - 1


def derive_mpid(seed: Seed, attempt: int) -> int:
    """Return the positive 63-bit MPID of *seed* at *attempt*; a collision asks for the next.

    A replay of the same record gives the same id, and without the key in the seed nobody can
    tell which record made it.
    """
    place = attempt.to_bytes(8, "big")
    pieces: list[bytes] = []
    for part in seed:
        data = part if isinstance(part, bytes) else str(part).encode()
        pieces += len(data).to_bytes(8, "big"), data
    digest = blake2b(b"".join(pieces), digest_size=8, salt=place, person=b"idstream mpid").digest()
    return (int.from_bytes(digest, "big") & _POSITIVE) or 1


def free_mpid(view: View, seed: Seed) -> int:
    """Return the first MPID of *seed* that no profile has."""
    attempt = 0
    while not view.is_free(mpid := derive_mpid(seed, attempt)):
        attempt += 1
    return mpid

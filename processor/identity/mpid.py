"""New MPIDs: derived from the record that makes the profile, not drawn (architecture §2)."""

from hashlib import blake2b

_POSITIVE = (1 << 63) - 1


def derive_mpid(seed: bytes, attempt: int) -> int:
    """Return the positive 63-bit MPID of *seed* at *attempt*; a collision asks for the next.

    A replay of the same record gives the same id, and without the key in the seed nobody can
    tell which record made it.
    """
    place = attempt.to_bytes(8, "big")
    digest = blake2b(seed, digest_size=8, salt=place, person=b"idstream mpid").digest()
    return (int.from_bytes(digest, "big") & _POSITIVE) or 1

"""Identifiers that no record can name: they ask the index for what no identity of a person says."""

from typing import Final

from processor.identity.model import Identifier

HASHED: Final = "\x00hashed"
_MPID: Final = "\x00mpid"


def of_token(token: bytes) -> Identifier:
    """Return what asks for the holders of an identity of which only the token is known."""
    return Identifier(HASHED, token.hex())


def of_mpid(mpid: int) -> Identifier:
    """Return what has the markers of an MPID, where a grave does not say all of it.

    So where several workspaces share profiles, and where several requests keep one MPID away.
    """
    return Identifier(_MPID, str(mpid))

"""Signatures of answers about requests under privacy law, as OpenDSR has them.

Who asked can prove what was answered, and by whom (docs/privacy.md, "Signatures").
"""

from base64 import b64encode
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from processor.serve.credentials import read_secret
from processor.serve.reply import Header, Reply
from processor.settings import SettingsError

_DOMAIN: Final = b"x-opendsr-processor-domain"
_SIGNATURE: Final = b"x-opendsr-signature"


class Seal:
    """Signs answers with an RSA key, whose certificate is for *domain*."""

    def __init__(self, key: rsa.RSAPrivateKey, domain: str) -> None:
        self._key = key
        self._domain = domain.encode()

    def sealed(self, reply: Reply) -> Reply:
        """Return *reply* with the signature of its body: RSA with SHA-256, in base64."""
        signed = self._key.sign(reply.body, padding.PKCS1v15(), hashes.SHA256())
        headers: list[Header] = [(_DOMAIN, self._domain), (_SIGNATURE, b64encode(signed))]
        return Reply(reply.body, reply.status_code, [*reply.raw_headers, *headers])


def read_seal(key_file: str, domain: str) -> Seal:
    """Return the seal with the key in a file; SettingsError where it cannot be used."""
    where = f"serve.signing_key_file: {key_file}"
    text = read_secret(where, Path(key_file))
    try:
        key = load_pem_private_key(text, None)
    except (ValueError, TypeError):
        raise SettingsError(f"{where}: is no private key in PEM without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SettingsError(f"{where}: is no RSA key")
    return Seal(key, domain)

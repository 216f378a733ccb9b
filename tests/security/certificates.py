"""Certificates that a test makes: an authority, a server, a client, and somebody else's."""

from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class Certificates(NamedTuple):
    """Files in PEM; a certificate's file holds its chain, *server* its key too."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    client_key_encrypted: Path
    stranger: Path
    """The authority of somebody else, who made none of these."""


KEY_PASSWORD = "of the client's key"


def make_certificates(folder: Path, client: str) -> Certificates:
    """Make them in *folder*, the server's for this machine, the client's with the name *client*."""
    ca, stranger = trustme.CA(), trustme.CA()
    server = ca.issue_cert("localhost", "127.0.0.1")
    user = ca.issue_cert(f"{client}@example.com", common_name=client)
    made = Certificates(*(folder / f"{name}.pem" for name in Certificates._fields))
    ca.cert_pem.write_to_path(made.ca)
    stranger.cert_pem.write_to_path(made.stranger)
    made.server_key.write_bytes(_key(server, NoEncryption()))
    made.server.write_bytes(_key(server, NoEncryption()) + _chain(server))
    made.client.write_bytes(_chain(user))
    made.client_key.write_bytes(_key(user, NoEncryption()))
    encryption = BestAvailableEncryption(KEY_PASSWORD.encode())
    made.client_key_encrypted.write_bytes(_key(user, encryption))
    return made


def _chain(leaf: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems)


def _key(leaf: trustme.LeafCert, encryption: KeySerializationEncryption) -> bytes:
    """Return the key as PKCS #8, the one form that Kafka reads."""
    key = load_pem_private_key(leaf.private_key_pem.bytes(), password=None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

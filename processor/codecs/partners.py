"""Partner identities of a batch: names that a workspace registers, with a partner's values."""

import re
from collections.abc import Collection, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from processor.codecs.fault import Fault

FIELD: Final = "partner_identities"
MOST_CHARACTERS: Final = 4096
_SCALAR: Final = re.compile(rb"-?[0-9][0-9.eE+-]*|true|false")
_decode = msgspec.json.Decoder(dict[str, Raw] | None).decode
_decode_text = msgspec.json.Decoder(str).decode


def read_partner_identities(
    fields: Mapping[str, Raw], registered: Collection[str], partner: str | None, *, is_feed: bool
) -> dict[str, str | None]:
    """Return the values that a batch gives to partner identities; None takes one away.

    Fault where a name is not *registered*; of a partner feed (*is_feed*), where it is not one of
    its *partner*, the part of a name before the first underscore.
    """
    raw = fields.get(FIELD)
    if raw is None:
        return {}
    try:
        said = _decode(raw) or {}
    except msgspec.DecodeError:
        raise Fault(f"{FIELD}: must be an object of names and texts") from None
    found = {}
    for name, value in said.items():
        if name not in registered:
            raise Fault(f"{FIELD}[...]: is no name that workspaces.NAME.{FIELD} registers")
        if is_feed and name.partition("_")[0] != partner:
            raise Fault(f"{FIELD}[...]: is of another partner than inputs.NAME.partner")
        found[name] = _value(bytes(value))
    return found


def _value(raw: bytes) -> str | None:
    if raw == b"null":
        return None
    if _SCALAR.fullmatch(raw):
        value = raw.decode()
    else:
        try:
            value = _decode_text(raw)
        except msgspec.DecodeError:
            raise Fault(f"{FIELD}[...]: must be text") from None
    if len(value) > MOST_CHARACTERS:
        raise Fault(f"{FIELD}[...]: must have {MOST_CHARACTERS} characters at most")
    return value

"""What is wrong with bad records: each kind becomes a dead letter whose reason is known."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from processor.codecs.formats import CONTENT_TYPES
from processor.records import DeadLetterReason

NOBODY: Final = "no-such-input"
_FITS: Final = 900_000
"""What topics take as they come (``max.message.bytes``): nothing longer is sent."""
_AVRO: Final = CONTENT_TYPES["avro"]
_JSON: Final = CONTENT_TYPES["json"]


class Wrong(NamedTuple):
    """A bad record: why it will be a dead letter, and what it is made of."""

    reason: DeadLetterReason
    value: bytes
    content_type: bytes = _JSON
    input: str | None = None
    """None: that of the good record in whose place it comes."""


def wrongs(form: str, max_bytes: int, *, has_names: bool) -> Sequence[Wrong]:
    """Return the bad records that an input of *form* can have among its batches.

    *has_names*: the input knows which identity types there are, and refuses others.
    """
    is_call = form == "segment"
    event: dict[str, Any] = {"userId": "u1"} if is_call else {"events": [{"data": {}}]}
    found = [
        Wrong("malformed", b"undefined"),
        Wrong("invalid", msgspec.json.encode(event)),
        Wrong("unknown_input", b"{}", input=NOBODY),
        Wrong("unsupported_content_type", b'"email;plan"', b"text/csv"),
        Wrong("schema_not_found", b"\x00zzzz", _AVRO),
        Wrong("undecodable", b'"no Avro"', _AVRO),
    ]
    if has_names and not is_call:
        names = {"user_identities": {"favourite_colour": "blue"}}
        found.append(Wrong("unknown_identity_type", msgspec.json.encode(names)))
    if max_bytes < _FITS:
        found.append(Wrong("oversize", msgspec.json.encode({"note": "x" * max_bytes})))
    return found

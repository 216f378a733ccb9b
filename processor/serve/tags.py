"""Entity tags: equal ones mean equal bytes, and are known before the document is read."""

from hashlib import sha256
from typing import Final

import msgspec

from processor import __version__
from processor.computed.definition import Definitions
from processor.identity.model import Identifier
from processor.serve.native import Rights

_ANYONE: Final = Identifier("", "")
_encode = msgspec.json.Encoder(order="sorted").encode


def aspect_of(form: str, environment: str, rights: Rights, *more: str | None) -> str:
    """Return 8 hex digits of all that decides what of a profile is shown, and how.

    *form* names the route, *more* what else its bytes depend on.
    """
    policy = rights.policy
    decides = (
        __version__,
        form,
        environment,
        # Tokens in place of values change with the key.
        rights.to_token(_ANYONE).hex(),
        rights.workspace,
        sorted(rights.parts),
        sorted(rights.names),
        rights.is_clear,
        sorted(rights.token.attributes),
        policy.priority,
        sorted(policy.login_ids),
        sorted(policy.unique_ids),
        sorted(rights.audiences.items()),
        # Calculated attributes show or not, and as what, as definitions are and what they mean.
        None if rights.definitions is None else _meanings(rights.definitions),
        more,
    )
    return sha256(_encode(decides)).hexdigest()[:8]


def _meanings(definitions: Definitions) -> list[tuple[str, int, str]]:
    return sorted((a.name, a.version, a.mark.hex()) for a in definitions.calculated.values())


def tag_of(mpid: int, version: int, aspect: str) -> str:
    """Return the strong tag of a profile at *version*, seen from *aspect*."""
    return f'"{mpid}-{version}-{aspect}"'


def of_values(tag: str, values: object) -> str:
    """Return *tag* for what shows *values* too, which are not those of a version for ever."""
    return f'{tag[:-1]}-{sha256(_encode(values)).hexdigest()[:8]}"'


def is_among(tag: str, listed: str) -> bool:
    """Return whether the header If-None-Match lists *tag*."""
    tags = (one.strip().removeprefix("W/") for one in listed.split(","))
    return any(one in (tag, "*") for one in tags)

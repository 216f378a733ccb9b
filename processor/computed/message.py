"""What is told of audiences: one message per person and audience (docs/computed.md, "Messages")."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from processor.computed.attribute import Value
from processor.computed.definition import Audience
from processor.computed.situation import Facts

Kind = Literal["entered", "left", "updated"]
Reason = Literal["record", "time", "merge", "definition", "aged_out", "deleted", "erased"]

MOST_CARRIED_BYTES: Final = 4096
"""What one message may carry; beyond it goes without."""
MOST_BYTES: Final = 1 << 20
"""What the messages of one record may carry together."""

_encode = msgspec.json.Encoder().encode


class Carried(Struct, frozen=True, gc=False):
    """The identities and attributes that an audience names, as they are of a person."""

    identities: tuple[tuple[str, str], ...] = ()
    """Type and current value, in the order in which the audience names the types."""
    attributes: Mapping[str, Any] = {}


class AudienceChange(Struct, frozen=True, gc=False):
    """That a person entered or left an audience, or that what its messages carry changed.

    Version and environment of the profile and the cause are added where it is published.
    """

    change: Kind
    audience: str
    mpid: int
    workspace: str
    timestamp_ms: int
    """The instant of the evaluation: the due, not when a sweep came."""
    reason: Reason
    definition_version: int
    expires_ms: int | None = None
    carried: Carried = Carried()
    previous_identities: tuple[tuple[str, str], ...] | None = None
    """Only of updated."""
    is_bounded: bool = False
    """Whether it goes without what it should carry, which was too large."""


def carried(audience: Audience, facts: Facts, calculated: Mapping[str, Value | None]) -> Carried:
    """Return what messages of *audience* carry; *calculated* has the attributes of the workspace.

    A calculated attribute hides a user attribute of its name, also where it has no value.
    """
    if not audience.identities and not audience.attributes:
        return _NOTHING
    current = facts.current
    attributes = {}
    for name in audience.attributes:
        values = calculated if name in calculated else facts.attributes
        if (value := values.get(name)) is not None:
            attributes[name] = value
    return Carried(tuple((t, current[t]) for t in audience.identities if t in current), attributes)


def bounded(messages: Iterable[AudienceChange]) -> tuple[tuple[AudienceChange, ...], int]:
    """Return *messages* within the bounds of what they carry, and how many go without it."""
    kept, total, without = [], 0, 0
    for message in messages:
        size = _size(message)
        if size > MOST_CARRIED_BYTES or total + size > MOST_BYTES:
            message = replace(  # noqa: PLW2901 - the same message, with less
                message, carried=_NOTHING, previous_identities=None, is_bounded=True
            )
            without += 1
        else:
            total += size
        kept.append(message)
    return tuple(kept), without


def in_order(messages: Sequence[AudienceChange]) -> list[AudienceChange]:
    """Return the messages of one instant by name of audience, then of workspace."""
    return sorted(messages, key=lambda one: (one.audience, one.workspace))


def _size(message: AudienceChange) -> int:
    if message.carried is _NOTHING and not message.previous_identities:
        return 0
    return len(_encode((message.carried, message.previous_identities)))


_NOTHING: Final = Carried()

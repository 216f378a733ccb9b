"""What librdkafka's statistics say of the consumer: connected and a member, or what it lacks.

An idle consumer meets no error by which it would notice that the cluster is away; its statistics
tell the state of every connection, and of the membership (librdkafka's STATISTICS.md).
"""

from typing import Final

import msgspec
from msgspec import Struct, field

EVERY_MS: Final = 5_000
"""How often they are told: milliseconds of work, more with many partitions."""
_CONNECTED: Final = frozenset({"UP", "UPDATE"})


class _Broker(Struct):
    state: str = ""


class _Group(Struct):
    state: str = ""
    join_state: str = ""


class _Statistics(Struct):
    brokers: dict[str, _Broker] = field(default_factory=dict)
    cgrp: _Group = field(default_factory=_Group)


class Standing(Struct, frozen=True):
    """How the consumer stands with the cluster and its group."""

    lacks: str
    """What is missing, in words; '' for nothing."""
    is_member: bool
    """Whether the group has let it in, and no rebalance is under way."""


_decode = msgspec.json.Decoder(_Statistics).decode


def standing(statistics: str) -> Standing:
    """Return what *statistics* say, the JSON that librdkafka hands to ``stats_cb``."""
    found = _decode(statistics)
    if not any(one.state in _CONNECTED for one in found.brokers.values()):
        return Standing("no broker is connected", is_member=False)
    if found.cgrp.state != "up":
        return Standing("the group's coordinator is not connected", is_member=False)
    return Standing("", is_member=found.cgrp.join_state == "steady")

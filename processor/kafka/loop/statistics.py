"""What librdkafka's statistics say of a client: of the consumer, whether it is a member.

An idle consumer meets no error by which it would notice that the cluster is away; its statistics
tell the state of every connection, and of the membership (librdkafka's STATISTICS.md).
"""

from collections import Counter
from typing import Final, Literal

import msgspec
from msgspec import Struct, field

from processor.kafka.errors import Stranded

Client = Literal["consumer", "producer"]
EVERY_MS: Final = 5_000
"""How often they are told: milliseconds of work, more with many partitions."""
_STRANDED: Final = 3
"""How many statistics in a row have to know no broker."""
_CONNECTED: Final = frozenset({"UP", "UPDATE"})
_REAL: Final = frozenset({"configured", "learned"})
"""Brokers that can be connected to. The coordinator is another name for one of them."""


class _Broker(Struct):
    state: str = ""
    source: str = ""


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
    is_stranded: bool = False
    """Whether it knows no broker at all, not even those of its configuration."""


_decode = msgspec.json.Decoder(_Statistics).decode


def standing(statistics: str) -> Standing:
    """Return what *statistics* say, the JSON that librdkafka hands to ``stats_cb``."""
    found = _decode(statistics)
    if not any(one.source in _REAL for one in found.brokers.values()):
        return Standing("no broker is known", is_member=False, is_stranded=True)
    if not any(one.state in _CONNECTED for one in found.brokers.values()):
        return Standing("no broker is connected", is_member=False)
    if found.cgrp.state != "up":
        return Standing("the group's coordinator is not connected", is_member=False)
    return Standing("", is_member=found.cgrp.join_state == "steady")


class Sight:
    """Whether consumer and producer still know where to look for the cluster.

    librdkafka forgets every broker, its configured ones too, where it is told of none just as its
    last connection ends; it then looks for none any more, and the client stays idle for good (its
    issue 5301). For a moment it may know none in any outage.
    """

    def __init__(self) -> None:
        self._stranded: Counter[Client] = Counter()

    def told(self, client: Client, standing: Standing) -> None:
        """Note how *client* stands, every EVERY_MS."""
        self._stranded[client] = self._stranded[client] + 1 if standing.is_stranded else 0

    def check(self) -> None:
        """Raise Stranded where one knew no broker for too long to be a moment."""
        if any(times >= _STRANDED for times in self._stranded.values()):
            raise Stranded

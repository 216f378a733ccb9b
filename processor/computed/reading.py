"""Read a batch's events as far as selectors want them."""

from collections.abc import Sequence

from msgspec import Raw, Struct

from processor.computed.definition import Definitions
from processor.computed.event import (
    NAMED,
    Event,
    Object,
    event_time_ms,
    read_data,
    read_heads,
    read_name,
)
from processor.computed.selector import Match, match


class Source(Struct, frozen=True, gc=False):
    """What a batch says of its events: where they came from and when."""

    input: str
    """The name of the input."""
    record_ms: int
    batch_ms: int | None = None
    """``timestamp_unixtime_ms`` of the batch."""
    device: Object = {}
    """``device_info``."""


def matches(definitions: Definitions, events: bytes | Raw, source: Source) -> Sequence[Match]:
    """Return what the selectors in use match of *events*, a JSON array, in their order.

    Only heads are read of events that no selector could want by their type. One that cannot be
    read matches nothing.
    """
    if not definitions.uses:
        return ()
    found = []
    for head in read_heads(events):
        wanted = definitions.wants(head.event_type)
        if wanted and head.event_type in NAMED:
            name = read_name(head)
            wanted = tuple([one for one in wanted if one.names is None or name in one.names])
        data = read_data(head) if wanted else None
        if data is None:
            continue
        time_ms = event_time_ms(
            data.get("timestamp_unixtime_ms"), source.batch_ms, source.record_ms
        )
        event = Event(head.event_type, data, time_ms, source.device)
        for selector in wanted:
            one = match(selector, event, source.input)
            if one is not None:
                found.append(one)
    return found

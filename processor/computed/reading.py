"""Read a batch's events as far as selectors want them."""

from collections.abc import Iterator, Sequence

from msgspec import Raw, Struct

from processor.computed.definition import Definitions
from processor.computed.event import (
    NAMED,
    Event,
    Head,
    Object,
    event_time_ms,
    read_data,
    read_heads,
    read_name,
)
from processor.computed.selector import Match, match, why_not


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

    Nothing is read where no selector could want any of them, by the texts in them, and of events
    that none could want by their type only heads. One that cannot be read matches nothing.
    """
    if not _could_match(definitions.words, bytes(events)):
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
        event = _event(head, data, source)
        for selector in wanted:
            one = match(selector, event, source.input)
            if one is not None:
                found.append(one)
    return found


def _could_match(words: Sequence[bytes] | None, events: bytes) -> bool:
    """Whether selectors that look for *words* could want one of *events*.

    A word stands in JSON as it is, unless something there is escaped.
    """
    if words is None:
        return True
    if b"\\" in events:
        return bool(words)
    for word in words:  # noqa: SIM110 - a generator costs twice as much here
        if word in events:
            return True
    return False


def _event(head: Head, data: Object, source: Source) -> Event:
    time_ms = event_time_ms(data.get("timestamp_unixtime_ms"), source.batch_ms, source.record_ms)
    return Event(head.event_type, data, time_ms, source.device)


class Look(Struct, frozen=True):
    """A selector that looked at an event."""

    event: int
    """The number of the event in its batch, from 1 on."""
    event_type: str
    selector: str
    is_match: bool
    why_not: str | None = None
    """The first thing about the event that the selector does not want."""


def looks(definitions: Definitions, events: bytes | Raw, source: Source) -> Iterator[Look]:
    """Yield what each selector in use makes of each of *events*, and why not.

    :func:`matches` says the same in less time, and less of it.
    """
    for number, head in enumerate(read_heads(events), 1):
        data = read_data(head)
        for use in definitions.uses.values():
            name = use.selector.name
            if data is None:
                yield Look(number, head.event_type, name, is_match=False, why_not="data")
                continue
            why = why_not(use.selector, _event(head, data, source), source.input)
            yield Look(number, head.event_type, name, is_match=why is None, why_not=why)

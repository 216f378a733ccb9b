"""Cores: what criteria on events remember of a person, shared by all that count the same events.

A criterion without ``older`` has a ring: the latest K event times, from which count and next change
follow exactly. One between two ages counts in a window's parts. Both are stored as
``[kind, number, ...]``, a ring as its first time and differences (docs/computed.md, "Criteria on
events").
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from processor.computed.fingerprint import fingerprint
from processor.computed.selector import Selector
from processor.computed.window import (
    MOST_PARTS,
    Parts,
    Window,
    joined,
    with_value,
    without_before,
)

Stored = list[Any]

_RING: Final = 0
_PARTS: Final = 1
MOST_COUNTED: Final = 100
"""The highest number that a criterion on events may compare with."""


class Core(Struct, frozen=True, gc=False):
    """Which events are counted for criteria, and how many of them are remembered."""

    key: bytes
    selector: str
    since_ms: int | None = None
    until_ms: int | None = None
    """The last instant that counts."""
    resolution_ms: int | None = None
    """Times in a ring are rounded up to multiples of it."""
    most: int = 1
    """K: how many times a ring keeps."""
    longest_ms: int | None = None
    """An event of this age changes no criterion any more; None: each does for ever."""
    window: Window | None = None
    """The parts of a criterion between two ages; None: a ring."""


def ring_core(
    selector: Selector,
    since_ms: int | None,
    until_ms: int | None,
    resolution_ms: int | None,
) -> Core:
    """Return the core of criteria that count the latest events of *selector*."""
    key = fingerprint(["ring", selector.meaning, since_ms, until_ms, resolution_ms])
    return Core(key, selector.name, since_ms, until_ms, resolution_ms)


def parts_core(selector: Selector, window: Window) -> Core:
    """Return the core of criteria that count events of *selector* between two ages."""
    key = fingerprint(["parts", selector.meaning, window.length_ms, window.width_ms])
    return Core(key, selector.name, longest_ms=window.length_ms, window=window)


def shared(cores: Iterable[Core]) -> dict[bytes, Core]:
    """Return one core for each key, which remembers enough for all that share it."""
    found: dict[bytes, Core] = {}
    for core in cores:
        known = found.setdefault(core.key, core)
        ends = [one.longest_ms for one in (known, core) if one.longest_ms is not None]
        longest = max(ends) if len(ends) == 2 else None  # noqa: PLR2004 - both have one
        found[core.key] = replace(known, most=max(known.most, core.most), longest_ms=longest)
    return found


def times_of(stored: Stored | None) -> list[int]:
    """Return the event times of a ring, oldest first."""
    return [] if stored is None else [*accumulate(stored[1:])]


def parts_of(stored: Stored | None) -> Parts:
    """Return the parts of a criterion between two ages."""
    return [] if stored is None else stored[1:]


def with_event(core: Core, stored: Stored | None, time_ms: int, now_ms: int) -> Stored | None:
    """Return what *core* remembers after one more event; *stored* itself if nothing is new."""
    is_early = core.since_ms is not None and time_ms < core.since_ms
    if is_early or (core.until_ms is not None and time_ms > core.until_ms):
        return stored
    if core.window is not None:
        return _with_part(core.window, stored, time_ms, now_ms)
    if core.resolution_ms is not None:
        time_ms = -(-time_ms // core.resolution_ms) * core.resolution_ms
    if core.longest_ms is not None and now_ms - time_ms >= core.longest_ms:
        return stored
    times = times_of(stored)
    if len(times) >= core.most and time_ms <= times[-core.most]:
        return stored
    most = max(core.most, len(times))  # others, of a newer configuration, may need more than we
    insort(times, time_ms)
    return _ring(times[-most:])


def together(core: Core | None, mine: Stored, theirs: Stored, now_ms: int) -> Stored:
    """Return what the memories of two persons are as one; *core* None: it is not defined here."""
    if mine[0] == _PARTS:
        both = parts_of(mine), parts_of(theirs)
        if core is None or core.window is None:  # no window has more parts
            latest = max([parts[0] + len(parts) - 2 for parts in both if parts], default=0)
            oldest = latest - MOST_PARTS
        else:
            oldest = core.window.oldest(now_ms)
        own, others = (without_before(parts, oldest) for parts in both)
        return [_PARTS, *joined(own, others, _plus)]
    times, more = times_of(mine), times_of(theirs)
    most = MOST_COUNTED + 1 if core is None else max(core.most, len(times), len(more))
    return _ring(sorted([*times, *more])[-most:])


def number_since(times: Sequence[int], after_ms: int) -> int:
    """Return how many of *times*, which ascend, are later than *after_ms*."""
    return len(times) - bisect_right(times, after_ms)


def _with_part(window: Window, stored: Stored | None, time_ms: int, now_ms: int) -> Stored | None:
    part, oldest = window.part(time_ms), window.oldest(now_ms)
    if part < oldest:
        return stored
    parts = with_value(parts_of(stored), part, 1, _plus)
    return [_PARTS, *without_before(parts, oldest)]


def _ring(times: Sequence[int]) -> Stored:
    return [_RING, *times[:1], *(b - a for a, b in pairwise(times))]


def _plus(known: int, more: int) -> int:
    return known + more

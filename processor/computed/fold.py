"""Fold events into what definitions remember, within a bound of bytes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from processor.computed.attribute import CalculatedAttribute
from processor.computed.calculation import Taken
from processor.computed.core import with_event
from processor.computed.definition import Definitions, Use
from processor.computed.selector import Match
from processor.computed.state import Kept, Memory, state_in

Key = str | bytes
"""The name of a calculated attribute, or the key of a core."""


class Fold(NamedTuple):
    """What is remembered after events."""

    memory: Memory
    """The very object that came in where nothing is new."""
    bounded: int
    """Values that were too long, and definitions whose news found no room."""
    wrote: frozenset[str]
    """The selectors whose events changed something."""
    news: frozenset[Key]
    """The attributes and cores of which something else is remembered now."""


def fold(definitions: Definitions, memory: Memory, matches: Sequence[Match], now_ms: int) -> Fold:
    """Fold the events that selectors matched, in their order, into *memory*."""
    work = Memory(dict(memory.states), dict(memory.cores), memory.dues)
    bounded = 0
    wrote: set[str] = set()
    news: set[Key] = set()
    for match in matches:
        use, time_ms = definitions.uses[match.selector], match.event.time_ms
        found = _count(use, work, match, now_ms)
        taken = [interest.take(match) for interest in use.interests]
        for attribute, place in use.attributes:
            if attribute.since_ms is not None and time_ms < attribute.since_ms:
                continue
            what, too_long = taken[place]
            if what is None and not too_long:
                continue
            kept = work.states.get(attribute.name)
            if kept is not None and kept[0] > attribute.version:
                continue  # it is another processor's
            bounded += too_long
            if what is not None and _remember(attribute, work, kept, what, now_ms):
                found.append(attribute.name)
        if found:
            wrote.add(match.selector)
            news.update(found)
    return Fold(work if wrote else memory, bounded, frozenset(wrote), frozenset(news))


def _remember(
    attribute: CalculatedAttribute, work: Memory, kept: Kept | None, taken: Taken, now_ms: int
) -> bool:
    """Fold what was *taken* into the state of *attribute* in *work*; say whether it is news.

    *kept* is what *work* has under its name.
    """
    state = state_in(kept, attribute)
    after = attribute.calculation.fold(state, taken, now_ms)
    if after is state:
        return False
    work.states[attribute.name] = (attribute.version, attribute.mark, after)
    return True


def _count(use: Use, work: Memory, match: Match, now_ms: int) -> list[Key]:
    """Count an event in the cores of *use* in *work*; return those for which it is news."""
    found: list[Key] = []
    for core in use.cores:
        stored = work.cores.get(core.key)
        counted = with_event(core, stored, match.event.time_ms, now_ms)
        if counted is not stored and counted is not None:
            work.cores[core.key] = counted
            found.append(core.key)
    return found


def within(
    definitions: Definitions, before: Memory, after: Memory, fits: Callable[[Memory], bool]
) -> tuple[Memory, int]:
    """Return as much of the step from *before* to *after* as *fits*, and how much does not.

    Definitions are asked in the order of the configuration, each for its own news; the state before
    stays where those would be too much.
    """
    if fits(after):
        return after, 0
    kept, refused = before, 0
    names: tuple[Key, ...] = (*definitions.calculated, *definitions.cores)
    for name in names:
        grown = _with_news(kept, after, name)
        if grown is kept:
            continue
        if fits(grown):
            kept = grown
        else:
            refused += 1
    return kept, refused


def _with_news(kept: Memory, after: Memory, name: Key) -> Memory:
    if isinstance(name, str):
        if name not in after.states or kept.states.get(name) == after.states[name]:
            return kept
        return replace(kept, states={**kept.states, name: after.states[name]})
    if name not in after.cores or kept.cores.get(name) == after.cores[name]:
        return kept
    return replace(kept, cores={**kept.cores, name: after.cores[name]})

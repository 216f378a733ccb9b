"""What is computed for a record, in words: selectors, values, audiences with their trees."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from processor.commands.offline.computation import AudienceTold, Computation, ValueTold
from processor.commands.terminal.moments import moment
from processor.computed.judgement import Judgement
from processor.computed.reading import Look

_KINDS = {"type": "its type", "name": "its name", "action": "its action", "inputs": "its input"}


def computed_in_words(found: Computation) -> Iterator[str]:
    """Yield the sentences about what is computed, with the parts of audiences under each."""
    yield from _selectors(found)
    if found.at_ms is None:
        return
    if found.values:
        yield f"Calculated attributes, as of {moment(found.at_ms)}:"
        yield from (f"- {_value(one)}." for one in found.values)
    if found.audiences:
        yield f"Audiences, as of {moment(found.at_ms)}:"
    for audience in found.audiences:
        yield f"- {_audience(audience)}."
        if audience.criterion is not None:
            yield from _tree(audience.criterion, "  ")
    yield _ending(found)


def _selectors(found: Computation) -> Iterator[str]:
    if found.uncounted is not None:
        yield f"Its events count for nothing: {found.uncounted}."
    elif found.selectors:
        yield f"The selectors of {found.workspace} look at its events."
    for _, looks in groupby(found.selectors, lambda one: one.event):
        yield f"- {_event(tuple(looks))}."


def _event(looks: Sequence[Look]) -> str:
    hits = [one.selector for one in looks if one.is_match]
    misses = [f"{one.selector} ({_miss(one)})" for one in looks if not one.is_match]
    parts = []
    if hits:
        parts.append(f"matches {', '.join(hits)}")
    if misses:
        parts.append(f"does not match {', '.join(misses)}")
    return f"event {looks[0].event}, {looks[0].event_type}, {'; '.join(parts)}"


def _miss(look: Look) -> str:
    why = look.why_not or ""
    return "it cannot be read" if why == "data" else _KINDS.get(why, why)


def _value(told: ValueTold) -> str:
    before, after = (_text(one) for one in (told.before, told.after))
    return f"{told.name} is {after}, " + ("as before" if before == after else f"was {before}")


def _text(value: object) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()


def _audience(told: AudienceTold) -> str:
    how = {
        (False, True): "enters",
        (True, False): "leaves",
        (True, True): "stays in",
        (False, False): "is not in",
    }[told.was_member, told.is_member]
    due = ""
    if told.due_ms is not None:
        due = f", {'until' if told.is_member else 'looked at again'} {moment(told.due_ms)}"
    retired = ", which is retired" if told.criterion is None else ""
    return f"{how} {told.name} (version {told.version}){retired}{due}"


def _tree(one: Judgement, indent: str) -> Iterator[str]:
    has = "" if one.has is None else f": {_text(one.has)}{' or more' if one.is_at_least else ''}"
    later = "" if one.next_ms is None else f"; next change {moment(one.next_ms)}"
    yield f"{indent}{'✓' if one.holds else '✗'} {one.asks}{has}{later}"
    for part in one.criteria:
        yield from _tree(part, f"{indent}  ")


def _ending(found: Computation) -> str:
    due = "time alone changes nothing"
    if found.due_ms is not None:
        due = f"time alone changes something next at {moment(found.due_ms)}"
    written = ", ".join(f"{one['mpid']} as version {one['version']}" for one in found.written)
    return f"{f'Profiles written: {written}' if written else 'No profile is written'}; {due}."

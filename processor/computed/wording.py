"""Criteria and conditions in words, as close to the configuration as what was compiled allows."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from processor.computed.condition import Condition
from processor.computed.criterion import (
    AgedCount,
    All,
    AnyOf,
    AttributeFits,
    AudienceFits,
    ConsentIs,
    Criterion,
    DeviceFits,
    EventCount,
    FirstSeenFits,
    IdentityFits,
    Not,
)
from processor.computed.instant import DAY_MS, HOUR_MS, MINUTE_MS, iso
from processor.computed.number import as_json

_KNOTS: Final[Mapping[type[Criterion], str]] = {All: "all of", AnyOf: "any of", Not: "not"}
_UNITS: Final = {DAY_MS: "d", HOUR_MS: "h", MINUTE_MS: "m"}
_MIDNIGHT: Final = "T00:00:00.000Z"


def criterion_in_words(criterion: Criterion) -> str:
    """Return what one criterion asks; of a knot only how its criteria are taken together."""
    if isinstance(criterion, All | AnyOf | Not):
        return _KNOTS[type(criterion)]
    if isinstance(criterion, EventCount | AgedCount):
        return _events(criterion)
    if isinstance(criterion, ConsentIs):
        asked = f"{criterion.regulation}.{criterion.purpose}"
        return f"consent {asked} is {_json(criterion.value)}"
    if isinstance(criterion, AudienceFits):
        return f"audience {criterion.name}" + ("" if criterion.criterion else ", which is retired")
    assert isinstance(criterion, AttributeFits | IdentityFits | DeviceFits | FirstSeenFits)
    return f"{_subject(criterion)} {condition_in_words(criterion.condition)}"


def _subject(criterion: AttributeFits | IdentityFits | DeviceFits | FirstSeenFits) -> str:
    match criterion:
        case AttributeFits():
            return f"attribute {criterion.name}"
        case IdentityFits():
            return f"identity {criterion.identity_type}"
        case DeviceFits():
            return f"device {criterion.field}"
        case FirstSeenFits():
            return "first seen"


def condition_in_words(condition: Condition) -> str:
    """Return the operator of *condition* with its operand."""
    op = f"not_{condition.op}" if condition.is_negated else condition.op
    said = condition.said
    return op if said is None else f"{op} {_OPERANDS.get(condition.op, _scalar)(said)}"


def length_in_words(length_ms: int) -> str:
    """Return a duration as definitions write it."""
    for unit_ms, unit in _UNITS.items():
        if length_ms % unit_ms == 0:
            return f"{length_ms // unit_ms}{unit}"
    return f"{length_ms} ms"


def _events(criterion: EventCount | AgedCount) -> str:
    core = criterion.core
    words = f"event {core.selector} {criterion.comparison} {criterion.number}"
    if isinstance(criterion, AgedCount):
        length, older = (
            length_in_words(one) for one in (criterion.window.length_ms, criterion.older_ms)
        )
        return f"{words} within {length} older {older}"
    if criterion.within_ms is not None:
        words += f" within {length_in_words(criterion.within_ms)}"
    if core.since_ms is not None:
        words += f" since {_instant(core.since_ms)}"
    if core.until_ms is not None:
        words += f" until {_instant(core.until_ms)}"
    return words


def _scalar(said: Any) -> str:  # noqa: ANN401 - as conditions keep it
    return _json(said if isinstance(said, str) else as_json(said))


def _list(said: Any) -> str:  # noqa: ANN401
    texts, numbers = said
    return _json([*texts, *map(as_json, numbers)])


def _instant(time_ms: int) -> str:
    return iso(time_ms).removesuffix(_MIDNIGHT)


def _day(said: Any) -> str:  # noqa: ANN401
    return _instant(said[0])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_OPERANDS: Final[Mapping[str, Callable[[Any], str]]] = {
    "in": _list,
    **dict.fromkeys(("before", "after", "on"), _day),
    **dict.fromkeys(("within", "older", "ahead"), length_in_words),
}

"""What definitions mean, told naively over a person's whole history: no state, no parts, no rings.

It reads the same tables as the configuration and shares no code with the processor.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any

MINUTE = 60_000
UNITS = {"m": MINUTE, "h": 60 * MINUTE, "d": 24 * 60 * MINUTE}
WIDTHS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 20160, 40320]


@dataclass
class Happening:
    """An event as it arrived: its own time, and the instant at which it was counted."""

    name: str
    time: int
    arrived: int
    value: Any = None


@dataclass
class History:
    """All that ever happened to one person, in the order of arrival."""

    happenings: list[Happening] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)


@cache
def length(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def width(table: dict[str, Any]) -> int:
    if "resolution" in table:
        return length(table["resolution"])
    within = length(table["within"])
    return max((w * MINUTE for w in WIDTHS if 24 * w * MINUTE <= within), default=MINUTE)


def is_inside(table: dict[str, Any], time: int, now: int) -> bool:
    """Whether an event at *time* is inside the window of a calculated attribute at *now*."""
    if "within" not in table:
        return True
    if table["type"].startswith("last"):
        return now - time < length(table["within"])
    part = width(table)
    return now - (time // part + 1) * part < length(table["within"])


def taken(table: dict[str, Any], history: History) -> list[Happening]:
    """Return the events that an attribute ever took up, those of too many texts left out."""
    since = table.get("since_at")
    found = [
        one
        for one in history.happenings
        if one.name == table["event"]
        and (since is None or one.time >= since)
        and is_inside(table, one.time, one.arrived)
        and is_usable(table, one.value)
    ]
    if table["type"] not in ("unique_list", "unique_count", "most_frequent"):
        return found
    most = table.get("max_values", 1000 if table["type"] == "unique_count" else 100)
    followed: list[Happening] = []
    for one in found:
        living = {text(x.value) for x in followed if is_inside(table, x.time, one.arrived)}
        if text(one.value) in living or len(living) < most:
            followed.append(one)
    return followed


def is_usable(table: dict[str, Any], value: Any) -> bool:
    if table["type"] in ("count", "first_timestamp", "last_timestamp"):
        return True
    if value is None or value == "":
        return False
    if table["type"] in ("sum", "minimum", "maximum", "average"):
        return number(value) is not None
    return True


def number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except ArithmeticError:
        return None
    if not found.is_finite() or abs(found) >= 10**15:
        return None
    return found.quantize(Decimal("1e-9"), ROUND_HALF_EVEN)


def text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def out(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def value(table: dict[str, Any], history: History, now: int) -> Any:
    """Return the value of a calculated attribute at *now*, None where it is absent."""
    ever = taken(table, history)
    if not ever:
        return None
    inside = [one for one in ever if is_inside(table, one.time, now)]
    numbers = [
        number(one.value)
        for one in inside
        if table["type"] in ("sum", "average", "minimum", "maximum")
    ]
    match table["type"]:
        case "count":
            return len(inside)
        case "sum":
            return out(sum(numbers, Decimal(0)))
        case "unique_count":
            return len({text(one.value) for one in inside})
    if not inside:
        return None
    match table["type"]:
        case "minimum":
            return out(min(numbers))
        case "maximum":
            return out(max(numbers))
        case "average":
            mean = sum(numbers, Decimal(0)) / len(numbers)
            return out(mean.quantize(Decimal("1e-9"), ROUND_HALF_EVEN))
        case "unique_list":
            return sorted({text(one.value) for one in inside})
        case "most_frequent":
            texts = [text(one.value) for one in inside]
            return min(texts, key=lambda t: (-texts.count(t), t))
        case "first_value":
            return min(inside, key=lambda one: one.time).value
        case "first_timestamp":
            return iso(min(one.time for one in inside))
        case "last_value":
            return max(reversed(inside), key=lambda one: one.time).value
        case "last_timestamp":
            return iso(max(one.time for one in inside))
    raise AssertionError(table)


def iso(time: int) -> str:
    found = datetime.fromtimestamp(time // 1000, UTC)
    return f"{found:%Y-%m-%dT%H:%M:%S}.{time % 1000:03d}Z"


def count(leaf: dict[str, Any], history: History, now: int) -> int:
    """Return how many events a criterion counts at *now*."""
    times = [
        one.time
        for one in history.happenings
        if one.name == leaf["event"]
        and leaf.get("since_at", 0) <= one.time <= leaf.get("until_at", one.time)
    ]
    if "older" in leaf:
        part = width(leaf)
        ages = [now - (time // part + 1) * part for time in times]
        return sum(length(leaf["older"]) <= age < length(leaf["within"]) for age in ages)
    if "resolution" in leaf:
        step = length(leaf["resolution"])
        times = [-(-time // step) * step for time in times]
    if "within" in leaf:
        times = [time for time in times if now - time < length(leaf["within"])]
    return len(times)


def fits(node: dict[str, Any], tables: dict[str, Any], history: History, now: int) -> bool:
    """Whether a node of an audience's tree holds at *now*."""
    if "all" in node:
        return all(fits(one, tables, history, now) for one in node["all"])
    if "any" in node:
        return any(fits(one, tables, history, now) for one in node["any"])
    if "not" in node:
        return not fits(node["not"], tables, history, now)
    if "audience" in node:
        return fits(tables["audiences"][node["audience"]], tables, history, now)
    if "event" in node:
        number_of = count(node, history, now)
        if "at_most" in node:
            return number_of <= node["at_most"]
        if "exactly" in node:
            return number_of == node["exactly"]
        return number_of >= node.get("at_least", 1)
    return _attribute_fits(node, tables, history, now)


def _attribute_fits(
    node: dict[str, Any], tables: dict[str, Any], history: History, now: int
) -> bool:
    calculated = tables["calculated"].get(node["attribute"])
    if calculated is None:
        found = history.attributes.get(node["attribute"])
    else:
        found = value(calculated, history, now)
        if found is None and calculated["type"] in ("count", "sum", "unique_count"):
            found = None if node["op"] in ("exists", "not_exists") else 0
    if node["op"] == "not_exists":
        return found is None
    if found is None:
        return False
    if node["op"] == "exists":
        return True
    if node["op"] in ("at_least", "less"):
        entries = [number(one) for one in (found if isinstance(found, list) else [found])]
        have = [one for one in entries if one is not None]
        if node["op"] == "at_least":
            return any(one >= node["value"] for one in have)
        return any(one < node["value"] for one in have)
    age = now - int(datetime.fromisoformat(found).timestamp() * 1000)
    span = length(node["value"])
    return {"within": 0 <= age < span, "older": age >= span, "ahead": -span <= age < 0}[node["op"]]

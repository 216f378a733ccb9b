"""What the pages say of changes, decisions and moments."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from processor.profiles.attributes import TIERS

_RESERVED: Final = "$"
MOST_EVENTS: Final = 20
"""Events of one batch that a page shows."""
_NAMES: Final = ("event_name", "screen_name", "action", "product_action")
_CHANGES: Final = {
    "profile_created": "The profile was created",
    "identity_added": "{identity_type} was added",
    "identity_removed": "{identity_type} was removed",
    "identity_moved": "{identity_type} moved from {from} to {to}",
    "profile_linked": "It arose from {source}",
    "profile_merged": "It absorbed {absorbed}",
    "profile_aliased": "An alias from {source} to {destination}",
    "profile_orphaned": "No identity leads here any more",
    "profile_erased": "The profile was erased",
    "profile_emptied": "The profile was emptied",
    "violation": "{identity_type} was kept out: {reason}",
}


def moment(time_ms: int | None) -> str:
    """Return a moment in UTC, for people; each page says once that it is UTC."""
    found = _datetime(time_ms)
    return "" if found is None else found.strftime("%Y-%m-%d %H:%M:%S")


def stamp(time_ms: int | None) -> str:
    """Return a moment for programs."""
    found = _datetime(time_ms)
    return "" if found is None else found.isoformat(timespec="seconds")


def _datetime(time_ms: int | None) -> datetime | None:
    if time_ms is None:
        return None
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def value_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value as text; no value is a text of its own, so it is told apart."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def change_text(change: Mapping[str, Any]) -> str:
    """Return what a change says, in words."""
    form = _CHANGES.get(str(change.get("change")), "{change}")
    return form.format_map(_Named(change))


class _Named(dict[str, Any]):
    """The fields of a change; what is missing is a dash, lists are texts."""

    def __missing__(self, key: str) -> str:
        return "?"

    def __getitem__(self, key: str) -> Any:  # type: ignore[explicit-override]  # noqa: ANN401 - any JSON value
        found = super().__getitem__(key)
        return ", ".join(map(str, found)) if isinstance(found, list) else found


def why_text(resolution: Mapping[str, Any] | None) -> str:
    """Return why a record was attributed as it was, in words."""
    if not resolution:
        return "Nothing was looked up."
    outcome = resolution.get("outcome")
    on, candidates = resolution.get("matched_on"), resolution.get("candidates") or 0
    if outcome == "created":
        said = ["Nobody had its identities: a new profile."]
    elif outcome in ("matched", "merged") and on:
        many = "" if candidates == 1 else f", which {candidates} profiles had"
        said = [f"Found by {on}{many}."]
    elif outcome == "matched":
        said = ["Named by its MPID."]
    else:
        said = [f"Outcome: {outcome}."]
    if outcome == "merged":
        said.append("Several profiles were the same person.")
    for one in _objects(resolution.get("skipped")):
        said.append(f"{one.get('identity_type')} was left out ({one.get('reason')}).")
    return " ".join(said)


def event_lines(batch: Mapping[str, Any]) -> list[str]:
    """Return what happened in a batch, an event a line; its shape is the producer's."""
    events = _objects(batch.get("events"))
    more = len(events) - MOST_EVENTS
    lines = [_event_text(event) for event in events[:MOST_EVENTS]]
    return [*lines, f"and {more} more"] if more > 0 else lines


def _event_text(event: Mapping[str, Any]) -> str:
    data = event.get("data")
    named = data if isinstance(data, dict) else {}
    name = next((named[key] for key in _NAMES if isinstance(named.get(key), str)), "")
    kind = event.get("event_type") or event.get("type") or "event"
    return f"{kind}: {name}" if name else str(kind)


def error_text(answer: Mapping[str, Any]) -> str:
    """Return the errors of an answer in a line."""
    errors = [f"{e.get('code')}: {e.get('message')}" for e in _objects(answer.get("errors"))]
    return f"{answer.get('status')} {'; '.join(errors)}"


def _objects(found: object) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def beaten(source: str) -> str:
    """Return the sources that cannot overwrite an attribute of *source*."""
    own = TIERS.get(source)
    return "" if own is None else ", ".join(name for name, tier in TIERS.items() if tier > own)


def attribute_order(name: str) -> tuple[bool, str]:
    """Return what attributes are sorted by: reserved ones first."""
    return not name.startswith(_RESERVED), name.casefold()

"""User attributes and who may write them (docs/decisions.md, "Attributes")."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from processor.identity.profile import Attribute
from processor.records import EventBatch
from processor.rules import InputRules, Source

FOREVER_MS: Final = 2**63 - 1

TIERS: Final[Mapping[str, int]] = {
    "calculated": 1,
    "account": 2,
    "custom_feed": 3,
    "sdk": 4,
    "csv": 5,
    "partner_feed": 6,
}
"""Source types by tier: a lower number overwrites a higher one, and owns the attribute then."""


def may_write(owner: Attribute, source: Source, input_name: str) -> bool:
    """Whether *source* may overwrite or delete what *owner* wrote.

    A partner feed is its own source: against another one it loses, whichever is newer.
    """
    if source == owner.source == "partner_feed":
        return input_name == owner.input
    return TIERS[source] <= TIERS[owner.source]


def delete(
    stored: Mapping[str, Attribute], names: Iterable[str], source: Source, input_name: str
) -> dict[str, Attribute]:
    """Return *stored* without those of *names* that the writer may write."""
    gone = {
        name
        for name in names
        if (owner := stored.get(name)) is not None and may_write(owner, source, input_name)
    }
    return {name: value for name, value in stored.items() if name not in gone}


def news(
    stored: Mapping[str, Attribute], values: Mapping[str, Any], source: Source, input_name: str
) -> dict[str, Any]:
    """Return those of *values* that the writer may write and that would change something.

    A value that is there already, from the same source type, changes nothing. So a client that
    sends all its attributes with every batch does not rewrite its profile every time.
    """
    changed = {}
    for name, value in values.items():
        owner = stored.get(name)
        if owner is not None:
            if owner.source == source and is_same(owner.value, value):
                continue
            if not may_write(owner, source, input_name):
                continue
        changed[name] = value
    return changed


def is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether two attribute values (scalars or lists of them) are the same.

    Unlike for Python, true is not 1 and 1.0 is not 1.
    """
    if type(one) is not type(other) or one != other:
        return False
    return not isinstance(one, list) or [*map(type, one)] == [*map(type, other)]


def wins(owner: Attribute, writer: Attribute) -> bool:
    """Whether *writer* replaces *owner* by event time.

    Source priority decides between tiers, recency within one; of two writes of one time the later
    one to arrive wins.
    """
    if not may_write(owner, writer.source, writer.input):  # type: ignore[arg-type]  # stored sources are known ones
        return False
    return TIERS[writer.source] < TIERS[owner.source] or writer.updated_ms >= owner.updated_ms


def _is_fresh(owner: Attribute, value: Any, writer: Attribute, resolution_ms: int) -> bool:  # noqa: ANN401 - any JSON value
    """Whether *value* is there already, from the same source type, and need not be renewed yet."""
    is_young = writer.updated_ms - owner.updated_ms <= resolution_ms
    return is_young and owner.source == writer.source and is_same(owner.value, value)


def renewed_until(
    stored: Mapping[str, Attribute], rules: InputRules, batch: EventBatch, resolution_ms: int
) -> int | None:
    """Return the last time at which the attributes of *batch* change nothing by event time.

    None where that is uncertain: something is deleted, or a value that is not there loses.
    """
    if any(name in stored for name in batch.deleted_user_attributes):
        return None
    until_ms = FOREVER_MS
    for name, value in batch.user_attributes.items():
        owner = stored.get(name)
        if owner is None or value is None:
            return None
        if not may_write(owner, rules.source, rules.name):
            continue
        if owner.source != rules.source or not is_same(owner.value, value):
            return None
        until_ms = min(until_ms, owner.updated_ms + resolution_ms)
    return until_ms


def newest(
    stored: Mapping[str, Attribute],
    values: Mapping[str, Any],
    deleted: Iterable[str],
    writer: Attribute,
    resolution_ms: int,
) -> dict[str, Attribute]:
    """Return *stored* after a batch where the newest write of a key wins and null deletes.

    *writer* is who writes, and when; its value is not looked at. A value that is there already is
    renewed once it is older than *resolution_ms*, like all activity: so known users write nothing.
    """
    left = dict(stored)
    gone = (*deleted, *(name for name, value in values.items() if value is None))
    for name in gone:
        owner = left.get(name)
        if owner is not None and wins(owner, writer):
            del left[name]
    for name, value in values.items():
        owner = left.get(name)
        if value is None or (owner is not None and _is_fresh(owner, value, writer, resolution_ms)):
            continue
        if owner is None or wins(owner, writer):
            left[name] = Attribute(value, writer.source, writer.input, writer.updated_ms)
    return left

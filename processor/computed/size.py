"""How many bytes definitions can take of a person's document (docs/computed.md, "Bounds")."""

from typing import Final

from processor.computed.attribute import LONGEST_TEXT, LONGEST_VALUE, CalculatedAttribute
from processor.computed.calculation import LATEST, TEXTUAL
from processor.computed.core import Core
from processor.computed.criterion import cores_of
from processor.computed.definition import Audience

_FRAME: Final = 40
"""A name's share, version and mark of a state, and a number beside it."""
_PART: Final = {"count": 2, "first_timestamp": 9, "first_value": 10, "average": 50}
_NUMBER: Final = 26
"""A number of billionths as text."""


def worst_bytes(attribute: CalculatedAttribute, *, with_texts: bool = True) -> int:
    """Return how large the state of *attribute* can become, packed.

    Without texts each counts as one byte: what no configuration of short texts can get below.
    """
    parts = 1 if attribute.window is None else attribute.window.most_parts
    if attribute.type in TEXTUAL:
        return _FRAME + attribute.most_values * _per_text(attribute, parts, with_texts=with_texts)
    value = 0
    if attribute.type in ("first_value", "last_value"):
        value = LONGEST_VALUE if with_texts else 1
    if attribute.type in LATEST:
        return _FRAME + value
    return _FRAME + parts * (_PART.get(attribute.type, _NUMBER) + value)


def _per_text(attribute: CalculatedAttribute, parts: int, *, with_texts: bool) -> int:
    if attribute.type == "unique_count":
        return 12
    text = (LONGEST_TEXT if with_texts else 1) + 4
    is_counted_in_parts = attribute.type == "most_frequent" and attribute.window is not None
    return text + (3 * parts if is_counted_in_parts else 0)


def core_bytes(core: Core) -> int:
    """Return how large what *core* remembers can become, packed."""
    if core.window is not None:
        return 12 + 2 * core.window.most_parts
    return 5 + 5 * core.most


def audience_bytes(audience: Audience) -> int:
    """Return how large *audience* can become for one person: its membership and its own cores."""
    own = {core.key: core_bytes(core) for core in cores_of([audience.criterion])}
    return len(audience.name.encode()) + 22 + sum(own.values())

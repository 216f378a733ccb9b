"""Values masked for the screen: what a record is stays readable, whom it is about does not."""

from typing import Any, Final

MASK: Final = "•••"
KEPT: Final = frozenset(
    {
        "event_type",
        "request_type",
        "type",
        "environment",
        "identity_type",
        "custom_event_type",
        "content-type",
        "input",
    }
)
"""Fields whose values are words of ours, or of the format."""


def masked(value: Any, field: str = "") -> Any:  # noqa: ANN401 - any JSON value
    """Return *value* with every text and number masked, except the words of *field* in ``KEPT``."""
    if isinstance(value, dict):
        return {name: masked(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [masked(one, field) for one in value]
    if value is None or isinstance(value, bool) or field in KEPT:
        return value
    return MASK

"""What happened to the graph: one value per change or violation. It is journalled."""

from msgspec import Struct


class Change(Struct, frozen=True, array_like=True, gc=False):
    """One identity change without its cause; what does not apply is None or empty."""

    change: str
    mpid: int | None
    version: int | None
    identity_type: str | None = None
    token: str | None = None
    """Hex digits; values of identifiers are never in a change."""
    reason: str | None = None
    moved_from: int | None = None
    moved_to: int | None = None
    source: int | None = None
    absorbed: tuple[int, ...] = ()

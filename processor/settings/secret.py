"""Secrets: passwords, URLs that hold one, keys. They are never shown."""

from typing import Final

HIDDEN: Final = "***"


class Secret:
    """Text that prints as ``***``; only ``reveal`` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the client library that needs it."""
        return self._text

    # typing.override is younger than our oldest Python
    def __repr__(self) -> str:  # type: ignore[explicit-override]
        return HIDDEN

"""How far an import has come: a line that is drawn anew on a terminal, else a line of JSON."""

from collections.abc import Callable
from typing import Final, TextIO

import msgspec
from msgspec import Struct

_EVERY_S: Final = 5.0
_DRAWN_EVERY_S: Final = 0.2
_WIDTH: Final = 79
_MINUTE_S: Final = 60


class Standing(Struct, frozen=True):
    """How far an import is."""

    rows: int
    rejected: int
    read: int
    """Of ``size`` bytes."""
    size: int


class Telling:
    """Tells how far a run has come; *now* returns seconds that only grow."""

    def __init__(
        self, path: str, before: Standing, stream: TextIO, now: Callable[[], float]
    ) -> None:
        self._path = path
        self._before = before
        self._stream = stream
        self._now = now
        self._began = self._told = now()
        self._is_drawn = stream.isatty()

    def at(self, standing: Standing) -> None:
        """Note how far it is; tell it if the last time is long enough ago."""
        every = _DRAWN_EVERY_S if self._is_drawn else _EVERY_S
        if self._now() - self._told >= every:
            self._tell(standing)

    def end(self, standing: Standing) -> None:
        """Tell how far it is at the end."""
        self._tell(standing)
        if self._is_drawn:
            self._stream.write("\n")
            self._stream.flush()

    def _tell(self, standing: Standing) -> None:
        self._told = self._now()
        seconds = max(self._told - self._began, 0.001)
        rate = (standing.rows - self._before.rows) / seconds
        read = standing.read - self._before.read
        left = (standing.size - standing.read) * seconds / read if read > 0 else None
        if self._is_drawn:
            text = f"{self._path}: {standing.rows:,} rows, {rate:,.0f}/s"
            text += f", {standing.rejected:,} rejected"
            text += "" if left is None else f", {_duration(left)} left"
            self._stream.write(f"\r{text[:_WIDTH]:{_WIDTH}}")
        else:
            said = {
                "file": self._path,
                "rows": standing.rows,
                "rejected": standing.rejected,
                "rows_per_s": round(rate),
                "left_s": None if left is None else round(left),
            }
            self._stream.write(msgspec.json.encode(said).decode() + "\n")
        self._stream.flush()


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 2 * _MINUTE_S else f"{whole // _MINUTE_S} min"

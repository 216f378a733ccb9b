"""How far a long command has come: a bar of rich on a terminal, a line now and then elsewhere."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, Protocol, TextIO

EVERY_S: Final = 5.0


class Progress(Protocol):
    """Hears how far something has come."""

    def at(self, done: int, total: int) -> None:
        """Hear that *done* of *total* is behind us."""
        ...


@contextmanager
def progress(what: str, stream: TextIO | None = None) -> Iterator[Progress]:
    """Show how far *what* has come, until the block is left."""
    stream = stream or sys.stdout
    if not stream.isatty() or importlib.util.find_spec("rich") is None:
        lines = Lines(what, stream)
        yield lines
        lines.end()
        return
    from rich.console import Console  # noqa: PLC0415 - an extra
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TimeRemainingColumn(), console=Console(file=stream)) as bar:
        task = bar.add_task(what, total=None)

        class Drawn:
            def at(self, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

        yield Drawn()


class Lines:
    """Writes a line every few seconds, and one at the end."""

    def __init__(self, what: str, stream: TextIO) -> None:
        self._what = what
        self._stream = stream
        self._began = monotonic()
        self._told = self._began
        self._last = (0, 0)

    def at(self, done: int, total: int) -> None:
        """Note how far it has come, and tell it if it is time."""
        self._last = (done, total)
        if monotonic() - self._told >= EVERY_S:
            self._tell()

    def end(self) -> None:
        """Tell how far it came in the end."""
        self._tell()

    def _tell(self) -> None:
        self._told = monotonic()
        done, total = self._last
        rate = done / max(self._told - self._began, 0.001)
        share = f"{100 * done // total} %" if total else "all"
        self._stream.write(f"{self._what}: {done:,} of {total:,} ({share}), {rate:,.0f}/s\n")
        self._stream.flush()

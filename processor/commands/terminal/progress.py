"""Progress of a long command: a bar of rich on a terminal, a line every few seconds elsewhere."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Final, Protocol, TextIO

EVERY_S: Final = 5.0


class Progress(Protocol):
    """Is told how far a command has come."""

    def at(self, done: int, total: int) -> None:
        """Note that *done* of *total* records are done."""
        ...


@contextmanager
def progress(what: str, stream: TextIO | None = None) -> Iterator[Progress]:
    """Show the progress of *what* until the block is left."""
    stream = stream or sys.stdout
    if not stream.isatty() or importlib.util.find_spec("rich") is None:
        lines = ProgressLines(what, stream)
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


class ProgressLines:
    """Writes a line every few seconds, and one at the end."""

    def __init__(self, what: str, stream: TextIO) -> None:
        self._what = what
        self._stream = stream
        self._began = monotonic()
        self._written_at = self._began
        self._last = (0, 0)

    def at(self, done: int, total: int) -> None:
        """Note how far it has come; write a line if the last one is ``EVERY_S`` old."""
        self._last = (done, total)
        if monotonic() - self._written_at >= EVERY_S:
            self._write()

    def end(self) -> None:
        """Write the last line."""
        self._write()

    def _write(self) -> None:
        self._written_at = monotonic()
        done, total = self._last
        rate = done / max(self._written_at - self._began, 0.001)
        of = f" of {total:,} ({100 * done // total} %)" if total else ""
        self._stream.write(f"{self._what}: {done:,}{of}, {rate:,.0f}/s\n")
        self._stream.flush()

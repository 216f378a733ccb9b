"""Tables: drawn by rich on a terminal where it is installed, plain columns everywhere else."""

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

Cells = Sequence[str]

COLOURS: Final[Mapping[str, str]] = {
    "ok": "green",
    "wrong": "red",
    "differs": "red",
    "differ": "red",
    "warning": "yellow",
    "accepted": "cyan",
}
"""Words that stand for a verdict, in the colours that both rich and click know."""


def print_table(
    title: str, head: Cells, rows: Sequence[Cells], stream: TextIO | None = None
) -> None:
    """Print *rows* under *head*, to standard output unless *stream* is given."""
    stream = stream or sys.stdout
    if stream.isatty() and importlib.util.find_spec("rich") is not None:
        _draw(title, head, rows, stream)
    else:
        stream.write(plain(title, head, rows))
        stream.flush()


def plain(title: str, head: Cells, rows: Sequence[Cells]) -> str:
    """Return the table as aligned columns of text."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, ["-" * width for width in widths], *rows)
    ]
    return "\n".join([title, *lines, ""]) + "\n"


def _draw(title: str, head: Cells, rows: Sequence[Cells], stream: TextIO) -> None:
    from rich.console import Console  # noqa: PLC0415 - an extra
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=title, title_justify="left")
    for name in head:
        table.add_column(name)
    for row in rows:
        # Text, not markup: brackets in a value are no style.
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    Console(file=stream).print(table)

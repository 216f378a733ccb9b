"""Tables: drawn by rich on a terminal where it is installed, plain columns everywhere else.

No value is ever cut: a table that is wider than its terminal becomes one record below the other,
and a value that is longer than a line goes on in the next, so that a copy of it is whole.
"""

import importlib.util
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TextIO

from msgspec import Struct

from processor.commands.terminal.console import visible

if TYPE_CHECKING:
    from rich.console import Console

Cells = Sequence[str]

COLOURS: Final[Mapping[str, str]] = {
    "ok": "green",
    "wrong": "red",
    "differs": "red",
    "differ": "red",
    "warning": "yellow",
    "accepted": "cyan",
    "+": "green",
    "~": "yellow",
    "-": "red",
}
"""Verdicts and signs of a change, in the colours that both rich and click know."""
_GAP: Final = 2
_AMOUNT: Final = 16
_SENTENCE: Final = 32
"""The least width of a column of sentences that are folded."""


class Give(Struct, frozen=True):
    """What a table gives up first on a terminal that is too narrow for it, by name of column."""

    left_out: tuple[str, ...] = ()
    """Columns that may be missing, the first one first."""
    folded: str | None = None
    """A column of sentences, which may go on in the next line, between two words."""


NOTHING: Final = Give()


def print_table(
    title: str,
    head: Cells,
    rows: Sequence[Cells],
    stream: TextIO | None = None,
    give: Give = NOTHING,
) -> None:
    """Print *rows* under *head* (empty cells: without one), to standard output or *stream*."""
    stream = stream or sys.stdout
    rows = [tuple(map(visible, row)) for row in rows]
    if stream.isatty() and importlib.util.find_spec("rich") is not None:
        from rich.console import Console  # noqa: PLC0415 - an extra

        draw(title, head, rows, Console(file=stream, highlight=False), give)
    else:
        stream.write(plain(title, head, rows))
        stream.flush()


def plain(title: str, head: Cells, rows: Sequence[Cells]) -> str:
    """Return the table as aligned columns of text."""
    widths = _widths(head, rows)
    heads = (head, ["-" * width for width in widths]) if any(head) else ()
    lines = [
        (" " * _GAP).join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in (*heads, *rows)
    ]
    return "\n".join([title, *lines, ""]) + "\n"


def draw(
    title: str, head: Cells, rows: Sequence[Cells], console: "Console", give: Give = NOTHING
) -> None:
    """Draw the table on *console*, or its rows one below the other where it is too narrow."""
    from rich.text import Text  # noqa: PLC0415 - an extra

    console.print(Text(title, style="bold"))
    fitting = _fitted(head, rows, console.width, give)
    if fitting is not None:
        _draw_columns(*fitting, console, give.folded)
    elif any(head):
        _stack(head, rows, console, give.folded)
    else:
        _draw_facts(rows, _widths(head, rows)[0], console)
    console.print()


def _fitted(
    head: Cells, rows: Sequence[Cells], width: int, give: Give
) -> tuple[Cells, Sequence[Cells]] | None:
    """Return as much of the table as fits into *width* by what it gives up, None if it does not."""
    for count in range(len(give.left_out) + 1):
        kept = [n for n, name in enumerate(head) if name not in give.left_out[:count]]
        its_head, its_rows = [head[n] for n in kept], [[row[n] for n in kept] for row in rows]
        widths = _widths(its_head, its_rows)
        if give.folded in its_head:
            place = its_head.index(give.folded)
            widths[place] = min(widths[place], _SENTENCE)
        if sum(widths) + _GAP * (len(widths) - 1) <= width:
            return its_head, its_rows
    return None


def _draw_columns(
    head: Cells, rows: Sequence[Cells], console: "Console", folded: str | None
) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(
        box=None,
        show_header=any(head),
        pad_edge=False,
        padding=(0, _GAP, 0, 0),
        collapse_padding=True,
        header_style="dim",
    )
    for place, name in enumerate(head):
        numbers = bool(rows) and all(_is_number(row[place]) for row in rows)
        justify: Literal["left", "right"] = "right" if numbers else "left"
        is_whole = name != folded
        table.add_column(name, no_wrap=is_whole, overflow="fold", justify=justify)
    for row in rows:
        # Text, not markup: brackets in a value are no style.
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    console.print(table)


def _stack(head: Cells, rows: Sequence[Cells], console: "Console", folded: str | None) -> None:
    """Print a row below the other, a line for each of its cells that holds something."""
    width = max(map(len, head))
    indent = "\n" + " " * (width + _GAP)
    for number, row in enumerate(rows):
        if number:
            console.print()
        cells = [(name, cell) for name, cell in zip(head, row, strict=True) if cell]
        room = max(console.width - width - _GAP, _SENTENCE // 2)
        facts = [(n, indent.join(_words(cell, room)) if n == folded else cell) for n, cell in cells]
        _draw_facts(facts, width, console)


def _draw_facts(facts: Sequence[Cells], width: int, console: "Console") -> None:
    from rich.text import Text  # noqa: PLC0415 - an extra

    for name, *cells in facts:
        line = Text(name.ljust(width + _GAP), style=COLOURS.get(name, "dim"))
        cell = "  ".join(cells)
        line.append(cell, style=COLOURS.get(cell, "not dim"))
        # The terminal itself wraps: what is copied from it has no line ends.
        console.print(line, soft_wrap=True)


def _words(sentence: str, width: int) -> list[str]:
    """Return the lines of *sentence*, which is broken between words only."""
    return textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False)


def _widths(head: Cells, rows: Sequence[Cells]) -> list[int]:
    return [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]


def _is_number(cell: str) -> bool:
    """Whether *cell* is an amount: an MPID is none, though it has digits only."""
    return len(cell) < _AMOUNT and cell.replace(",", "").replace(".", "", 1).isdecimal()

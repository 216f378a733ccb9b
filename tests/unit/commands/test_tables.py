"""Tables are aligned text in pipes and files, and drawn on a terminal."""

import io

import pytest

from processor.commands.terminal.tables import plain, print_table

ROWS = [("email", "ada@example.com"), ("customerid", "[bold]1[/bold]")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_aligned_and_lines_end_where_their_text_ends():
    assert plain("Identities", ("type", "value"), ROWS) == (
        "Identities\n"
        "type        value\n"
        "----------  ---------------\n"
        "email       ada@example.com\n"
        "customerid  [bold]1[/bold]\n"
        "\n"
    )


def test_a_file_gets_text_without_colour():
    stream = io.StringIO()
    print_table("t", ("a", "b"), [("x", "ok")], stream)
    assert stream.getvalue() == plain("t", ("a", "b"), [("x", "ok")])


def test_a_terminal_gets_a_drawn_table_and_values_stay_as_they_are(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    print_table("t", ("type", "value"), [*ROWS, ("verdict", "ok")], stream)
    shown = stream.getvalue()
    assert "[bold]1[/bold]" in shown
    assert "│" in shown
    assert "\x1b[" in shown

"""Tables are aligned text in pipes and files, drawn on a terminal, and never cut a value."""

import io
import re

import pytest

from processor.commands.terminal.tables import Give, draw, plain, print_table

ROWS = [("email", "ada@example.com"), ("customerid", "[bold]1[/bold]")]
LONG = "7d1f4c3e-1111-4222-8333-444444444444-" * 4


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(head, rows, width, **give):
    console = pytest.importorskip("rich.console")
    stream = io.StringIO()
    draw("Identities", head, rows, console.Console(file=stream, width=width), Give(**give))
    return stream.getvalue()


def test_columns_are_aligned_and_lines_end_where_their_text_ends():
    assert plain("Identities", ("type", "value"), ROWS) == (
        "Identities\n"
        "type        value\n"
        "----------  ---------------\n"
        "email       ada@example.com\n"
        "customerid  [bold]1[/bold]\n"
        "\n"
    )


def test_a_table_without_a_head_has_no_rule_either():
    assert plain("Facts", ("", ""), [("mpid", "12")]) == "Facts\nmpid  12\n\n"


def test_a_file_gets_text_without_colour():
    stream = io.StringIO()
    print_table("t", ("a", "b"), [("x", "ok")], stream)
    assert stream.getvalue() == plain("t", ("a", "b"), [("x", "ok")])


def test_a_terminal_gets_a_drawn_table_and_values_stay_as_they_are(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    print_table("t", ("type", "value"), [*ROWS, ("verdict", "ok")], stream)
    shown = stream.getvalue()
    assert "[bold]1[/bold]" in shown
    assert "---" not in shown
    assert "\x1b[32mok" in shown


def test_no_color_is_honoured(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    print_table("t", ("type", "value"), [("verdict", "ok")], stream)
    assert "\x1b[3" not in stream.getvalue()


def test_what_fits_stands_in_columns():
    lines = [line.rstrip() for line in drawn(("type", "value"), ROWS, 30).splitlines()]
    assert lines[1:3] == ["type        value", "email       ada@example.com"]


def test_what_does_not_fit_stands_one_below_the_other_and_whole():
    shown = drawn(("type", "value", "seen"), [("email", LONG, ""), ("idfv", "9", "now")], 40)
    assert shown.splitlines() == [
        "Identities",
        "type   email",
        f"value  {LONG}",
        "",
        "type   idfv",
        "value  9",
        "seen   now",
        "",
    ]


def test_a_narrow_terminal_gets_fewer_columns_and_folded_sentences_before_it_gets_a_stack():
    head = ("type", "added", "why")
    rows = [("email", "2026-07-01 10:00:00", "it is too long, or there is no room for it there")]
    shown = drawn(head, rows, 80).splitlines()
    assert [line.split() for line in shown[1:2]] == [["type", "added", "why"]]
    shown = drawn(head, rows, 62, left_out=("added",), folded="why").splitlines()
    assert "2026-07-01" in shown[2], "a sentence is folded first"
    shown = drawn(head, rows, 40, left_out=("added",), folded="why").splitlines()
    assert shown[1].split() == ["type", "why"]
    assert " ".join(" ".join(shown[2:4]).split()) == f"email {rows[0][2]}"
    shown = drawn(head, rows, 30, left_out=("added",), folded="why").splitlines()
    assert shown[1:3] == ["type   email", "added  2026-07-01 10:00:00"]
    assert shown[3:6] == [
        "why    it is too long, or",
        "       there is no room for it",
        "       there",
    ], "a sentence is broken between words"


@pytest.mark.parametrize("width", [20, 40, 80, 120, 300])
def test_no_value_is_cut_at_any_width(width):
    rows = [("email", LONG, "ada@example.com"), ("idfv", "x" * 90, "")]
    facts = [row[:2] for row in rows]
    for head, cells in ((("type", "value", "other"), rows), (("", ""), facts)):
        shown = drawn(head, cells, width)
        assert "…" not in shown
        assert all(cell in shown for row in cells for cell in row)


def test_what_would_steer_a_terminal_is_shown_instead():
    stream = io.StringIO()
    print_table("t", ("a",), [("\x1b[2Jx\n\x9b1m",)], stream)
    assert not re.search(r"[\x1b\x9b]", stream.getvalue())
    assert r"\x1b[2Jx\x0a\x9b1m" in stream.getvalue()

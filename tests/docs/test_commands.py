"""Every command and option is documented, and no other; so are the lines that commands read."""

import io
import json
import re

import click
import pytest

from processor.cli import idstream
from processor.commands.offline.lines import Line
from processor.commands.offline.resolve import resolve
from processor.settings import load_offline
from tests.docs.pages import ROOT, rows, text

PAGE = text("docs/operations.md")


def documented() -> set[str]:
    heads = [row[0] for row in rows("docs/operations.md")]
    return {word for head in heads for word in re.findall(r"`idstream ([a-z]+)`", head)}


def test_every_command_is_documented_and_nothing_else_is():
    assert documented() == set(idstream.commands)


def commands_of(name: str) -> list[click.Command]:
    """Return a command, and those below it where it is a group."""
    command = idstream.commands[name]
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return [command, *below]


@pytest.mark.parametrize("name", sorted(idstream.commands))
def test_every_option_of_a_command_is_documented(name):
    for parameter in [one for command in commands_of(name) for one in command.params]:
        if getattr(parameter, "hidden", False):  # for processes that we start ourselves
            continue
        assert any(f"`{option}" in PAGE for option in parameter.opts if option.startswith("-")) or (
            parameter.param_type_name == "argument"
        ), parameter.name


def test_every_command_says_what_it_does():
    assert all(command.help for command in idstream.commands.values())


def test_the_line_shown_has_every_member_and_is_answered_by_one_like_that_shown():
    section = PAGE.partition("### Lines of resolve\n")[2].partition("\n#")[0]
    given, answered = section.partition("```json\n")[2].partition("```")[0].splitlines()
    assert json.loads(given).keys() == {*Line.__struct_fields__, "value"}
    sink = io.BytesIO()
    resolve(load_offline(ROOT / "deploy/compose/idstream.toml", {}), [given.encode()], sink)
    shown, found = json.loads(answered), json.loads(sink.getvalue())
    assert found.keys() == shown.keys()
    assert found["outcome"] == shown["outcome"]

"""Every command and option is documented, and no other."""

import re

import pytest

from processor.cli import idstream
from tests.docs.pages import rows, text

PAGE = text("docs/operations.md")


def documented() -> set[str]:
    heads = [row[0] for row in rows("docs/operations.md")]
    return {word for head in heads for word in re.findall(r"`idstream ([a-z]+)`", head)}


def test_every_command_is_documented_and_nothing_else_is():
    assert documented() == set(idstream.commands)


@pytest.mark.parametrize("name", sorted(idstream.commands))
def test_every_option_of_a_command_is_documented(name):
    for parameter in idstream.commands[name].params:
        assert any(f"`{option}" in PAGE for option in parameter.opts if option.startswith("-")) or (
            parameter.param_type_name == "argument"
        ), parameter.name


def test_every_command_says_what_it_does():
    assert all(command.help for command in idstream.commands.values())

"""The one way in which commands print text: results on standard output, notes on standard error.

Every line goes out at once, because what follows it may take long.
"""

import re
from typing import Final

import click

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def say(text: str) -> None:
    """Print a line of the result."""
    click.echo(text)


def note(text: str) -> None:
    """Print a line about the run itself, which is no part of its result."""
    click.echo(text, err=True)


def visible(text: str) -> str:
    """Return *text*, which somebody else wrote, with what would steer a terminal made visible."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)

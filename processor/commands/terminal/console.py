"""The one way in which commands print text: results on standard output, notes on standard error.

Every line goes out at once, because what follows it may take long.
"""

import click


def say(text: str) -> None:
    """Print a line of the result."""
    click.echo(text)


def note(text: str) -> None:
    """Print a line about the run itself, which is no part of its result."""
    click.echo(text, err=True)

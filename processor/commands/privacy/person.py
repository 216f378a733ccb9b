"""The file of a person: values that identify somebody, one a line or as JSON.

They come in a file or by standard input: the arguments of a process are shown to everybody on its
machine, and kept by shells.
"""

import sys
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from processor.commands.terminal.console import visible
from processor.commands.terminal.failure import Failure
from processor.identity.model import Identifier
from processor.identity.types import subject_type
from processor.rules import WorkspaceRules

STDIN: Final = Path("-")
_MPID: Final = "mpid"
_TEXT: Final = "text"
_MOST_BYTES: Final = 1_048_576

Named = tuple[str, str]
"""A type as it was spelled, and a value."""


class Known(Struct, frozen=True):
    """What is known of a person in a workspace."""

    identifiers: tuple[Identifier, ...] = ()
    """In their normal form."""
    written: tuple[Identifier, ...] = ()
    """As they were written, with the same types."""
    mpids: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()
    """Other values, such as a name."""


def read_person(path: Path) -> list[Named]:
    """Return what the file at *path* ("-": standard input) names; Failure where it names nobody.

    A line is ``type=value``; empty ones and those that begin with # are passed over. Or it is one
    JSON object of type to value, or list of values.
    """
    text = read_text(path)
    named = list(_of_json(text, path) if text.lstrip().startswith("{") else _of_lines(text, path))
    if not named:
        raise Failure(f"{shown(path)}: names nobody; write a line such as email=ada@example.com")
    return named


def read_text(path: Path) -> str:
    """Return the text of the file at *path*, or of standard input."""
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Failure(f"cannot read {shown(path)}: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise Failure(f"{shown(path)}: is larger than {_MOST_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{shown(path)}: is not UTF-8") from None


def shown(path: Path) -> str:
    """Return *path* for people."""
    return "standard input" if path == STDIN else visible(str(path))


def known_in(workspace: WorkspaceRules, named: list[Named], path: Path) -> Known:
    """Return what is named, under the types of *workspace*; Failure where a type is unknown."""
    identifiers, written, mpids, texts = [], [], [], []
    for name, value in named:
        if name == _MPID:
            try:
                mpids.append(int(value))
            except ValueError:
                raise Failure(f"{shown(path)}: an mpid is no number") from None
            continue
        if name == _TEXT:
            texts.append(value)
            continue
        kind = subject_type(workspace.policy, name)
        if kind is None:
            raise Failure(
                f"{shown(path)}: {visible(name)} is no identity type of {workspace.name};"
                " other values are named by text=VALUE"
            )
        one = Identifier(kind, value)
        written.append(one)
        identifiers.append(workspace.normalizers.apply(one))
    return Known(
        tuple(dict.fromkeys(identifiers)),
        tuple(dict.fromkeys(written)),
        tuple(mpids),
        tuple(texts),
    )


def _of_lines(text: str, path: Path) -> list[Named]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise Failure(f"{shown(path)}, line {number}: write type=value")
        found.append((name.strip(), value.strip()))
    return found


def _of_json(text: str, path: Path) -> list[Named]:
    try:
        read = msgspec.json.decode(text, type=dict[str, str | int | list[str | int]])
    except msgspec.DecodeError:
        raise Failure(
            f"{shown(path)}: write one JSON object of types and values, such as"
            ' {"email": "ada@example.com"}'
        ) from None
    listed = [(name, one if isinstance(one, list) else [one]) for name, one in read.items()]
    return [(name, str(value)) for name, values in listed for value in values]

"""One dead letter in full: why, where it came from, its headers and its value."""

import re
from collections.abc import Collection
from typing import Any, Final

import msgspec

from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.masking import masked
from processor.commands.terminal.moments import moment
from processor.commands.terminal.tables import print_table
from processor.kafka.letters import origin_of, reason_of
from processor.records import Record

_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


def show(letter: Record, inputs: Collection[str], *, clear: bool, option: str = "") -> None:
    """Print *letter*; it may go back to the topics *inputs*; *option* names the configuration."""
    headers = _headers(letter)
    source = (headers.get(f"source-{part}", "?") for part in ("topic", "partition", "offset"))
    facts = [
        ("reason", reason_of(letter)),
        ("detail", headers.get("detail", "")),
        ("came from", "/".join(source)),
        ("time", _time(headers.get("source-timestamp", ""))),
        ("attempts", headers.get("attempts", "1")),
    ]
    print_table(f"Dead letter {_place(letter)}", ("", ""), facts)
    others = [(n, _header(n, v, clear=clear)) for n, v in headers.items() if _is_own(n)]
    if others:
        print_table("Headers", ("", ""), others)
    say("Value")
    say(_told(letter.value, clear=clear))
    say("")
    if not clear:
        note("Values are masked; --clear shows them.")
    if origin_of(letter) in inputs:
        replay = f"idstream replay{option} --reason {reason_of(letter)} --dry-run"
        note(f"When the cause is gone, for it and its like: {replay}")
    else:
        note("It cannot go back: its topic is no input.")


def as_json(letter: Record, *, clear: bool) -> dict[str, Any]:
    """Return *letter* as a JSON object."""
    headers = _headers(letter).items()
    return {
        "place": _place(letter),
        "timestamp_ms": letter.timestamp_ms,
        "key": None if letter.key is None else _header("key", _text(letter.key), clear=clear),
        "headers": {n: _header(n, v, clear=clear) if _is_own(n) else v for n, v in headers},
        "value": _told(letter.value, clear=clear),
    }


def _place(letter: Record) -> str:
    return f"{letter.partition}/{letter.offset}"


def _headers(letter: Record) -> dict[str, str]:
    return {name: value.decode("utf-8", "replace") for name, value in letter.headers}


def _is_own(name: str) -> bool:
    """Whether a header is the producer's, and not told above."""
    ours = ("reason", "detail", "attempts", "source-topic", "source-partition", "source-offset")
    return name not in (*ours, "source-timestamp")


def _header(name: str, value: str, *, clear: bool) -> str:
    return value if clear else str(masked(value, name))


def _told(value: bytes | None, *, clear: bool) -> str:
    """Return a value as text: JSON by the line, other text as it is, bytes as hex digits."""
    if value is None:
        return "(none: a tombstone)"
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if not clear:
            return f"({len(value):,} bytes that are no JSON)"
        return visible(_text(value))
    shown = msgspec.json.encode(found if clear else masked(found))
    return "\n".join(visible(line) for line in msgspec.json.format(shown).decode().split("\n"))


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex(" ")


def _time(text: str) -> str:
    return moment(int(text)) if _MILLISECONDS.fullmatch(text) else "no time"

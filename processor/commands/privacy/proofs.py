"""``idstream privacy verify FILE``: whether receipts are ours, as they were told."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from processor.commands.privacy.person import read_text, shown
from processor.commands.terminal.console import note, say
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.tables import print_table
from processor.privacy.receipt import is_proved
from processor.settings import load

_HEAD: Final = ("line", "request", "state", "proof")
_MOST: Final = 20
"""Receipts that are shown; of more only those whose proof is wrong."""


class Judged(NamedTuple):
    """A receipt of a file, and what its proof is worth."""

    line: int
    request_id: str
    state: str
    verdict: str


def verify_receipts(
    config: Path, environ: Mapping[str, str], path: Path, *, as_json: bool = False
) -> None:
    """Check every receipt in a file, one JSON object a line; Failure where one is not ours."""
    settings = load(config, environ)
    key = settings.key()
    judged = list(_judged(read_text(path), key))
    if not judged:
        raise Failure(f"{shown(path)}: holds no receipt; write one JSON object a line")
    wrong = [one for one in judged if one.verdict != "ok"]
    if as_json:
        for one in judged:
            say(msgspec.json.encode(one._asdict()).decode())
    else:
        listed = judged if len(judged) <= _MOST else wrong
        rows = [(str(one.line), *one[1:]) for one in listed]
        if rows:
            print_table("Receipts", _HEAD, rows)
        say(f"{len(judged) - len(wrong):,} of {len(judged):,} receipts are as they were told.")
    if not key:
        note("There is no redis.key_file: whoever reads a receipt could have made its proof.")
    if wrong:
        raise Failure(
            f"{len(wrong):,} of {len(judged):,} receipts were not told by this deployment, or were"
            " changed since, or told under another redis.key_file"
        )


def _judged(text: str, key: bytes) -> Iterator[Judged]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            body = _body(line)
            verdict = "no receipt"
            if body:
                verdict = "ok" if is_proved(line.encode(), key) else "wrong"
            request_id = str(body.get("subject_request_id", ""))
            yield Judged(number, request_id, str(body.get("state") or ""), verdict)


def _body(line: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}

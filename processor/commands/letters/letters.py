"""The command: reads the topic of dead letters, writes nothing."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.commands.letters.one import as_json, show
from processor.commands.letters.pile import Pile, Piles
from processor.commands.replay import known
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.moments import moment
from processor.commands.terminal.tables import Give, print_table
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.letters import REASONS
from processor.kafka.mailbox import Mailbox
from processor.records import Record
from processor.settings import Settings, load

HEAD: Final = ("reason", "detail", "letters", "waiting", "newest", "at")
_PLACE: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,18})", re.ASCII)


class LettersOptions(Struct, frozen=True):
    """The options of the command line."""

    reasons: Sequence[str] = ()
    """All, where none is given."""
    place: str | None = None
    """Partition and offset of the one letter to show."""
    as_json: bool = False
    clear: bool = False
    """Show values."""


def letters(config: Path, environ: Mapping[str, str], options: LettersOptions) -> None:
    """Print the piles of dead letters, or one letter."""
    settings = load(config, environ)
    reasons = known(options.reasons)
    place = None if options.place is None else _parsed(options.place)
    mailbox = Mailbox(settings.kafka)
    try:
        with reaching(settings.kafka):
            mailbox.look()
            if place is None:
                _show_piles(settings, mailbox, reasons, as_json=options.as_json)
            else:
                _show_one(settings, mailbox.read_one(*place), options)
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None
    finally:
        mailbox.close()


def _parsed(place: str) -> tuple[int, int]:
    match = _PLACE.fullmatch(place)
    if match is None:
        raise Failure(f"{visible(place)} is no place of a letter; write PARTITION/OFFSET, as 0/12")
    return int(match[1]), int(match[2])


def _show_one(settings: Settings, letter: Record | None, options: LettersOptions) -> None:
    topics = settings.kafka.topics
    if letter is None:
        raise Failure(f"there is no letter at {options.place} of {topics.dead_letters}")
    if options.as_json:
        say(msgspec.json.encode(as_json(letter, clear=options.clear)).decode())
    else:
        show(letter, topics.inputs, clear=options.clear)


def _show_piles(
    settings: Settings, mailbox: Mailbox, reasons: frozenset[str], *, as_json: bool
) -> None:
    piles = Piles(mailbox.held, reasons)
    for found, _, _ in mailbox.read_all():
        for letter in found:
            piles.add(letter)
    listed = piles.sorted()
    if as_json:
        for pile in listed:
            say(msgspec.json.encode(_as_json(pile)).decode())
        return
    topic = settings.kafka.topics.dead_letters
    if not listed:
        say(f"There is no dead letter in {topic}{_among(reasons)}.")
        return
    count, waiting = (sum(getattr(p, n) for p in listed) for n in ("letters", "waiting"))
    title, rows = f"{count:,} dead letters in {topic}", [_row(pile) for pile in listed]
    print_table(title, HEAD, rows, give=Give(("newest", "waiting"), "detail"))
    note(f"One in full: idstream letters {_newest(listed[0])}")
    if waiting:
        note(f"What would go back: idstream replay --reason {listed[0].reason} --dry-run")


def _among(reasons: frozenset[str]) -> str:
    named = " or ".join(sorted(reasons))
    return "" if len(reasons) == len(REASONS) else f" with the reason {named}"


def _row(pile: Pile) -> tuple[str, ...]:
    counts = f"{pile.letters:,}", f"{pile.waiting:,}"
    return pile.reason, pile.detail, *counts, moment(pile.newest_ms), _newest(pile)


def _newest(pile: Pile) -> str:
    return "/".join(map(str, pile.newest))


def _as_json(pile: Pile) -> dict[str, Any]:
    return {
        "reason": pile.reason,
        "detail": pile.detail,
        "letters": pile.letters,
        "waiting": pile.waiting,
        "topics": sorted(pile.topics),
        "newest": _newest(pile),
        "newest_ms": pile.newest_ms,
    }

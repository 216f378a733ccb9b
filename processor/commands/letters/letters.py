"""The command: reads the topic of dead letters, writes nothing."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.commands.letters.one import as_json, show
from processor.commands.letters.pile import Pile, Piles
from processor.commands.options import option_of
from processor.commands.replay import known
from processor.commands.terminal.console import note, say, visible
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.moments import moment
from processor.commands.terminal.tables import Give, print_table
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.letters import REASONS
from processor.kafka.mailbox import Mailbox
from processor.records import Record
from processor.settings import load

HEAD: Final = ("reason", "detail", "letters", "waiting", "newest", "newest at")
GIVE: Final = Give(("newest", "letters"), "detail")
"""How many wait decides whether to replay; how many there are, mostly as many, goes before."""
_PLACE: Final = re.compile(r"(?:(.+)/)?([0-9]{1,9})/([0-9]{1,18})", re.ASCII)


class LettersOptions(Struct, frozen=True):
    """The options of the command line."""

    reasons: Sequence[str] = ()
    """All, where none is given."""
    place: str | None = None
    """Partition and offset of the one letter to show; its topic may stand before them."""
    as_json: bool = False
    clear: bool = False
    """Show values."""


def letters(config: Path, environ: Mapping[str, str], options: LettersOptions) -> None:
    """Print the piles of dead letters, or one letter."""
    settings = load(config, environ)
    reasons = known(options.reasons)
    topic = settings.kafka.topics.dead_letters
    place = None if options.place is None else place_in(options.place, topic)
    mailbox = Mailbox(settings.kafka)
    try:
        with reaching(settings.kafka):
            mailbox.look()
            if place is None:
                piles = _piles(mailbox, reasons)
                if options.as_json:
                    _say_as_json(piles)
                else:
                    print_piles(piles, topic, reasons, option_of(config))
            else:
                letter = mailbox.read_one(*place)
                if letter is None:
                    raise Failure(f"there is no letter at {options.place} of {topic}")
                _show_one(letter, settings.kafka.topics.inputs, options, option_of(config))
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None
    finally:
        mailbox.close()


def place_in(place: str, topic: str) -> tuple[int, int]:
    """Return partition and offset of the letter that *place* names; its topic is *topic*."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise Failure(f"{visible(place)} is no place of a letter; write PARTITION/OFFSET, as 0/12")
    if match[1] not in (None, topic):
        raise Failure(f"{visible(match[1])} is not the topic of dead letters, which is {topic}")
    return int(match[2]), int(match[3])


def _show_one(
    letter: Record, inputs: Collection[str], options: LettersOptions, option: str
) -> None:
    if options.as_json:
        say(msgspec.json.encode(as_json(letter, clear=options.clear)).decode())
    else:
        show(letter, inputs, clear=options.clear, option=option)


def _piles(mailbox: Mailbox, reasons: frozenset[str]) -> list[Pile]:
    piles = Piles(mailbox.held, reasons)
    for found, _, _ in mailbox.read_all():
        for letter in found:
            piles.add(letter)
    return piles.sorted()


def _say_as_json(listed: Sequence[Pile]) -> None:
    for pile in listed:
        say(msgspec.json.encode(_as_json(pile)).decode())


def print_piles(listed: Sequence[Pile], topic: str, reasons: frozenset[str], option: str) -> None:
    """Print the piles, and what to do next; *option* names the configuration."""
    if not listed:
        say(f"There is no dead letter in {topic}{_among(reasons)}.")
        return
    count = sum(pile.letters for pile in listed)
    title, rows = f"{count:,} dead letters in {topic}", [row_of(pile) for pile in listed]
    print_table(title, HEAD, rows, give=GIVE)
    note(f"One in full: idstream letters{option} {_newest(listed[0])}")
    waiting = {pile.reason for pile in listed if pile.waiting}
    if waiting:
        # The largest pile is no better than another: nobody knows here which cause is gone.
        reason = waiting.pop() if len(waiting) == 1 else "REASON"
        note(f"When the cause is gone: idstream replay{option} --reason {reason} --dry-run")


def _among(reasons: frozenset[str]) -> str:
    named = " or ".join(sorted(reasons))
    return "" if len(reasons) == len(REASONS) else f" with the reason {named}"


def row_of(pile: Pile) -> tuple[str, ...]:
    """Return the cells that show *pile*."""
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

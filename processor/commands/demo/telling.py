"""The story of a demo: who plays, what went in, what was decided, one batch before and after."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import click
from msgspec import Struct

from processor.commands.demo.comparison import Line, compare
from processor.commands.demo.journeys import CUSTOMER, ED, HJ, JANE, PHONE, ROKU
from processor.commands.demo.player import Act, Played
from processor.commands.terminal.console import say
from processor.commands.terminal.tables import Give, print_table

TABLES: Final = "the tables in docs/strategies.md"
_OPENING: Final = f"""\
Ed uses a shop's app, logs in and out, writes to support, buys a television.
After each step: which profile (P1, P2 …) idstream found, and whether it is that
of {TABLES}.
"""
_CAST_OF_ED: Final = (
    ("customer", CUSTOMER, "the number that the shop knows Ed by"),
    ("ed", ED, "his address"),
    ("hj", HJ, "the address that he changes it for"),
    ("idfv", PHONE, "his phone"),
    ("roku", ROKU, "his television set"),
)


class Story(Struct, frozen=True):
    """What a journey is about."""

    headline: str
    point: str
    """What to look for."""
    cast: tuple[tuple[str, str, str], ...]


STORIES: Final[Mapping[str, Story]] = {
    "profile_isolation": Story(
        "what was before a login stays with the device",
        "In 3 nobody is logged in: the phone is P1 again, the visitor of step 1. In 4 support hears"
        " from hj, whom nobody knows yet: P3. In 6 Ed takes that address, and P3 has nothing left."
        " Phone and television set each keep a profile for whoever is not logged in.",
        _CAST_OF_ED,
    ),
    "profile_link": Story(
        "a new customer remembers the visitor before",
        "The same steps, but in 3 the phone gets a new profile, where it was P1 again above (the"
        " others are then P4 and P5), and P2 remembers that it was P1.",
        _CAST_OF_ED,
    ),
    "flat_matching": Story(
        "who shares an identifier is one person, within limits",
        "In 2 the shared address would make one person of two users, and a profile may have one"
        " user: P2 is new, the address stays with P1. In 4 the browser turns out to be that of"
        " abc123: P3 is merged into P1.",
        (
            ("user", "abc123, abc456", "two who have signed up"),
            ("jane", JANE, "an address that both of them give"),
            ("anonymous", "a1", "a browser, before somebody signs in there"),
        ),
    ),
}
LAST: Final = 2
"""The batch that is shown before and after: the last of those with attributes."""
_LINE: Final = 80


def begin() -> None:
    """Print what it is all about."""
    say(_OPENING)


def tell(act: Act, before: Act | None) -> None:
    """Print what happened on a journey; who plays, unless it is the same as in the act *before*."""
    strategy = act.journey.strategy
    story = STORIES[strategy]
    say(click.style(f"{strategy}: {story.headline}", bold=True))
    say(textwrap.fill(story.point, _LINE) + "\n")
    if before is None or STORIES[before.journey.strategy].cast != story.cast:
        print_table("Who plays", ("", "", ""), story.cast)
    print_table(
        "Steps",
        ("scenario", "what went in", "reached", ""),
        [(p.scenario, p.says, _reached(p), _verdict(holds=p.holds)) for p in act.steps],
    )
    if act.attributes:
        labels: dict[str | None, str] = {one.mpid: one.label for one in act.profiles}
        _show_attributes(act.attributes, labels)
        _show_batch(act.attributes[LAST], labels)
    _show_profiles(act)


def _show_attributes(played: Sequence[Played], labels: Mapping[str | None, str]) -> None:
    then = f"{labels[played[LAST].mpid]} then shows"
    print_table(
        "Attributes: support outranks the app (tier), the app the partner (drink)",
        ("through", "sets", then, ""),
        [(p.scenario, p.says, _reached(p), _verdict(holds=p.holds)) for p in played],
        give=Give(folded=then),
    )


def _show_profiles(act: Act) -> None:
    head, rows = ["", "MPID", "identities"], [[e.label, e.mpid, e.identities] for e in act.profiles]
    if any(one.source for one in act.profiles):
        head.append("before")
        rows = [[*row, one.source] for row, one in zip(rows, act.profiles, strict=True)]
    if not all(one.holds for one in act.profiles):
        head.append("")
        rows = [[*r, _verdict(holds=e.holds)] for r, e in zip(rows, act.profiles, strict=True)]
    print_table("Profiles at the end", head, rows, give=Give(folded="identities"))


def end(command: str) -> None:
    """Print what to try next; *command* is how this program was called."""
    print_table(
        "Now",
        ("", ""),
        [
            (f"{command} run --embedded", "the same, with your own records"),
            (f"{command} demo --serve", "pages of these people, to look at"),
            (f"{command} demo --json", "every record of this story, whole"),
            ("https://idstream.github.io/idstream/tutorial/", "one person, on files, then Kafka"),
        ],
    )


def _show_batch(played: Played, labels: Mapping[str | None, str]) -> None:
    lines = compare(played.sent, played.received)
    print_table(
        f"The last batch of {labels[played.mpid]} as it came out (+ added, ~ replaced)",
        ("", "", ""),
        list(_rows(lines, labels)),
    )


def _rows(
    lines: Iterable[Line], labels: Mapping[str | None, str]
) -> Iterable[tuple[str, str, str]]:
    for one in lines:
        value = one.value if one.was is None else f"{one.value}  (was {one.was})"
        if one.field == "mpid":
            value = f"{value}  ({labels[one.value]})"
        yield one.sign, one.field, value


def _reached(played: Played) -> str:
    return (
        played.reached if played.holds else f"{played.reached} (the table has {played.published})"
    )


def _verdict(*, holds: bool) -> str:
    return "ok" if holds else "differs"

"""The story of a demo: who plays, what went in, what was decided, one batch before and after."""

from collections.abc import Iterable, Mapping
from typing import Final

from processor.commands.demo.comparison import Line, compare
from processor.commands.demo.journeys import CUSTOMER, ED, HJ, JANE, PHONE, ROKU
from processor.commands.demo.player import Act, Played
from processor.commands.terminal.tables import print_table

CAST: Final = (
    ("customer", CUSTOMER, "the number that the shop knows Ed by"),
    ("ed", ED, "his address"),
    ("hj", HJ, "the address that he changes it for"),
    ("idfv", PHONE, "his phone"),
    ("roku", ROKU, "his television set"),
    ("jane", JANE, "an address that two people share"),
)
STORIES: Final[Mapping[str, str]] = {
    "profile_isolation": "what was before a login stays with the device",
    "profile_link": "a new customer remembers the visitor before",
    "flat_matching": "whoever shares an identifier is one person",
}
LAST: Final = 2
"""The batch that is shown before and after: the last of those with attributes."""


def begin() -> None:
    """Print who plays."""
    print_table("Who plays", ("", "", ""), CAST)


def tell(act: Act) -> None:
    """Print what happened on a journey."""
    strategy = act.journey.strategy
    print_table(
        f"{strategy}: {STORIES[strategy]}",
        ("scenario", "what went in", "reached", ""),
        [(p.scenario, p.says, _reached(p), _verdict(holds=p.holds)) for p in act.steps],
    )
    if act.attributes:
        print_table(
            f"Attributes of customer {CUSTOMER}: who outranks whom",
            ("through", "the batch sets", "the enriched batch shows", ""),
            [(p.scenario, p.says, _reached(p), _verdict(holds=p.holds)) for p in act.attributes],
        )
        _show_batch(act.attributes[LAST], {one.mpid: one.label for one in act.profiles})
    _show_profiles(act)


def _show_profiles(act: Act) -> None:
    head, rows = ["", "MPID", "identities"], [[e.label, e.mpid, e.identities] for e in act.profiles]
    if any(one.source for one in act.profiles):
        head.append("from")
        rows = [[*row, one.source] for row, one in zip(rows, act.profiles, strict=True)]
    if not all(one.holds for one in act.profiles):
        head.append("")
        rows = [[*r, _verdict(holds=e.holds)] for r, e in zip(rows, act.profiles, strict=True)]
    print_table("Profiles at the end", head, rows)


def end(command: str) -> None:
    """Print what to try next; *command* is how this program was called."""
    print_table(
        "Now",
        ("", ""),
        [
            (f"{command} run --embedded", "the same, with your own records"),
            (f"{command} demo --serve", "pages of these people, to look at"),
            (f"{command} demo --json", "every record of this story, whole"),
            ("https://idstream.github.io/idstream/tutorial/", "the first hour, on a real Kafka"),
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
    return played.reached if played.holds else f"{played.reached} (published: {played.published})"


def _verdict(*, holds: bool) -> str:
    return "ok" if holds else "differs"

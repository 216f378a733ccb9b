"""A picture of a deployment for people: two tables, and a line beside them."""

from datetime import UTC, datetime

from processor.commands.status.picture import Picture
from processor.commands.terminal.console import say
from processor.commands.terminal.tables import print_table

_KIB = 1024


def show(picture: Picture) -> None:
    """Print *picture*."""
    count = len(picture.members)
    members = f"{count} member{'' if count == 1 else 's'}"
    at = _time(picture.published_ms)
    say(f"group {picture.group}: {members}, lag {picture.lag:,}, last profile at {at}\n")
    print_table(
        "input partitions",
        ("partition", "position", "end", "lag", "owner"),
        [
            (
                f"{one.topic}/{one.partition}",
                "none" if one.position is None else f"{one.position:,}",
                f"{one.end:,}",
                f"{one.lag:,}",
                one.owner or "nobody",
            )
            for one in picture.partitions
        ],
    )
    print_table(
        "spaces",
        (
            "space",
            "profiles",
            "graves",
            "identifiers",
            "memory",
            "commits",
            "last commit",
            "index and topics",
        ),
        [
            (
                one.name,
                f"{one.profiles:,}",
                f"{one.graves:,}",
                f"{one.identifiers:,}",
                _memory(one.memory_bytes),
                f"{one.commits:,}",
                _time(one.changed_ms),
                "agree" if one.agrees else "differ",
            )
            for one in picture.spaces
        ],
    )
    for warning in picture.warnings:
        say(f"warning: {warning}")


def _time(ms: int | None) -> str:
    if ms is None:
        return "no time yet"
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(" ", "seconds")


def _memory(size: int | None) -> str:
    if size is None:
        return "not shown"
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < _KIB:
            break
        amount, unit = amount / _KIB, larger
    return f"about {amount:,.0f} {unit}"

"""Findings of a check: accepted where the configuration says so, shown for people or programs."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from processor.commands.terminal.console import say
from processor.commands.terminal.tables import print_table
from processor.settings.error import hint

Verdict = Literal["ok", "accepted", "warning", "wrong"]
ACCEPT: Final = "check.accept"


class Finding(NamedTuple):
    """What was looked at, how it stands, what is to be said of it, and the name to accept it by."""

    what: str
    verdict: Verdict
    says: str
    name: str = ""
    """As ``check.accept`` has it; only warnings have one."""


def accepted(findings: Sequence[Finding], accept: Collection[str]) -> Iterator[Finding]:
    """Yield *findings*, with the warnings that *accept* names accepted.

    A name that accepts nothing is told: it is misspelt, or its reason is gone.
    """
    for one in findings:
        is_accepted = one.verdict == "warning" and one.name in accept
        yield one._replace(verdict="accepted") if is_accepted else one
    names = {one.name for one in findings if one.verdict == "warning"}
    for name in accept:
        if name not in names:
            says = f"{name} is no warning of this check; remove it{hint(name, names)}"
            yield Finding(ACCEPT, "warning", says, ACCEPT)


def summary(findings: Sequence[Finding]) -> str:
    """Return how many are wrong, warned of and accepted; the last line of a check."""
    counts = Counter(one.verdict for one in findings)
    parts = [f"{counts['wrong']} wrong" if counts["wrong"] else "nothing wrong"]
    if n := counts["warning"]:
        parts.append(f"{n} warning{'s' if n > 1 else ''}")
    if n := counts["accepted"]:
        parts.append(f"{n} accepted")
    return ", ".join(parts)


def show(findings: Sequence[Finding]) -> None:
    """Print a table, with the names by which warnings can be accepted."""
    rows = [(f.what, f.verdict, _says(f)) for f in findings]
    print_table("idstream check", ("what", "is", "says"), rows)


def show_json(findings: Sequence[Finding], created: Sequence[dict[str, Any]]) -> None:
    """Print one JSON object."""
    listed = [{k: v for k, v in one._asdict().items() if v} for one in findings]
    wrong = sum(one.verdict == "wrong" for one in findings)
    found = {"wrong": wrong, "findings": listed, "created": list(created)}
    say(msgspec.json.format(msgspec.json.encode(found)).decode())


def _says(finding: Finding) -> str:
    return f"{finding.says} [{finding.name}]" if finding.verdict == "warning" else finding.says

"""What a search has found, by place, and whether it should be there. Pure.

What came after the erasure is another life of the person; a device may be somebody else's. Which
is which is known once markers and documents are read, so findings wait for their verdict.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct, field

from processor.identity.marker import is_ever
from processor.privacy.case import Case
from processor.privacy.searching import Person, Whats

Verdict = Literal["left", "later", "another", "kept", "told", "residue", "unread"]
WHY: Final[Mapping[Verdict, str]] = {
    "left": "should be gone",
    "later": "came after the erasure, and is a new person's",
    "another": "a profile has it too whom the request did not reach",
    "kept": "stays: it keeps the person away, or other workspaces have data of the profile",
    "told": "a token or an MPID, no value",
    "residue": "falls to retention or compaction",
    "unread": "could not be read: a value of fewer than 4 characters may be in it",
}


class Finding(Struct, frozen=True):
    """Something that was found in a place, whoever it belongs to."""

    where: str
    whats: Whats
    mpid: int | None = None
    """The profile that it belongs to, or None where it says none."""
    created_ms: int | None = None
    """When that profile was made, where this is its document."""
    holders: tuple[int, ...] = ()
    """Of an index entry."""


class Row(Struct):
    """What was found of one kind in one place."""

    where: str
    verdict: Verdict
    whats: set[str] = field(default_factory=set)
    count: int = 0
    mpids: list[int] = field(default_factory=list)
    gone_by_ms: int | None = None
    """Of a residue: None where it has no end."""
    is_endless: bool = False


class Ledger:
    """Collects findings of one search, and gives each its verdict in the end."""

    def __init__(self, person: Person, strong: frozenset[str], case: Case | None) -> None:
        """Begin a ledger; *strong* are the types whose identities are nobody else's."""
        self._person = person
        self._strong = strong
        self._kept = frozenset() if case is None else frozenset(case.found.kept)
        marked = None if case is None else case.marked
        self.until_ms = None if marked is None else max(marked.until_ms, marked.lifted_ms or 0)
        """Up to when what was found is the erased person's; None where nothing says so."""
        self._is_suppressed = marked is not None and marked.is_suppressed
        self.searched: dict[str, int] = {}
        self._findings: list[Finding] = []
        self._rows: dict[tuple[str, Verdict], Row] = {}

    def look(self, where: str, count: int = 1) -> None:
        """Count what was looked at in a place."""
        self.searched[where] = self.searched.get(where, 0) + count

    def find(self, finding: Finding) -> None:
        """Note what was found."""
        self._findings.append(finding)

    def marked(self, until_ms: int) -> None:
        """Note a marker of the person: records up to it are the erased person's."""
        if is_ever(until_ms):
            self._is_suppressed = True
        else:
            self.until_ms = max(self.until_ms or 0, until_ms)

    def note(self, where: str, verdict: Verdict, whats: Whats, count: int = 1) -> Row:
        """Note what was found whose verdict is clear."""
        row = self._rows.setdefault((where, verdict), Row(where, verdict))
        row.whats |= whats
        row.count += count
        return row

    def residue(self, where: str, whats: Whats, gone_by_ms: int | None) -> None:
        """Note what falls to retention, and when the last of it does."""
        row = self.note(where, "residue", whats)
        row.is_endless |= gone_by_ms is None
        if gone_by_ms is not None:
            row.gone_by_ms = max(row.gone_by_ms or 0, gone_by_ms)

    def rows(self) -> list[Row]:
        """Return everything that was found, with its verdict, what is left first."""
        of_profiles: dict[int | None, Verdict] = {
            one.mpid: self._of_profile(one)
            for one in self._findings
            if one.mpid is not None and one.created_ms is not None
        }
        for one in self._findings:
            row = self.note(one.where, self._verdict(one, of_profiles), one.whats)
            if one.mpid is not None and one.mpid not in row.mpids:
                row.mpids.append(one.mpid)
        self._findings.clear()
        order = list(WHY)
        return sorted(self._rows.values(), key=lambda row: (order.index(row.verdict), row.where))

    def _verdict(self, one: Finding, profiles: Mapping[int | None, Verdict]) -> Verdict:
        if one.holders:
            found = {profiles.get(mpid, "left") for mpid in one.holders}
            return found.pop() if len(found) == 1 else "left"
        return profiles.get(one.mpid, "left")

    def _of_profile(self, one: Finding) -> Verdict:
        if one.mpid in self._person.mpids:
            return "left"
        if one.mpid in self._kept:
            return "kept"
        until, created = self.until_ms, one.created_ms
        is_theirs = bool(one.whats & self._strong)
        if until is None or created is None or (self._is_suppressed and is_theirs):
            return "left"
        if created > until:
            return "later"
        return "left" if is_theirs else "another"

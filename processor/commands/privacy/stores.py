"""The search through the index: every value of a space in Redis, of every generation."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from processor.commands.privacy.ledger import Finding, Ledger
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.pipeline.journal import Entry, unpack_entries
from processor.privacy.case import Case, unpack_case
from processor.privacy.searching import MPID, NOTHING, Searcher, Whats, joined
from processor.profiles.document import is_case, is_grave, unpack, unpack_grave
from processor.redis import keys
from processor.redis.contents import Contents, Stored
from processor.redis.wire import chunk_of

PLACES: Final = {
    "p": "documents",
    "i": "identities",
    "j": "journals",
    "o": "debts",
    "n": "notes of changes",
    "t": "the clock",
    "w": "the clock",
    "r": "rows",
    "l": "rows",
    "d": "ids of requests",
    "": "the space",
}
"""What stands under keys of each kind, for people."""
_IN: Final = "Redis: "
_HEADER_BYTES: Final = 18

_packed = msgspec.msgpack.Encoder().encode


class StoreSearch:
    """Looks through one space for one person."""

    def __init__(self, searcher: Searcher, ledger: Ledger) -> None:
        self._searcher = searcher
        self._person = searcher.person
        self._ledger = ledger
        self._readers: dict[str, Callable[[Stored], None]] = {
            "p": self._document,
            "i": self._entry,
            "j": self._journal,
            "o": self._debts,
        }

    def run(self, contents: Contents, space: Space, tell: Callable[[int], None]) -> None:
        """Look through *space*; *tell* hears how many keys are done."""
        done = 0
        for lot in contents.of(space):
            self.look(lot)
            done += len(lot)
            tell(done)

    def look(self, lot: Sequence[Stored]) -> None:
        """Look through some keys."""
        # Most hold nothing: they are looked through at once, and one by one only where any does.
        is_suspect = self._searcher.suspects(joined(p for one in lot for p in one.parts))
        for one in lot:
            self._ledger.look(_where(one.kind))
            if one.kind == "i":
                self._entry(one)
            elif one.kind == "o":
                self._debts(one)
            elif is_suspect or self._is_ours(one):
                self._readers.get(one.kind, self._other)(one)

    def _is_ours(self, one: Stored) -> bool:
        """Whether a key must be looked at by itself: of the person's profiles, cases, journals."""
        if one.kind == "j":
            return bool(self._person.mpids)
        return one.kind == "p" and keys.mpid_of(one.name) in self._person.mpids

    def _entry(self, one: Stored) -> None:
        what = self._person.tokens.get(one.name)
        if what is None or not one.parts:
            return
        stored = one.parts[0]
        for marker in keys.unpack_markers(stored):
            self._ledger.marked(marker.until_ms)
            self._ledger.note(f"{_IN}markers", "kept", frozenset({what}))
        holders = keys.unpack_holders(stored)
        if holders:
            self._ledger.find(Finding(_where("i"), frozenset({what}), holders=holders))

    def _document(self, one: Stored) -> None:
        if not one.parts:
            return
        mpid, data = keys.mpid_of(one.name), one.parts[0]
        is_theirs = mpid in self._person.mpids
        if is_case(data):
            self._case(unpack_case(data))
        elif is_grave(data):
            if is_theirs and unpack_grave(mpid, data).why == "erased":
                self._ledger.note(f"{_IN}graves", "kept", frozenset({"mpid"}))
        else:
            whats = self._searcher.in_msgpack(data[_HEADER_BYTES:])
            whats |= self._searcher.tokens_in(data)
            if is_theirs:
                whats |= {"mpid"}
            if whats:
                self._ledger.find(_finding(unpack(data), whats))

    def _case(self, case: Case) -> None:
        whats = self._searcher.in_value([list(one) for one in case.identifiers])
        held = {one for one in case.identifiers if one in self._person.identifiers}
        whats |= {one.identity_type for one in held}
        if whats:
            self._ledger.note(f"{_IN}a request that waits", "left", whats)

    def _journal(self, one: Stored) -> None:
        for part in one.parts:
            seq, chunk = chunk_of(part)
            is_suspect = self._searcher.suspects(chunk)
            if not is_suspect and not self._person.mpids:
                continue
            for entry in unpack_entries(seq, chunk):
                whats = self._in_entry(entry, is_suspect=is_suspect)
                if whats:
                    self._ledger.find(Finding(_where("j"), whats, entry.mpid))

    def _in_entry(self, entry: Entry, *, is_suspect: bool) -> Whats:
        named = {entry.mpid, *(mpid for mpid, _ in entry.touched)}
        found: Whats = MPID if named & self._person.mpids else NOTHING
        if is_suspect:
            data = _packed(entry)
            found |= self._searcher.in_msgpack(data) | self._searcher.tokens_in(data)
        return found

    def _debts(self, one: Stored) -> None:
        for digits in one.parts:
            if keys.mpid_of(digits) in self._person.mpids:
                self._ledger.note(_where("o"), "left", frozenset({"mpid"}))

    def _other(self, one: Stored) -> None:
        whats = self._searcher.in_bytes(joined(one.parts))
        if whats:
            self._ledger.note(_where(one.kind), "left", whats)


def _where(kind: str) -> str:
    return _IN + PLACES.get(kind, "other keys")


def _finding(profile: Profile, whats: Whats) -> Finding:
    # A merged profile is an old name of its survivor, and goes with it.
    return Finding(_where("p"), whats, profile.mpid, profile.created_ms)

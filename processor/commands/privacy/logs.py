"""The search through topics: the newest record of each key, and what older ones still hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.commands.privacy.ledger import Finding, Ledger
from processor.identity.model import Space
from processor.kafka.changelog import Changelog
from processor.kafka.keeping import Keeping
from processor.privacy.case import case_from_json
from processor.privacy.searching import MPID, NOTHING, Person, Searcher, Whats, joined
from processor.profiles.document import profile_key
from processor.records import Record
from processor.serve.values import Values
from processor.settings import Settings

COMPACTED: Final = ("profiles", "cases")
"""Roles of topics of which only the newest record of a key is a person's state."""
_encode = msgspec.json.Encoder().encode


class Source(Struct, frozen=True):
    """A topic to look through."""

    role: str
    """That of ``kafka.topics``; '' of a topic that is looked through as it is."""
    topic: str
    keeping: Keeping


class _Newest(Struct):
    """The newest record of a key that holds something."""

    finding: Finding
    older: int = 0


class LogSearch:
    """Looks through topics for one person."""

    def __init__(
        self, settings: Settings, searcher: Searcher, ledger: Ledger, space: Space
    ) -> None:
        self._settings = settings
        self._searcher = searcher
        self._ledger = ledger
        self._space = space
        self._values = Values(settings.registry_url())
        topics = settings.kafka.topics
        outputs: dict[str, str] = {name: role for role, name in topics.outputs.items()}
        self._roles: dict[str, str] = {**outputs, **topics.roles}
        self._own = _keys(searcher.person, space)

    def run(self, source: Source, tell: Callable[[int, int], None]) -> None:
        """Look through the topic of *source*; *tell* hears how far that is."""
        is_compacted = source.role in COMPACTED
        take = self._newest(source) if is_compacted else partial(self.look, source)
        changelog = Changelog(self._settings.kafka, source.topic)
        try:
            for piece in changelog.read():
                self._ledger.look(source.topic, len(piece.records))
                take(piece.records)
                tell(piece.done, piece.total)
        finally:
            changelog.close()
        if is_compacted:
            self._end()

    # ---- topics of which every record counts ----------------------------------------------------

    def look(self, source: Source, records: Sequence[Record]) -> None:
        """Look through records of a topic of which every record counts."""
        if not self._searcher.is_exacting and not self._searcher.suspects(
            joined(part for record in records for part in _parts(record))
        ):
            return
        for record in records:
            whats, tokens = self._in_record(source, record)
            if whats:
                self._found(source, record, whats)
            elif tokens:
                self._ledger.note(source.topic, "told", tokens)

    def _found(self, source: Source, record: Record, whats: Whats) -> None:
        if source.role == "changes":  # never holds a value: who reads it has no right to one
            self._ledger.note(source.topic, "left", whats)
        else:
            self._ledger.residue(source.topic, whats, source.keeping.gone_by(record.timestamp_ms))

    def _in_record(self, source: Source, record: Record) -> tuple[Whats, Whats]:
        """Return which values a record has, and which tokens: in changes, MPIDs are told too."""
        data = record.value or b""
        whats = self._searcher.in_wrapping(record.key, record.headers)
        whats |= self._searcher.mpids_in(data)
        if self._searcher.may_hold(data):
            # What producers send may have a number as an id, and fields that are none of ours.
            is_sent = source.role in ("", "dead_letters")
            text = self._as_json(self._role(source, record), data)
            whats |= self._in_text(source.topic, text, with_numbers=is_sent)
            if is_sent and text is not data:
                whats |= self._searcher.in_bytes(data)
        tokens = self._searcher.tokens_in(data)
        if source.role == "changes":
            return whats - MPID, tokens | (whats & MPID)
        return whats, tokens

    def _in_text(self, topic: str, text: bytes, *, with_numbers: bool = False) -> Whats:
        """Return which values are in what a record says; note where that cannot be known."""
        if self._searcher.may_hide(text):
            self._ledger.note(topic, "unread", NOTHING)
        return self._searcher.in_json(text, with_numbers=with_numbers)

    def _role(self, source: Source, record: Record) -> str:
        """Return whose messages a record of *source* has: a dead letter, those of where it was."""
        if source.role not in ("", "dead_letters"):
            return source.role
        was = dict(record.headers).get("source-topic")
        return self._roles.get(source.topic if was is None else was.decode(errors="replace"), "")

    def _as_json(self, role: str, data: bytes) -> bytes:
        if data[:1] in (b"{", b""):
            return data
        body = self._values.read(role, data)
        return data if body is None else _encode(body)

    # ---- compacted topics -----------------------------------------------------------------------

    def _newest(self, source: Source) -> Callable[[Sequence[Record]], None]:
        self._held: dict[bytes, _Newest] = {}
        read = self._in_profile if source.role == "profiles" else self._in_case

        def take(records: Sequence[Record]) -> None:
            # A case stands on its topic in hex: it is decoded whatever it looks like.
            is_suspect = source.role == "cases" or self._searcher.suspects(
                joined(record.value or b"" for record in records)
            )
            for record in records:
                key = record.key or b""
                if not is_suspect and key not in self._own and key not in self._held:
                    continue
                finding = read(source.topic, record)
                before = self._held.pop(key, None)
                if before is not None:
                    gone_by = source.keeping.gone_by(record.timestamp_ms)
                    self._ledger.residue(_older(source.topic), before.finding.whats, gone_by)
                if finding is not None:
                    self._held[key] = _Newest(finding)

        return take

    def _end(self) -> None:
        for newest in self._held.values():
            self._ledger.find(newest.finding)
        self._held = {}

    def _in_profile(self, topic: str, record: Record) -> Finding | None:
        data = record.value
        if data is None:
            return None
        text = self._as_json("profiles", data)
        whats = self._in_text(topic, text) | self._searcher.tokens_in(text)
        if record.key in self._own:
            whats |= {"mpid"}
        if not whats:
            return None
        body = _object(text)
        mpid, created = body.get("mpid"), body.get("created_ms")
        return Finding(
            topic,
            whats,
            int(mpid) if isinstance(mpid, str | int) else None,
            created if isinstance(created, int) else None,
        )

    def _in_case(self, topic: str, record: Record) -> Finding | None:
        """Return what a case holds raw; its markers, which are tokens, stay by design."""
        data = record.value
        if data is None:
            return None
        try:
            case = case_from_json(self._as_json("cases", data))
        except ValueError:
            whats = self._searcher.in_json(data)
            return Finding(topic, whats) if whats else None
        identifiers = self._searcher.person.identifiers
        whats = frozenset(one.identity_type for one in case.identifiers if one in identifiers)
        return Finding(topic, whats) if whats else None


def _parts(record: Record) -> Iterator[bytes]:
    yield record.key or b""
    yield record.value or b""
    for _, value in record.headers:
        yield value or b""


def _older(topic: str) -> str:
    return f"{topic}, older records"


def _keys(person: Person, space: Space) -> frozenset[bytes]:
    """Return the keys of the person's profiles on topics."""
    return frozenset(profile_key(space.scope, space.environment, one) for one in person.mpids)


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}

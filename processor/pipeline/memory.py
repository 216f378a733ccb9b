"""What is remembered of known users, found by the bytes that it was read from.

Of a user whose batches bring something new: whom they name (``naming``). Of one whose batch changed
nothing: all of it. A batch in the same words is attributed as before, changes nothing, and is
enriched with the same fields, while the index holds the same and the decision's term lasts. Which
decisions that is true of: ``lasting``.

The words are the raw fields of ``WORDS``, and the input that the batch came through. All its other
fields go out as they came, except that the heads of events are read every time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from msgspec import Raw, Struct
from msgspec.structs import replace

from processor.codecs.envelope import Fields
from processor.codecs.headers import Headers
from processor.identity.model import Identifier, Space
from processor.identity.view import Holders
from processor.index.cache import UNPACKED, Slot, Slots
from processor.index.eviction import older_half, spares_the_used
from processor.pipeline.naming import Naming, bytes_of
from processor.pipeline.work import Verdict
from processor.rules import InputRules

WORDS: Final = (
    "user_identities",
    "device_info",
    "environment",
    "mpid",
    "mp_deviceid",
    "user_attributes",
    "deleted_user_attributes",
    "consent_state",
    "partner_identities",
)
"""The fields of a batch that a decision or an enrichment reads, besides the heads of its events."""
NAMES: Final = 5
"""How many of ``WORDS``, from the first, name user and device."""

Words = tuple[Raw | None, ...]
FOREVER_MS: Final = 2**63 - 1
FOUND_BY: Final = 2
"""How many of ``WORDS``, from the first, are held once more: as what finds the others."""
MEMO_BYTES: Final = 1_800
"""About how many bytes a memo takes beside its words, its fields and what it read."""
RAW_BYTES: Final = 130
"""About how many a raw field takes that is held, beside its own."""
READ_BYTES: Final = 100
"""About how many bytes it takes of each key that was read: what stands there is the cache's."""


class Reads(Struct, frozen=True):
    """The keys that a decision read, with their slots in the cache of the index."""

    identifiers: tuple[Identifier, ...]
    mpids: tuple[int, ...]
    slots: Slots

    def holders(self) -> Iterator[Holders]:
        """Yield the holders of the identifiers."""
        for slot in self.slots.holders:
            yield slot.value

    def versions(self) -> Iterator[int]:
        """Yield the versions of the profiles."""
        for slot in self.slots.profiles:
            yield slot.value.version


class Term(Struct, frozen=True, gc=False):
    """Until when a decision holds, by the two times of a record that repeats it."""

    until_ms: int
    """By its own time: the last at which nothing has to be written."""
    due_ms: int = FOREVER_MS
    """By its timestamp: the first at which time alone may change something."""

    def covers(self, time_ms: int, timestamp_ms: int) -> bool:
        """Whether the decision holds for a record of these times."""
        return time_ms <= self.until_ms and timestamp_ms < self.due_ms


class Made(Struct, frozen=True):
    """What becomes of a batch in the same words."""

    key: bytes
    """The key of the enriched batch."""
    fields: dict[str, Raw]
    """The fields that are laid over those received."""
    headers: Headers
    """The headers of the enriched batch, besides those of the record's place."""
    device_info: Mapping[str, Any] | None = None
    """As the batch said it, where events are looked at by it."""


class Memo:
    """A remembered decision, which changed nothing, with what it makes of a batch."""

    __slots__ = (
        "_slots", "cost", "is_used", "made", "reads", "space", "term", "verdicts", "words",
    )  # fmt: skip

    def __init__(
        self,
        space: Space,
        words: Words,
        reads: Reads,
        term: Term,
        verdicts: tuple[Verdict, Verdict],
        made: Made,
    ) -> None:
        self.space = space
        self.words = words
        self.reads = reads
        self._slots: tuple[Slot[Any], ...] = (*reads.slots.holders, *reads.slots.profiles)
        self.term = term
        self.verdicts = verdicts
        """Of a batch without events, and of one with events."""
        self.made = made
        fields = [raw for raw in (*words, *made.fields.values()) if raw is not None]
        said = bytes_of(words[:FOUND_BY]) + bytes_of(fields)
        parsed = 0 if made.device_info is None else UNPACKED * bytes_of(words[1:FOUND_BY])
        read = READ_BYTES * len(self._slots)
        self.cost = MEMO_BYTES + RAW_BYTES * len(fields) + said + parsed + read
        """How many bytes it takes in memory, about."""
        self.is_used = False

    def is_current(self) -> bool:
        """Whether the index holds what the decision read. Asking counts as use."""
        for slot in self._slots:
            if not slot.is_current:
                return False
            slot.is_used = True
        return True


def words_of(fields: Fields) -> Words:
    """Return the fields that decide, in the order of ``WORDS``."""
    get = fields.get
    return (
        get("user_identities"),
        get("device_info"),
        get("environment"),
        get("mpid"),
        get("mp_deviceid"),
        get("user_attributes"),
        get("deleted_user_attributes"),
        get("consent_state"),
        get("partner_identities"),
    )


Name = tuple[str, bytes, bytes]
"""Input, user identities and device: each has one memo, which changed attributes replace."""
Remembered = TypeVar("Remembered", "Memo", Naming)

Recalled = tuple[Memo, bool, int | None, str | None, bytes]
"""A memo with what a batch says beside its words: whether it has events, its time, its request id;
and the enriched batch."""
Recall = Callable[[bytes | None, int, str, dict[Name, Memo]], Recalled | None]
"""Finds the memo of a batch of at most so many bytes, which came through an input (``native``)."""


class Memory:
    """Memos and namings of one process, at most *max_bytes* of them, estimated."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0
        self.evicted = 0
        """How many were forgotten for want of room."""
        self._memos: dict[Name, Memo] = {}
        self._namings: dict[Name, Naming] = {}
        self._used: set[Name] = set()
        """The namings that were used since the last time something was forgotten."""

    def find(self, rules: InputRules, fields: Fields) -> Memo | Naming | None:
        """Return what is remembered of a batch in these words: its decision, else whom it names."""
        words = words_of(fields)
        name = _name(rules, words)
        memo = self._memos.get(name)
        if memo is not None and memo.words == words and memo.is_current():
            memo.is_used = True
            return memo
        naming = self._namings.get(name)
        if naming is None or naming.words != words[:NAMES]:
            return None
        self._used.add(name)
        return naming

    def recalled(
        self, recall: Recall, value: bytes | None, most: int, rules: InputRules
    ) -> Recalled | None:
        """Return what *recall* finds of the batch in *value*, of at most so many bytes."""
        found = recall(value, most, rules.name, self._memos)
        if found is None or not found[0].is_current():
            return None
        found[0].is_used = True
        return found

    def keep(self, rules: InputRules, memo: Memo) -> None:
        """Remember *memo* in place of what was remembered of the same user and device."""
        name = _name(rules, memo.words)
        memo.is_used = self._forget(self._memos, name)
        self._memos[name] = memo
        self.bytes += memo.cost
        if self.bytes > self._max_bytes:
            self._shrink()

    def keep_naming(self, rules: InputRules, naming: Naming, fields: Fields) -> None:
        """Remember whom the batch with *fields* names."""
        words = words_of(fields)
        naming.words = tuple(None if raw is None else Raw(bytes(raw)) for raw in words[:NAMES])
        naming.batch = replace(
            naming.batch,
            fields={},
            user_attributes={},
            deleted_user_attributes=(),
            consent_state=None,
            partner_identities={},
        )
        name = _name(rules, naming.words)
        if self._forget(self._namings, name):
            self._used.add(name)
        self._namings[name] = naming
        self.bytes += naming.cost
        if self.bytes > self._max_bytes:
            self._shrink()

    def _forget(self, held: dict[Name, Remembered], name: Name) -> bool:
        """Forget what is held under *name*, and return whether anything was."""
        one = held.pop(name, None)
        if one is None:
            return False
        self.bytes -= one.cost
        return True

    def _shrink(self) -> None:
        """Forget some of what was not used since the last time, or of all where most was."""
        memos, namings = self._memos, self._namings
        old = [n for n, one in memos.items() if not (one.is_used and one.is_current())]
        unused = [name for name in namings if name not in self._used]
        if not spares_the_used(len(old) + len(unused), len(memos) + len(namings)):
            old, unused = list(memos), list(namings)
        self._sweep(memos, old)
        self._sweep(namings, unused)
        for memo in memos.values():
            memo.is_used = False
        self._used = set()

    def _sweep(self, held: dict[Name, Remembered], those: list[Name]) -> None:
        for name in older_half(those):
            self.evicted += self._forget(held, name)


NO_MEMORY: Final = Memory(0)
"""A memory that keeps nothing, for a pipeline that shall remember no decisions."""


def _name(rules: InputRules, words: Sequence[Raw | None]) -> Name:
    identities, device = words[0], words[1]
    return (
        rules.name,
        b"" if identities is None else bytes(identities),
        b"" if device is None else bytes(device),
    )

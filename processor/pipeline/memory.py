"""Remembered decisions of known users: those that changed nothing, found by the bytes they read.

Decisions are pure. So a batch in the same words, for which the index holds the same, is decided
alike while time makes no difference: it changes nothing, is attributed as before, and is enriched
with the same fields. Only decisions that changed nothing and announced nothing are remembered.

* The words: the raw fields of ``WORDS``, and the input that the batch came through. All its other
  fields go out as they came, except that the heads of events are read every time.
* What the index holds: the slots of everything that the decision read (``index.cache``), current at
  the instant of the visit.
* Time: up to ``until_ms``, after which activity may have to be written (``known``).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Raw, Struct

from processor.codecs.envelope import Fields
from processor.codecs.headers import Headers
from processor.identity.model import Identifier, Space
from processor.identity.view import Holders
from processor.index.cache import Slots
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

Words = tuple[Raw | None, ...]
FOREVER_MS: Final = 2**63 - 1
MEMO_BYTES: Final = 1_500
"""About how many bytes a memo takes beside its words and fields."""


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


class Made(Struct, frozen=True):
    """The outcome of a batch: its profile, and what its enriched batch gets."""

    mpid: int
    key: bytes
    """The key of the enriched batch."""
    fields: dict[str, Raw]
    """The fields that are laid over those received."""
    headers: Headers
    """The headers of the enriched batch, besides those of the record's place."""


class Memo:
    """A remembered decision, which changed nothing, with what it makes of a batch."""

    __slots__ = (
        "cost", "device_info", "holds_until_ms", "is_used", "made", "reads", "space", "until_ms",
        "verdicts", "words",
    )  # fmt: skip

    def __init__(
        self,
        space: Space,
        words: Words,
        reads: Reads,
        until_ms: int,
        verdicts: tuple[Verdict, Verdict],
        made: Made,
    ) -> None:
        self.space = space
        self.words = words
        self.reads = reads
        self.until_ms = until_ms
        """The last time at which it is certain to change nothing."""
        self.verdicts = verdicts
        """Of a batch without events, and of one with events."""
        self.made = made
        self.holds_until_ms = FOREVER_MS
        """The first timestamp of a record at which time may change what is computed."""
        self.device_info: Mapping[str, Any] | None = None
        """As the batch said it, where events are looked at by it."""
        sizes = (len(bytes(raw)) for raw in (*words, *made.fields.values()) if raw is not None)
        self.cost = MEMO_BYTES + sum(sizes)
        self.is_used = True

    def is_current(self) -> bool:
        """Whether the index holds what the decision read. Asking counts as use."""
        return self.reads.slots.are_current()


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


class Memory:
    """Memos of one process, at most *max_bytes* of them, estimated."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0
        self._memos: dict[Name, Memo] = {}

    def find(self, rules: InputRules, fields: Fields) -> Memo | None:
        """Return what is remembered of a batch in these words."""
        words = words_of(fields)
        memo = self._memos.get(_name(rules, words))
        if memo is None or memo.words != words or not memo.is_current():
            return None
        memo.is_used = True
        return memo

    def keep(self, rules: InputRules, memo: Memo) -> None:
        """Remember *memo* in place of what was remembered of the same user and device."""
        name = _name(rules, memo.words)
        self._forget(name)
        self._memos[name] = memo
        self.bytes += memo.cost
        if self.bytes > self._max_bytes:
            self._shrink()

    def _forget(self, name: Name) -> None:
        memo = self._memos.pop(name, None)
        if memo is not None:
            self.bytes -= memo.cost

    def _shrink(self) -> None:
        """Forget what was not used since the last time, or half of all where all was."""
        memos = self._memos
        unused = [name for name, memo in memos.items() if not (memo.is_used and memo.is_current())]
        for name in unused if 2 * len(unused) >= len(memos) else list(memos)[: len(memos) // 2]:
            self._forget(name)
        for memo in memos.values():
            memo.is_used = False


NOTHING: Final = Memory(0)
"""A memory that keeps nothing, for a pipeline that shall remember no decisions."""


def _name(rules: InputRules, words: Words) -> Name:
    identities, device = words[0], words[1]
    return (
        rules.name,
        b"" if identities is None else bytes(identities),
        b"" if device is None else bytes(device),
    )

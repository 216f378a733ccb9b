"""Uses of request ids on their way to read.lua: in groups, since most of a lot are alike.

Uses of one window whose times lie in the same buckets make a group, looked up and noted with a
handful of commands, however many they are. A token that a lot names again goes into a later
group, so that it sees the first use.
"""

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Raw, Struct

from processor.index.port import Use
from processor.index.uses import bounded_ms, buckets, width_ms
from processor.redis import keys
from processor.redis.forms import Form
from processor.redis.packing import binary

LAG_MS = 3_600_000
"""How long a use is kept beyond the window, for records that are processed late."""


class PackedGroup(Struct, array_like=True):
    """Uses of one window and the same buckets, as read.lua takes them."""

    window_ms: int
    life_ms: int
    """How long the own bucket is kept."""
    buckets: tuple[str, ...]
    """Those that may hold a use that counts, the own one first."""
    asks: list[int]
    stored: list[tuple[Raw, Raw]]
    """Of each form the tokens, and token and use in turns: of that first which is to be noted."""


class _Group:
    """A group while uses are added."""

    __slots__ = ("asks", "uses")

    def __init__(self) -> None:
        self.asks: list[int] = []
        self.uses: list[tuple[int, Use]] = []
        """Of each ask the use, with its time in front."""

    def packed(
        self, forms: Sequence[Form], window_ms: int, buckets: tuple[str, ...]
    ) -> PackedGroup:
        """Return the group as read.lua takes it."""
        life_ms = window_ms + width_ms(window_ms) + LAG_MS
        stored = [form.packed(self.uses) for form in forms]
        return PackedGroup(window_ms, life_ms, buckets, self.asks, stored)


class UseGroups:
    """The uses of one read, in each of *forms*."""

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = forms
        self._rounds: list[dict[tuple[int, tuple[str, ...]], _Group]] = [{}]
        """Groups by window and buckets; the second round has tokens that were named before, …"""
        self._named: dict[bytes, int] = {}

    def add(self, number: int, use: Use) -> None:
        """Add the use of ask *number*, counted from 1."""
        time_ms = bounded_ms(use)
        again = self._named.get(use.token, -1) + 1
        self._named[use.token] = again
        if again == len(self._rounds):
            self._rounds.append({})
        alike = _alike(time_ms, use.window_ms)
        group = self._rounds[again].get(alike)
        if group is None:
            group = self._rounds[again][alike] = _Group()
        group.asks.append(number)
        group.uses.append((time_ms, use))

    def packed(self) -> tuple[list[Raw], list[PackedGroup]]:
        """Return the forms, and the groups in the order in which they are to be looked at."""
        forms = self._forms
        groups = [g.packed(forms, *alike) for groups in self._rounds for alike, g in groups.items()]
        return [binary(form.kind) for form in forms], groups


@lru_cache(maxsize=1024)
def _alike(time_ms: int, window_ms: int) -> tuple[int, tuple[str, ...]]:
    """Return what uses of a group have in common: the window, and the names of the buckets."""
    width = width_ms(window_ms)
    return window_ms, tuple(keys.bucket_name(width, n) for n in buckets(time_ms, window_ms))

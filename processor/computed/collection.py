"""Types that remember single texts: unique_list, unique_count and most_frequent.

Only the first ``max_values`` texts are taken up. In a window a text whose last event has left frees
its place (docs/computed.md, "Types").
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from msgspec import Struct

from processor.computed.calculation import State, Taken, Value, Values
from processor.computed.window import Parts, Window, inside, joined, with_value, without_before

Kept = dict[Any, Any]
"""Of each text, in the order in which they were seen: what its type remembers of it."""

_HASH_BYTES: Final = 8
_MOST_TIMES: Final = 2**63 - 1
"""How often a text counts at most: what packs. Quantities come from clients."""


class Collection(Struct, frozen=True):
    """Texts, each with its latest part, its number of events or its parts."""

    window: Window | None
    most: int
    """How many texts are followed."""
    is_counting: bool = False
    """Whether it counts the events of each text: most_frequent."""
    hash_key: bytes | None = None
    """Texts are remembered as hashes under this key, for unique_count; None: as themselves."""

    def fold(self, state: State, taken: Taken, now_ms: int) -> State:
        """Return *state* with one more event; itself if that changes nothing."""
        part = 0
        if self.window is not None:
            part = self.window.part(taken.time_ms)
            if part < self.window.oldest(now_ms):
                return state
        before = self._kept(state)
        kept = self._without_gone(before, now_ms)
        is_news = False
        for text, times in taken.texts:
            key = self._key(text)
            if (known := kept.get(key, self)) is self:
                if len(kept) >= self.most:
                    continue
                kept[key] = self._first(part, times)
                is_news = True
            elif (both := self._again(known, part, times)) != known:
                kept[key] = both
                is_news = True
        return self._packed(kept) if is_news else state

    def value(self, state: State, now_ms: int) -> Value | None:
        """Return the value at an instant, None where there is none."""
        if state is None:
            return None
        kept = self._without_gone(self._kept(state), now_ms)
        if self.hash_key is not None:
            return len(kept)
        if not kept:
            return None
        return self._leader(kept, now_ms) if self.is_counting else sorted(kept)

    def values(self, state: State) -> Values:
        """Return the value as a function of the instant."""
        return lambda now_ms: self.value(state, now_ms)

    def _leader(self, kept: Kept, now_ms: int) -> str:
        """Return the text with most events; of several the first by code points."""
        window = self.window
        if window is not None:
            kept = {text: sum(n for _, n in inside(window, kept[text], now_ms)) for text in kept}
        leader: str = min(kept, key=lambda text: (-kept[text], text))
        return leader

    def instants(self, state: State) -> Iterator[int]:
        """Yield the instants at which time alone may change the value."""
        if state is None or self.window is None:
            return
        for kept in self._kept(state).values():
            for part in _numbers(kept) if self.is_counting else (kept,):
                yield self.window.leaves_ms(part)

    def next_ms(self, state: State, now_ms: int) -> int | None:
        """Return the first of these instants that is after *now_ms*."""
        later = (time_ms for time_ms in self.instants(state) if time_ms > now_ms)
        return min(later, default=None)

    def join(self, state: State, other: State, now_ms: int) -> State:
        """Return the state as if the events of both had been one person's; *state*'s come first."""
        kept = self._without_gone(self._kept(state), now_ms)
        for key, theirs in self._without_gone(self._kept(other), now_ms).items():
            if key in kept:
                kept[key] = self._both(kept[key], theirs)
            elif len(kept) < self.most:
                kept[key] = theirs
        return self._packed(kept)

    def _key(self, text: str) -> Any:  # noqa: ANN401 - a text or its hash
        if self.hash_key is None:
            return text
        return blake2b(text.encode(), digest_size=_HASH_BYTES, key=self.hash_key).digest()

    def _first(self, part: int, times: int) -> Any:  # noqa: ANN401 - as the type remembers it
        if not self.is_counting:
            return part
        return times if self.window is None else [part, times]

    def _again(self, known: Any, part: int, times: int) -> Any:  # noqa: ANN401 - as _first
        if not self.is_counting:
            return max(known, part)
        if self.window is None:
            return _plus(known, times)
        return with_value(known, part, times, _plus)

    def _both(self, mine: Any, theirs: Any) -> Any:  # noqa: ANN401 - as _first
        if not self.is_counting:
            return max(mine, theirs)
        return _plus(mine, theirs) if self.window is None else joined(mine, theirs, _plus)

    def _without_gone(self, kept: Kept, now_ms: int) -> Kept:
        if self.window is None:
            return kept
        oldest = self.window.oldest(now_ms)
        if not self.is_counting:
            return {key: part for key, part in kept.items() if part >= oldest}
        left = {key: without_before(parts, oldest) for key, parts in kept.items()}
        return {key: parts for key, parts in left.items() if parts}

    def _kept(self, state: State) -> Kept:
        if state is None:
            return {}
        keys, kept = state
        if self.hash_key is not None:
            keys = [keys[at : at + _HASH_BYTES] for at in range(0, len(keys), _HASH_BYTES)]
        if not self.is_counting:
            kept = [part + kept[0] for part in kept[1:]] if kept else [0] * len(keys)
        return dict(zip(keys, kept, strict=True))

    def _packed(self, kept: Kept) -> State:
        keys = b"".join(kept) if self.hash_key is not None else [*kept]
        if self.is_counting:
            return [keys, [*kept.values()]]
        if self.window is None:
            return [keys, []]
        # Parts of one window lie near each other, so that most differences take a byte.
        first = min(kept.values(), default=0)
        return [keys, [first, *(part - first for part in kept.values())]]


def _plus(known: int, more: int) -> int:
    return min(known + more, _MOST_TIMES)


def _numbers(parts: Parts) -> Iterator[int]:
    return (parts[0] + place - 1 for place in range(1, len(parts)) if parts[place] is not None)

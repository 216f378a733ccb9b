"""What a process remembers of a space: holders and documents as the index has them now.

Everything that changes a space raises its seq and leaves a *note* under it: the keys that had a
value before and have another now. An answer of the index brings the notes since the moment of this
cache; what they name is dropped, so the rest is what the index holds at the instant of the answer.
Where the notes do not reach back to that moment (an overflow, a release that leaves none, another
generation), everything is dropped. Absence is never remembered: what appears for the first time is
in no note, so new people cost none.

A wrong cache could spoil decisions that change nothing, never the graph: a commit checks in the
index all that it was decided upon, as ever.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from msgspec.structs import replace

from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile
from processor.identity.unnamed import HASHED
from processor.identity.view import Asked, Effects, Holders, ReadSet, canonical
from processor.index.eviction import older_half, spares_the_used
from processor.index.port import (
    Ask,
    Changed,
    ClaimReply,
    Commit,
    Conflict,
    Index,
    Mark,
    Moment,
    Opening,
    Reading,
    RowAdvance,
    RowClaim,
    Trim,
)
from processor.records import RowKey

HOLDERS_BYTES: Final = 360
"""What a remembered identifier costs, about: its slot, its token, its place in two tables."""
HOLDER_BYTES: Final = 40
"""What each of those who hold it costs besides."""
DOCUMENT_BYTES: Final = 800
"""What a remembered document costs beside its content."""
UNPACKED: Final = 4
"""How many bytes in memory a byte of a packed document takes, about."""


Value = TypeVar("Value")
Key = TypeVar("Key")


class Slot(Generic[Value]):
    """A remembered value: current until the index holds another one, or it is forgotten.

    Then it has no value any more, whoever still has the slot.
    """

    __slots__ = ("cost", "is_current", "is_used", "value")

    def __init__(self, value: Value, cost: int, *, is_used: bool) -> None:
        self.value = value
        self.cost = cost
        self.is_current = True
        self.is_used = is_used
        """Whether it was met again: who is met once makes nobody forgotten who is met often."""

    def forget(self) -> None:
        """Let the value go."""
        self.is_current = False
        del self.value


class Slots(NamedTuple):
    """The slots of everything that a decision read."""

    holders: tuple[Slot[Holders], ...]
    """One for each identifier, in the order in which they were asked for."""
    profiles: tuple[Slot[Profile], ...]
    """One for each MPID."""


TokenOf = Callable[[Identifier], bytes]
Sized = Mapping[int, int]


class Cache:
    """What is remembered of one space."""

    def __init__(self) -> None:
        self.moment: Moment | None = None
        """The moment of which every remembered value is; None while nothing is remembered."""
        self.bytes = 0
        """How many it takes, estimated."""
        self._holders: dict[Identifier, Slot[Holders]] = {}
        self._profiles: dict[int, Slot[Profile]] = {}
        self._tokens: dict[bytes, Identifier] = {}

    def look_up(self, asks: Iterable[Ask]) -> tuple[list[Ask], ReadSet]:
        """Return what of each of *asks* is not remembered, and all that is."""
        read = ReadSet({}, {})
        return [self._rest(ask, read) for ask in asks], read

    def _rest(self, ask: Ask, read: ReadSet) -> Ask:
        """Add what is remembered of *ask* to *read*, and return the rest of it."""
        if not ask.identifiers and not ask.mpids:
            return ask
        identifiers: list[Identifier] = []
        mpids: list[int] = []
        for identifier in ask.identifiers:
            slot = self._holders.get(identifier)
            if slot is None:
                identifiers.append(identifier)
                continue
            slot.is_used = True
            read.holders[identifier] = slot.value
            for mpid in slot.value:
                if mpid not in read.profiles:
                    mpids += self._follow(mpid, read.profiles)
        for mpid in ask.mpids:
            if mpid not in read.profiles:
                mpids += self._follow(mpid, read.profiles)
        return Ask(tuple(identifiers), tuple(mpids), ask.use)

    def _follow(self, mpid: int, found: dict[int, Profile | None]) -> tuple[int, ...]:
        """Add the documents from *mpid* to its survivor to *found*.

        Return the first MPID on the way that is not remembered, if any.
        """
        at: int | None = mpid
        while at is not None and at not in found:  # pointers that run in a circle end
            slot = self._profiles.get(at)
            if slot is None:
                return (at,)
            slot.is_used = True
            found[at] = slot.value
            at = slot.value.merged_into
        return ()

    def learn(self, moment: Moment, changed: Changed | None) -> None:
        """Drop the keys that *changed* up to *moment*; drop everything where they are not known."""
        if changed is None:
            self.clear()
        else:
            for mpid in changed.mpids:
                self._forget(self._profiles, mpid)
            for token in changed.tokens:
                identifier = self._tokens.pop(token, None)
                if identifier is not None:
                    self._forget(self._holders, identifier)
        self.moment = moment

    def clear(self) -> None:
        """Forget everything."""
        for slot in self._holders.values():
            slot.forget()
        for document in self._profiles.values():
            document.forget()
        self._holders, self._profiles, self._tokens = {}, {}, {}
        self.bytes, self.moment = 0, None

    # ---- what answers say -------------------------------------------------------------------

    def keep(self, read: ReadSet, sizes: Sized, token: TokenOf) -> None:
        """Remember what was just read; *sizes* are the bytes of the documents."""
        for identifier, holders in read.holders.items():
            if holders and identifier not in read.markers and identifier[0] != HASHED:
                self._keep_holders(identifier, holders, token)
        for mpid, profile in read.profiles.items():
            if profile is not None:
                self._keep_profile(mpid, profile, sizes.get(mpid, 0))

    def wrote(self, effects: Effects, commit: Commit, token: TokenOf) -> None:
        """Take over what a commit of ours has written.

        Whom a sweep took is hardly met again soon: of them only what was remembered before.
        """
        self.moment = commit.moment
        is_swept = bool(effects.moves.taken)
        self._wrote_holders(effects, token, is_swept=is_swept)
        for mpid, profile in effects.profiles.items():
            if not is_swept or mpid in self._profiles:
                self._keep_profile(mpid, profile, commit.sizes.get(mpid, 0))
        for mpid in effects.graves:
            self._forget(self._profiles, mpid)
        for marked, _ in effects.filing.marks:
            known = self._tokens.pop(marked, None)
            if known is not None:
                self._forget(self._holders, known)

    def _wrote_holders(self, effects: Effects, token: TokenOf, *, is_swept: bool) -> None:
        for identifier, holders in effects.holders.items():
            if not holders or identifier in effects.markers:
                self._tokens.pop(token(identifier), None)
                self._forget(self._holders, identifier)
            elif not is_swept or identifier in self._holders:
                its = holders if len(holders) == 1 else canonical(holders)
                self._keep_holders(identifier, its, token)

    def holds(self, read: ReadSet) -> bool:
        """Whether nothing has been dropped of what was looked up."""
        return (
            read.holders.keys() <= self._holders.keys()
            and read.profiles.keys() <= self._profiles.keys()
        )

    def slots(self, asked: Asked) -> Slots | None:
        """Return the slots of what was read if all hold that still, else None."""
        holders, profiles, read = [], [], asked.read
        for identifier in asked.identifiers:
            slot = self._holders.get(identifier)
            if slot is None or slot.value != read.holders.get(identifier):
                return None
            holders.append(slot)
        for mpid in asked.mpids:
            document = self._profiles.get(mpid)
            if document is None or document.value is not read.profiles.get(mpid):
                return None
            profiles.append(document)
        return Slots(tuple(holders), tuple(profiles))

    # ---- slots ------------------------------------------------------------------------------

    def _keep_holders(self, identifier: Identifier, holders: Holders, token: TokenOf) -> None:
        old = self._holders.get(identifier)
        if old is not None:
            if old.value == holders:
                return
            self._forget(self._holders, identifier)
        cost = HOLDERS_BYTES + HOLDER_BYTES * len(holders)
        self._holders[identifier] = Slot(holders, cost, is_used=old is not None and old.is_used)
        self._tokens[token(identifier)] = identifier
        self.bytes += cost

    def _keep_profile(self, mpid: int, profile: Profile, size: int) -> None:
        old = self._profiles.get(mpid)
        if old is not None:
            if old.value.version == profile.version:
                return
            self._forget(self._profiles, mpid)
        cost = DOCUMENT_BYTES + UNPACKED * size
        self._profiles[mpid] = Slot(profile, cost, is_used=old is not None and old.is_used)
        self.bytes += cost

    def _forget(self, held: dict[Key, Slot[Value]], key: Key) -> None:
        slot = held.pop(key, None)
        if slot is not None:
            self.bytes -= slot.cost
            slot.forget()

    def held(self) -> int:
        """Return how much is remembered."""
        return len(self._profiles) + len(self._holders)

    def unused(self) -> int:
        """Return how much of it was not met again since the last time."""
        return sum([not slot.is_used for slot in self._profiles.values()]) + sum(
            [not slot.is_used for slot in self._holders.values()]
        )

    def shrink(self, *, spares: bool) -> int:
        """Forget some of what was not used since the last time, of all unless it *spares* those.

        Returns how much was forgotten.
        """
        before = self.held()
        self._sweep(self._profiles, spares=spares)
        self._sweep(self._holders, spares=spares)
        self._tokens = {t: i for t, i in self._tokens.items() if i in self._holders}
        return before - self.held()

    def _sweep(self, held: dict[Key, Slot[Value]], *, spares: bool) -> None:
        those = [key for key, slot in held.items() if not (spares and slot.is_used)]
        for key in older_half(those):
            self._forget(held, key)
        for slot in held.values():
            slot.is_used = False


class CachedIndex:
    """An index in front of which a process remembers what it read. One thread uses it.

    It remembers at most *max_bytes* of all spaces together, estimated, and what the last poll batch
    brought: room is made once a call.
    """

    def __init__(self, index: Index, max_bytes: int) -> None:
        self._index = index
        self._max_bytes = max_bytes
        self._caches: dict[Space, Cache] = {}
        self.evicted = 0
        """How many values were forgotten for want of room."""
        self.token = index.token
        """Returns the 16 bytes that stand for an identifier, as the index does; no call more."""

    @property
    def bytes(self) -> int:
        """How many bytes all spaces take, estimated."""
        return sum([cache.bytes for cache in self._caches.values()])

    def cache(self, space: Space) -> Cache:
        """Return what is remembered of *space*."""
        cache = self._caches.get(space)
        if cache is None:
            cache = self._caches[space] = Cache()
        return cache

    def slots(self, space: Space, asked: Asked) -> Slots | None:
        """Return the slots of what was read, see ``Cache.slots``."""
        return self.cache(space).slots(asked)

    def claim(
        self, space: Space, owner: str, config: str, rows: Sequence[RowClaim], shape: str
    ) -> ClaimReply:
        """Claim rows, see Index."""
        return self._index.claim(space, owner, config, rows, shape)

    def visit(
        self,
        space: Space,
        epochs: dict[RowKey, int],
        asks: Sequence[Ask],
        trims: Sequence[Trim] = (),
        marks: Sequence[Mark] = (),
        since: Moment | None = None,
    ) -> Reading:
        """Read what is not remembered, and answer with all of it, as of one instant, see Index."""
        if any(ask.take is not None for ask in asks):
            # Whom time brings is hardly met again soon: nobody is forgotten for them.
            return self._index.visit(space, epochs, asks, trims, marks, since)
        del since  # what is remembered has a moment of its own
        cache = self.cache(space)
        missing, known = cache.look_up(asks)
        reading = self._index.visit(space, epochs, missing, trims, marks, cache.moment)
        cache.learn(reading.moment, reading.changed)
        is_current = cache.holds(known)
        cache.keep(reading.found, reading.sizes, self.token)
        self._shrink()
        if is_current:
            return replace(reading, found=_joined(known, reading.found))
        # Something remembered has just turned out to be old: all is read again, in one instant.
        covered = asks[: reading.covered]
        identifiers = dict.fromkeys(i for ask in covered for i in ask.identifiers)
        mpids = dict.fromkeys(mpid for ask in covered for mpid in ask.mpids)
        again = self._index.visit(space, epochs, [Ask(tuple(identifiers), tuple(mpids))])
        cache.learn(again.moment, None)
        cache.keep(again.found, again.sizes, self.token)
        self._shrink()
        return replace(reading, found=again.found, seq=again.seq, moment=again.moment)

    def commit(
        self,
        space: Space,
        effects: Effects,
        advances: Sequence[RowAdvance],
        since: Moment | None = None,
    ) -> Commit | Conflict:
        """Commit, and remember what was written, or what is there instead, see Index."""
        del since
        cache = self.cache(space)
        result = self._index.commit(space, effects, advances, cache.moment)
        cache.learn(result.moment, result.changed)
        if isinstance(result, Commit):
            cache.wrote(effects, result, self.token)
        else:
            cache.keep(result.found, result.sizes, self.token)
        self._shrink()
        return result

    def openings(self, space: Space, shards: Sequence[int]) -> tuple[Opening, ...]:
        """Return what the wheel holds, see Index."""
        return self._index.openings(space, shards)

    def _shrink(self) -> None:
        """Forget something of every space where there is too much."""
        if self.bytes > self._max_bytes:
            caches = self._caches.values()
            unused = sum([cache.unused() for cache in caches])
            spares = spares_the_used(unused, sum([cache.held() for cache in caches]))
            self.evicted += sum([cache.shrink(spares=spares) for cache in caches])


def _joined(remembered: ReadSet, fresh: ReadSet) -> ReadSet:
    """Return what was remembered and what was just read of one instant as one."""
    return ReadSet(
        {**fresh.holders, **remembered.holders},
        {**fresh.profiles, **remembered.profiles},
        fresh.graves,
        fresh.markers,
        fresh.filed,
    )

"""Sweeps: what time alone changes of the profiles that stand at the front of the wheel.

A sweep is a record, so what it did is decided once, like everything else. It asks whose entries
are due and does for each all that is due by its instant, in one step; who is not due yet goes on
into another bucket. Here it is worked out over what was read; ``sweeps`` reads and commits. Pure.
"""

from collections.abc import Collection, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from processor.clock.bucket import DAY_MS, bucket_named, bucket_of
from processor.clock.place import NOWHERE, Place, counts, gone_on, is_entered_anew, placed
from processor.clock.wheel import MOST, Entry, Moves, Take
from processor.codecs.sweep import read_sweep
from processor.computed.message import AudienceChange
from processor.identity.change import Change, endings
from processor.identity.ending import end_profile
from processor.identity.grave import Grave
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.identity.view import Effects, ReadSet, Unread, View
from processor.index.port import Ask, Reading
from processor.pipeline.ageing import Ageing, stored_ms
from processor.pipeline.timing import NOTHING, Aged, TimeRules
from processor.records import DeadLetter, Record

Result = Literal["flipped", "aged_out", "emptied", "moved", "stale"]
"""What became of an entry: something of the person was due, they have aged out, their data was
forgotten, it went on into another bucket, it fell away.
"""

MOST_BYTES: Final = 1024 * 1024
"""Bytes of messages after which a sweep ends: the journal holds all of them."""


class Sweep(Struct, frozen=True, gc=False):
    """A sweep taken in: a shard of a space, or named profiles, as of an instant."""

    record: Record
    space: Space
    as_of_ms: int
    """Never later than the record: a processor whose clock is ahead can make nobody older."""
    shard: int | None = None
    mpids: tuple[int, ...] = ()
    most: int = MOST
    """Entries that it takes."""
    is_poison: bool = False
    """It was in hand, alone, when processes died: whom it would take is set aside unseen.

    One that names somebody just becomes a dead letter: an entry of the wheel stays where it is.
    """

    @property
    def named(self) -> tuple[int, ...]:
        """The profiles that it names and is to take; the rest of them is for sweeps after it."""
        return self.mpids[: self.most]

    @property
    def is_to_be_cut(self) -> bool:
        """Whether it names several, one of whom may end processes: each gets a sweep alone."""
        return self.most == 1 and len(self.mpids) > 1

    def after(self, last: int | None) -> tuple[int, ...]:
        """Return the named profiles behind *last*, all where it is None."""
        return self.mpids if last is None else self.mpids[self.mpids.index(last) + 1 :]

    def ask(self) -> Ask:
        """Return what it asks of the index."""
        if self.shard is None:
            return Ask(mpids=self.named)
        return Ask(take=Take(self.shard, self.as_of_ms, self.most))


class Swept(Struct, gc=False):
    """What a sweep does: its effects, and what is told of it."""

    effects: Effects | None
    """None where it changes nothing at all."""
    documents: tuple[Profile | Grave, ...] = ()
    changes: tuple[Change, ...] = ()
    messages: tuple[AudienceChange, ...] = ()
    results: list[Result] = field(default_factory=list)
    bounded: int = 0
    has_more: bool = False
    """Whether more was open than it took."""
    rest: tuple[int, ...] = ()
    """Named profiles that it did not come to."""


def take_sweep(record: Record, spaces: Collection[Space]) -> Sweep | DeadLetter:
    """Take a record of the topic ``clock`` in."""
    order = read_sweep(record.value)
    if isinstance(order, str):
        return DeadLetter("malformed", order)
    if order.space not in spaces:
        return DeadLetter("invalid", "scope: the configuration has no such scope")
    as_of_ms = min(order.as_of_ms, record.timestamp_ms)
    mpids = tuple(dict.fromkeys(int(text) for text in order.mpids or ()))
    return Sweep(record, order.space, as_of_ms, order.shard, mpids)


def sweeps_last(records: Sequence[Record], is_sweep: Collection[str]) -> Sequence[Record]:
    """Return *records* with those of the topics *is_sweep* after all others.

    They are decided after them, so that neither is decided anew for the other's sake.
    """
    if not is_sweep:
        return records
    last = [record for record in records if record.topic in is_sweep]
    if not last:
        return records
    return [*(record for record in records if record.topic not in is_sweep), *last]


def sweep(order: Sweep, reading: Reading, rules: TimeRules) -> Swept:
    """Work out what *order* does to those whom *reading* brought.

    Raises Unread, once for all of them, where more of those who end must be read first.
    """
    if order.is_poison:
        return set_aside(reading.entries)
    if order.is_to_be_cut:
        return Swept(None, rest=order.mpids)
    work = SweepWork(order, reading.found, rules)
    work.needed = reading.needed
    if order.shard is None:
        last = None
        for last in order.named:
            work.renew(last)
            if work.bytes >= MOST_BYTES:
                break
        swept = work.done(())
        swept.rest = order.after(last)
        return swept
    taken: list[Entry] = []
    for entry in reading.entries:
        work.meet(entry)
        taken.append(entry)
        if work.bytes >= MOST_BYTES:
            break
    swept = work.done(taken)
    swept.has_more = len(taken) < len(reading.entries) or len(taken) == order.most
    return swept


def widened(ask: Ask, more: Unread) -> Ask:
    """Return *ask* with what turned out to be needed besides."""
    return replace(
        ask,
        identifiers=tuple(dict.fromkeys((*ask.identifiers, *more.identifiers))),
        mpids=tuple(dict.fromkeys((*ask.mpids, *more.mpids))),
    )


def set_aside(entries: Sequence[Entry]) -> Swept:
    """Return what becomes of entries that nobody dares to look at: they are put on a shelf."""
    moves = Moves(taken=entries, set_aside=[entry.mpid for entry in entries])
    return Swept(Effects({}, {}, {}, {}, moves) if entries else None)


def place_of(profile: Profile | None) -> Place:
    """Return what a document says of its place in the wheel."""
    return NOWHERE if profile is None else profile.place


def with_place(profile: Profile, place: Place) -> Profile:
    """Return *profile* at another place."""
    more = profile.more
    if (more.due_ms, more.bucket) == (place.due_ms, place.bucket):
        return profile
    return replace(profile, more=replace(more, due_ms=place.due_ms, bucket=place.bucket))


def place_edits(view: View, ageing: Ageing | None, *, is_computing: bool) -> None:
    """Give every profile that a record has changed its due and its place, as of its own clock.

    Where something is computed, its evaluation has said when it is due, the end of its lifetime
    included; who was not evaluated is looked at when they were due before, at the latest.
    """
    for edit in view.record.edits():
        if edit.after.merged_into is None:
            more = edit.after.more
            now_ms, dues = more.clock_ms, [more.due_ms] if is_computing else []
            if ageing is not None:
                now_ms = max(now_ms, stored_ms(edit.after))
                dues.append(ageing.end_ms(edit.after))
            due_ms = min((due for due in dues if due is not None), default=None)
            after = with_place(edit.after, placed(place_of(edit.before), due_ms, now_ms))
            if after is not edit.after:
                view.put(after)


def entered(effects: Effects, read: ReadSet, grave_days: int) -> Effects:
    """Return *effects* with the entries that follow from the documents of before and after.

    A grave is entered for when it is to be looked at again.
    """
    entries = [Entry(grave_bucket(g, grave_days, g.time_ms), m) for m, g in effects.graves.items()]
    entries += [
        Entry(profile.more.bucket, mpid)
        for mpid, profile in effects.profiles.items()
        if profile.more.bucket is not None
        and is_entered_anew(place_of(read.profiles.get(mpid)), place_of(profile))
    ]
    if not entries:
        return effects
    return replace(effects, moves=Moves(entered=[*effects.moves.entered, *entries]))


def grave_bucket(grave: Grave, grave_days: int, now_ms: int) -> str:
    """Return the bucket of a grave that stands for some days."""
    return bucket_of(grave.time_ms + grave_days * DAY_MS, now_ms).name


class SweepWork:
    """A sweep at work: the view, and what has been done in it."""

    def __init__(self, order: Sweep, read: ReadSet, rules: TimeRules) -> None:
        self._as_of_ms = order.as_of_ms
        self._rules = rules
        policy = rules.policy
        self._view = View(
            read,
            frozenset(policy.priority).__contains__,
            order.space,
            one_owner=policy.traits.has_one_owner,
        )
        self._met: set[int] = set()
        self._entered: list[Entry] = []
        self._swept = Swept(None)
        self._unread: list[Unread] = []
        self._dropped: list[int] = []
        self.needed: frozenset[int] = frozenset()
        """Graves that may not go yet."""
        self.bytes = 0

    def meet(self, entry: Entry) -> None:
        """Do what is due of whom *entry* names."""
        profile = self._view.exact(entry.mpid)
        grave = self._view.grave(entry.mpid)
        if grave is not None and entry.mpid not in self._met:
            self._met.add(entry.mpid)
            self._look_at(grave)
            return
        place = place_of(profile)
        if profile is None or entry.mpid in self._met or not counts(place, entry.bucket):
            self._say("stale")
            return
        self._met.add(entry.mpid)
        if place.due_ms is None:
            self._say("stale")
        elif place.due_ms <= self._as_of_ms:
            self._step(profile)
        else:
            after, bucket = gone_on(place, self._as_of_ms)
            self._entered.append(Entry(bucket, entry.mpid))
            moved = with_place(profile, after)
            self._write(profile, moved, Aged(moved, NOTHING))
            self._say("moved")

    def step(self, mpid: int) -> None:
        """Do what is due of a named profile, whatever the wheel says of it."""
        profile = self._view.exact(mpid)
        if profile is not None:
            self._step(profile)

    def renew(self, mpid: int) -> None:
        """Bring a named profile up to the settings as they are."""
        profile = self._view.exact(mpid)
        if profile is None or profile.merged_into is not None:
            self._say("stale")
            return
        aged = self._rules.renewed(profile, self._as_of_ms)
        if aged.ended_ms is not None:
            self._end(profile, aged, aged.ended_ms)
            return
        before = place_of(profile)
        named = None if before.bucket is None else bucket_named(before.bucket)
        if named is not None and named.opens_ms <= self._as_of_ms:
            before = NOWHERE  # its entry may be lost, or set aside
        place = placed(before, aged.profile.more.due_ms, self._as_of_ms)
        if place.bucket is not None and is_entered_anew(before, place):
            self._entered.append(Entry(place.bucket, mpid))
        self._say(
            "emptied" if aged.emptied_ms else "flipped" if aged.profile is not profile else "stale"
        )
        self._tell(aged)
        self._write(profile, with_place(aged.profile, place), aged)

    def done(self, taken: Sequence[Entry]) -> Swept:
        """Return all of it, with the entries that it takes off."""
        if self._unread:
            raise Unread(
                [i for one in self._unread for i in one.identifiers],
                [mpid for one in self._unread for mpid in one.mpids],
            )
        moves = Moves(taken, self._entered)
        effects = self._view.effects()
        if effects is None and (taken or self._entered):
            effects = Effects({}, {}, {}, {})
        if effects is not None:
            graves = {m: g.version for m in self._dropped if (g := self._view.grave(m))}
            effects = replace(
                effects,
                expected_versions={**effects.expected_versions, **graves},
                moves=moves,
                dropped=tuple(graves),
            )
        self._swept.effects = effects
        return self._swept

    def _look_at(self, grave: Grave) -> None:
        """Let a grave go that has stood long enough and nobody needs; else look again later."""
        after_ms = grave.time_ms + self._rules.grave_days * DAY_MS
        if after_ms <= self._as_of_ms and grave.mpid not in self.needed:
            self._dropped.append(grave.mpid)
            self._say("stale")
            return
        again_ms = after_ms if after_ms > self._as_of_ms else self._as_of_ms + DAY_MS
        self._entered.append(Entry(bucket_of(again_ms, self._as_of_ms).name, grave.mpid))
        self._say("moved")

    def _step(self, profile: Profile) -> None:
        aged = self._rules.swept(profile, self._as_of_ms)
        if aged.ended_ms is not None:
            self._end(profile, aged, aged.ended_ms)
            return
        place = placed(NOWHERE, aged.profile.more.due_ms, self._as_of_ms)
        if place.bucket is not None:
            self._entered.append(Entry(place.bucket, profile.mpid))
        is_flipped = aged.evaluation.is_changed
        self._say("emptied" if aged.emptied_ms else "flipped" if is_flipped else "moved")
        self._tell(aged)
        self._write(profile, with_place(aged.profile, place), aged)

    def _end(self, profile: Profile, aged: Aged, ended_ms: int) -> None:
        """Put a grave in place of *profile*; notes what must be read for it first."""
        try:
            end_profile(self._view, profile, "aged_out", self._as_of_ms)
        except Unread as unread:
            self._unread.append(unread)
            return
        burials = self._view.record.buried
        self._view.end_record()
        graves = tuple(burial.grave for burial in burials)
        self._swept.documents += graves
        self._swept.changes += tuple(endings(burials, ended_ms))
        self._entered += [
            Entry(grave_bucket(one, self._rules.grave_days, self._as_of_ms), one.mpid)
            for one in graves
        ]
        self._say("aged_out")
        self._tell(aged)

    def _say(self, result: Result) -> None:
        self._swept.results.append(result)

    def _tell(self, aged: Aged) -> None:
        messages = aged.evaluation.messages
        self._swept.messages += messages
        self._swept.bounded += aged.evaluation.bounded
        self.bytes += sum(len(msgspec.msgpack.encode(one)) for one in messages)

    def _write(self, before: Profile, after: Profile, aged: Aged) -> None:
        if after is before:
            return
        self._view.put(after)
        written = tuple(edit.after for edit in self._view.end_record())
        self._swept.documents += written
        if aged.emptied_ms is not None:
            self._swept.changes += tuple(
                Change("profile_emptied", one.mpid, one.version, time_ms=aged.emptied_ms)
                for one in written
            )

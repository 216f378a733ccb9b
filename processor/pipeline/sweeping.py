"""Sweeps: what time alone changes of the profiles that stand at the front of the wheel.

A sweep is a record, so what it did is decided once, like everything else. It asks whose entries
are due and does for each all that is due by its instant, in one step; who is not due yet goes on
into another bucket. Here it is worked out over what was read; ``sweeps`` reads and commits. Pure.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from processor.clock.bucket import DAY_MS, bucket_named, bucket_of
from processor.clock.place import NOWHERE, counts, gone_on, is_entered_anew, placed
from processor.clock.wheel import MOST, Entry, Moves, Take
from processor.codecs.sweep import read_sweep
from processor.computed.message import AudienceChange
from processor.identity.change import Change, endings
from processor.identity.ending import end_profile
from processor.identity.filed import Filed
from processor.identity.grave import Grave
from processor.identity.model import Identifier, Space
from processor.identity.profile import Profile, lookups
from processor.identity.view import Effects, ReadSet, Unread, View
from processor.index.port import Ask, Reading
from processor.pipeline.places import grave_bucket, place_of, with_place
from processor.pipeline.timing import NOTHING, Aged, TimeRules
from processor.records import DeadLetter, Record

Result = Literal["flipped", "aged_out", "emptied", "moved", "stale", "case"]
"""What became of an entry: something of the person was due, they have aged out, their data was
forgotten, it went on into another bucket, it fell away; it was of a request under privacy law.
"""

_encode = msgspec.msgpack.Encoder().encode
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
    definitions: bytes | None = None
    """The stamp of those that whoever named them knows: where they are ours, what no definition is
    about any more is struck off the profiles.
    """
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
    documents: tuple[Profile | Grave | Filed, ...] = ()
    changes: tuple[Change, ...] = ()
    messages: tuple[AudienceChange, ...] = ()
    receipts: tuple[bytes, ...] = ()
    results: list[Result] = field(default_factory=list)
    bounded: int = 0
    has_more: bool = False
    """Whether more was open than it took."""
    rest: tuple[int, ...] = ()
    """Named profiles that it did not come to."""


def take_sweep(record: Record, rules: Mapping[Space, TimeRules]) -> Sweep | DeadLetter:
    """Take a record of the topic ``clock`` in.

    Of a scope of which time changes nothing, profiles may be named for their definitions alone.
    """
    order = read_sweep(record.value)
    if isinstance(order, str):
        return DeadLetter("malformed", order)
    its = rules.get(order.space)
    if its is None or not (its.is_needed or order.definitions is not None):
        return DeadLetter("invalid", "scope: the configuration has no such scope")
    as_of_ms = min(order.as_of_ms, record.timestamp_ms)
    mpids = tuple(dict.fromkeys(int(text) for text in order.mpids or ()))
    return Sweep(record, order.space, as_of_ms, order.shard, mpids, order.definitions)


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


def ends_in(records: Sequence[Record], is_sweep: Collection[str]) -> bool:
    """Whether there are records of the topics *is_sweep*, where they stand after all others."""
    return bool(records) and records[-1].topic in is_sweep


def sweep(order: Sweep, reading: Reading, rules: TimeRules) -> Swept:
    """Work out what *order* does to those whom *reading* brought.

    Raises Unread, once for all of them, where more of those who end must be read first.
    """
    if order.is_poison:
        return set_aside(reading.entries)
    if order.is_to_be_cut:
        return Swept(None, rest=order.mpids)
    foresee(order, reading, rules)
    work = SweepWork(order, reading.found, rules)
    work.reading = reading
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


def foresee(order: Sweep, reading: Reading, rules: TimeRules) -> None:
    """Raise Unread where more must be read of those who may end, before anything is worked out.

    So hardly anything is worked out twice. Identities are read also where each has one owner, who
    is known: behind it there may be markers, which a commit expects as they are.
    """
    read = reading.found
    mpids = order.named if order.shard is None else [entry.mpid for entry in reading.entries]
    is_lookup = frozenset(rules.policy.priority).__contains__
    identifiers, pointers = list[Identifier](), list[int]()
    for mpid in mpids:
        profile = read.profiles.get(mpid)
        if profile is None or not rules.may_end(profile, order.as_of_ms):
            continue
        held = lookups(profile, is_lookup)
        identifiers += [one for one in held if one not in read.holders]
        pointers += [one for one in profile.absorbed if one not in read.profiles]
    if identifiers or pointers:
        raise Unread(identifiers, pointers)


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


class SweepWork:
    """A sweep at work: the view, and what has been done in it."""

    def __init__(self, order: Sweep, read: ReadSet, rules: TimeRules) -> None:
        self._as_of_ms, self._now_ms = order.as_of_ms, order.record.timestamp_ms
        self._rules, self._is_striking = rules, order.definitions == rules.stamp
        is_lookup = frozenset(rules.policy.priority).__contains__
        self._view = View(read, is_lookup, order.space)
        self._met: set[int] = set()
        self._entered: list[Entry] = []
        self._swept = Swept(None)
        self._unread: list[Unread] = []
        self._dropped: list[int] = []
        self.reading: Reading | None = None
        """What journals and debts say of whom it takes."""
        self.bytes = 0

    def meet(self, entry: Entry) -> None:
        """Do what is due of whom *entry* names."""
        profile = self._view.exact(entry.mpid)
        grave = self._view.grave(entry.mpid)
        if grave is not None and entry.mpid not in self._met:
            self._met.add(entry.mpid)
            self._look_at(grave)
            return
        document = self._view.files.filed(entry.mpid)
        if document is not None and entry.mpid not in self._met:
            self._met.add(entry.mpid)
            self._pass(entry, document)
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
        aged = self._rules.renewed(profile, self._as_of_ms, is_striking=self._is_striking)
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
            lying = [g for m in self._dropped if (g := self._view.grave(m))]
            # A case that the same sweep has met may have made one of somebody erased of it since.
            graves = {g.mpid: g.version for g in lying if g.why != "erased"}
            effects = replace(
                effects,
                expected_versions={**effects.expected_versions, **graves},
                moves=moves,
                dropped=tuple(graves),
            )
        self._swept.effects = effects
        return self._swept

    def _pass(self, entry: Entry, document: Filed) -> None:
        """Do what is due of a case; notes what must be read for it first."""
        assert self.reading is not None, "sweeps that name profiles meet no case"
        casework = self._rules.casework(self._as_of_ms, self._now_ms)
        try:
            done = casework.meet(entry, document, self._view, self.reading)
        except Unread as unread:
            self._unread.append(unread)
            return
        self._say("case" if done.is_counted else "stale")
        self._entered += done.entered
        swept = self._swept
        swept.documents += done.documents
        swept.changes += done.changes
        swept.receipts += done.receipts
        swept.bounded += done.bounded
        self._tell_all(done.messages)

    def _look_at(self, grave: Grave) -> None:
        """Let a grave go that has stood long enough and nobody needs; else look again later.

        That of somebody who was erased goes with its case.
        """
        if grave.why == "erased":
            self._say("stale")
            return
        needed = frozenset[int]() if self.reading is None else self.reading.needed
        after_ms = grave.time_ms + self._rules.grave_days * DAY_MS
        if after_ms <= self._as_of_ms and grave.mpid not in needed:
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
        self._swept.bounded += aged.evaluation.bounded
        self._tell_all(aged.evaluation.messages)

    def _tell_all(self, messages: tuple[AudienceChange, ...]) -> None:
        self._swept.messages += messages
        self.bytes += sum([len(_encode(one)) for one in messages])

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

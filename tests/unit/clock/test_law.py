"""The law of the wheel: what is put in comes out at its instant, once, whatever happens between."""

from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from processor.clock.bucket import DAY_MS, HOUR_MS, MINUTE_MS, bucket_named
from processor.clock.place import (
    NOWHERE,
    Place,
    counts,
    gone_on,
    is_entered_anew,
    placed,
)
from processor.clock.wheel import Entry, Moves, Take, Wheel

START = 1_767_261_600_000
gaps = st.one_of(
    st.integers(0, 3 * MINUTE_MS), st.integers(0, 5 * HOUR_MS), st.integers(0, 60 * DAY_MS)
)


@dataclass
class Person:
    place: Place = NOWHERE
    every_ms: int | None = None
    """How long after something was done by a sweep the next is due."""
    owed: list[int] = field(default_factory=list)
    """What is to be done once: what is due now, unless a record changes it."""
    told: list[int] = field(default_factory=list)
    """What was done, at the instants that it was due."""


class Law(RuleBasedStateMachine):
    """Persons of one shard, records that may be late, sweeps as of instants that only grow."""

    def __init__(self) -> None:
        super().__init__()
        self.wheel = Wheel()
        self.people = [Person() for _ in range(4)]
        self.wall = START
        self.swept = START

    def write(self, number: int, due: int | None, now: int) -> None:
        person = self.people[number]
        after = placed(person.place, due, now)
        if is_entered_anew(person.place, after):
            self.wheel.move(Moves(entered=(Entry(after.bucket, 16 * number),)))
        person.place = after
        person.owed = [*person.told] if due is None else [*person.told, due]

    @rule(gap=gaps)
    def time_passes(self, gap: int) -> None:
        self.wall += gap

    @rule(number=st.integers(0, 3), ahead=st.none() | gaps, late=st.just(0) | gaps)
    def a_record_comes(self, number: int, ahead: int | None, late: int) -> None:
        """A record decided now may say of itself that it is old; it does what is due by then."""
        person, now = self.people[number], self.wall - late
        due = person.place.due_ms
        if due is not None and due <= now:
            person.told.append(due)
        person.every_ms = ahead
        self.write(number, None if ahead is None else now + 1 + ahead, now)

    @rule(most=st.integers(1, 3), behind=st.just(0) | gaps)
    def a_sweep_comes(self, most: int, behind: int) -> None:
        as_of = max(self.swept, self.wall - behind)
        self.swept = as_of
        while taken := self.wheel.take(Take(0, as_of, most)):
            assert self.wheel.is_at_front(taken)
            self.sweep(taken, as_of)
        for person in self.people:
            due = person.place.due_ms
            assert due is None or due > as_of - MINUTE_MS, "what is due was not done"

    def sweep(self, taken: tuple[Entry, ...], as_of: int) -> None:
        entered = []
        for entry in taken:
            person = self.people[entry.mpid // 16]
            place = person.place
            if not counts(place, entry.bucket):
                continue
            if place.due_ms <= as_of:
                person.told.append(place.due_ms)
                assert person.told == person.owed, "done twice, or not what was due"
                person.place = NOWHERE
                if person.every_ms is not None:
                    self.write(entry.mpid // 16, as_of + 1 + person.every_ms, as_of)
                continue
            person.place, bucket = gone_on(place, as_of)
            entered.append(Entry(bucket, entry.mpid))
        self.wheel.move(Moves(taken, entered))

    @invariant()
    def who_is_due_stands_where_it_is_met_in_time(self) -> None:
        entries = list(self.wheel.entries())
        for number, person in enumerate(self.people):
            due = person.place.due_ms
            if due is None:
                continue
            opens = [
                bucket_named(e.bucket).opens_ms
                for e in entries
                if e.mpid == 16 * number and counts(person.place, e.bucket)
            ]
            assert opens, "no entry counts"
            assert min(opens) <= max(due + MINUTE_MS, self.swept)


TestLaw = Law.TestCase
TestLaw.settings = settings(stateful_step_count=60, deadline=None)


def test_entries_come_in_the_order_in_which_their_buckets_opened_and_no_more_than_asked_for():
    wheel = Wheel()
    names = ["h490908", "m29454361", "m29454360", "m29454360"]
    wheel.move(Moves(entered=[Entry(n, 16 * i) for i, n in enumerate(names)]))
    as_of = START + 2 * MINUTE_MS
    assert [e.mpid for e in wheel.take(Take(0, as_of, 9))] == [32, 48, 16]
    assert [e.mpid for e in wheel.take(Take(0, as_of, 2))] == [32, 48]
    assert wheel.take(Take(1, as_of)) == ()
    assert wheel.opening_ms(0) == START + MINUTE_MS


def test_what_is_not_at_the_front_any_more_is_told():
    wheel = Wheel()
    wheel.move(Moves(entered=(Entry("m1", 16), Entry("m1", 32))))
    both = wheel.take(Take(0, START))
    wheel.move(Moves(taken=both[:1]))
    assert not wheel.is_at_front(both)
    assert wheel.is_at_front(both[1:])
    wheel.move(Moves(taken=both[1:], set_aside=(32,)))
    assert wheel.opening_ms(0) is None
    assert wheel.set_aside(0) == 1

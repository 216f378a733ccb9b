"""Merges: what is remembered joins as if all events had been one person's."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.unit.computed.test_laws import STEP, Play, as_event, records, tables
from tests.unit.computed.world import DAY, HOUR, MINUTE, Person, compiled, event, flips

ORDERS = '[events.order]\ntype = "custom_event"\nname = "Order"\n'


def uncapped(document: dict[str, Any]) -> dict[str, Any]:
    """Return tables in which nothing depends on which texts came first."""
    calculated = {
        name: {key: one for key, one in table.items() if key != "max_values"}
        for name, table in document["calculated"].items()
    }
    return {**document, "calculated": calculated}


@given(tables(), records(), st.data())
def test_what_two_persons_did_joins_to_what_one_would_have_done(document, played, data):
    play = Play(uncapped(document))
    scope = play.person.scope
    pair = [Person(scope, 1), Person(scope, 2)]
    times: set[int] = set()
    for at, events, attributes in played:
        play.take(at, events, attributes)
        shares: tuple[list[Any], list[Any]] = ([], [])
        for name, value, late in events:
            assume(at - late not in times)
            times.add(at - late)
            shares[data.draw(st.integers(0, 1))].append(as_event(name, value, at - late))
        for person, share in zip(pair, shares, strict=True):
            person.record(at * STEP, *share, attributes=dict(play.history.attributes))
    at = played[-1][0] + data.draw(st.integers(0, 30))
    survivor, absorbed = pair
    survivor.absorb(at * STEP, absorbed)
    assert survivor.audiences() == sorted(play.fits(at))
    assert survivor.values(at * STEP) == play.values(at)
    assert survivor.wrote


def test_the_absorbed_leaves_first_and_the_survivor_enters_where_both_together_fit():
    scope = compiled(
        ORDERS
        + '[audiences.fan]\nall = [{ event = "order", within = "7d", at_least = 3 }]\n'
        + '[audiences.zeal]\nall = [{ event = "order" }]\n'
        + '[audiences.once]\nall = [{ event = "order", exactly = 1 }]\n'
    )
    one, other = Person(scope, 1), Person(scope, 2)
    one.record(DAY, event(), event())
    other.record(2 * DAY, event())
    told = one.absorb(3 * DAY, other)
    assert [(m.mpid, m.reason) for m in told] == [(2, "merge"), (2, "merge"), (1, "merge")]
    assert flips(told) == [
        ("left", "once", 3 * DAY),
        ("left", "zeal", 3 * DAY),
        ("entered", "fan", 3 * DAY),
    ]


def test_a_merge_whose_record_brings_events_is_one_evaluation():
    scope = compiled(ORDERS + '[audiences.two]\nall = [{ event = "order", exactly = 2 }]\n')
    one, other = Person(scope, 1), Person(scope, 2)
    one.record(HOUR, event())
    other.record(HOUR, event())
    assert one.absorb(2 * HOUR, other, events=[event()]) == []


def test_ties_of_time_go_to_the_survivor():
    scope = compiled(
        ORDERS
        + '[calculated.f]\ntype = "first_value"\nevent = "order"\nattribute = "v"\n'
        + '[calculated.l]\ntype = "last_value"\nevent = "order"\nattribute = "v"\n'
    )
    one, other = Person(scope, 1), Person(scope, 2)
    one.record(HOUR, event(v="mine"))
    other.record(HOUR, event(v="theirs"))
    one.absorb(2 * HOUR, other)
    assert one.values(2 * HOUR) == {"f": "mine", "l": "mine"}


def test_a_full_list_keeps_the_survivors_values():
    scope = compiled(
        ORDERS
        + '[calculated.u]\ntype = "unique_list"\nevent = "order"\nattribute = "v"\nmax_values = 3\n'
    )
    one, other = Person(scope, 1), Person(scope, 2)
    other.record(HOUR, event(v="a"), event(v="b"))
    one.record(2 * HOUR, event(v="x"), event(v="y"))
    one.absorb(3 * HOUR, other)
    assert one.values(3 * HOUR) == {"u": ["a", "x", "y"]}


def test_the_clock_of_the_survivor_is_the_later_of_both():
    scope = compiled(ORDERS + '[audiences.a]\nall = [{ event = "order", within = "1d" }]\n')
    one, other = Person(scope, 1), Person(scope, 2)
    one.record(HOUR, event())
    other.record(5 * HOUR, event())
    told = one.absorb(2 * HOUR, other)
    assert [m.timestamp_ms for m in told] == [other.standing.clock_ms]
    assert one.standing.clock_ms == other.standing.clock_ms


def test_of_two_versions_of_a_definition_the_higher_counts():
    def scope(version: int) -> Any:
        return compiled(
            ORDERS + f'[calculated.n]\ntype = "count"\nevent = "order"\nversion = {version}\n'
        )

    one, other = Person(scope(1), 1), Person(scope(2), 2)
    one.record(HOUR, event(), event(), event())
    other.record(HOUR, event())
    one.scope = scope(2)
    one.absorb(2 * HOUR, other)
    assert one.values(2 * HOUR) == {"n": 1}


@pytest.mark.parametrize("is_defined", [True, False])
def test_who_was_away_for_long_has_as_much_room_in_a_merge_as_others(is_defined):
    cart = '[audiences.cart]\nall = [{ event = "order", within = "2h", older = "30m" }]\n'
    scope = compiled(ORDERS + cart)
    one, other = Person(scope, 1), Person(scope, 2)
    one.record(0, event())
    later = 4000 * DAY
    other.record(later, event())
    if not is_defined:
        one.scope = compiled(ORDERS + '[audiences.other]\nall = [{ identity = "email" }]\n')
    one.absorb(later + MINUTE, other)
    one.scope = scope
    one.record(later + 2 * MINUTE, identities=[("email", "a@example.com")])
    assert one.bounded == 0
    assert flips(one.sweep(later + DAY)) == [
        ("entered", "cart", later + 35 * MINUTE),
        ("left", "cart", later + 125 * MINUTE),
    ]


def test_what_finds_no_room_stays_the_survivors_own_and_is_counted():
    document = ORDERS + "".join(
        f'[calculated.{name}]\ntype = "unique_list"\nevent = "order"\nattribute = "v"\n'
        for name in ("a", "b")
    )
    scope = compiled(document, max_bytes=1100)
    one, other = Person(scope, 1), Person(scope, 2)
    one.record(HOUR, event(v="x" * 100))
    other.record(HOUR, *[event(v=letter * 100) for letter in "yz"])
    assert other.bounded == 0
    one.absorb(2 * HOUR, other)
    values = one.values(2 * HOUR)
    assert [len(values[name]) for name in ("a", "b")] == [3, 1]
    assert one.bounded == 1

"""Windows by parts: what is kept, in the shortest form, and what leaves when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.computed.window import (
    MOST_PARTS,
    Window,
    inside,
    joined,
    with_value,
    without_before,
)

WINDOW = Window(length_ms=100, width_ms=10)
EVENTS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=12)


def plus(known: int, more: int) -> int:
    return known + more


def parts_of(events: list[tuple[int, int]]) -> list:
    parts: list = []
    for part, value in events:
        parts = with_value(parts, part, value, plus)
    return parts


def totals(events: list[tuple[int, int]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for part, value in events:
        found[part] = found.get(part, 0) + value
    return found


@given(EVENTS, st.integers(0, 500))
def test_a_part_is_inside_until_the_length_has_passed_since_its_end(events, now):
    wanted = {p: n for p, n in totals(events).items() if now - (p + 1) * 10 < 100}
    assert dict(inside(WINDOW, parts_of(events), now)) == wanted
    assert all(now < WINDOW.leaves_ms(part) for part in wanted)


@given(EVENTS, st.permutations(range(12)))
def test_the_order_in_which_events_come_makes_no_difference(events, order):
    shuffled = [events[place] for place in order if place < len(events)]
    assert parts_of(shuffled) == parts_of(events)


@given(EVENTS, EVENTS)
def test_parts_of_two_join_to_those_of_both(events, others):
    assert joined(parts_of(events), parts_of(others), plus) == parts_of([*events, *others])


@given(EVENTS, st.integers(0, 32))
def test_what_is_dropped_leaves_what_only_the_rest_would_have_made(events, oldest):
    rest = [(part, value) for part, value in events if part >= oldest]
    assert without_before(parts_of(events), oldest) == parts_of(rest)


@pytest.mark.parametrize("later", [MOST_PARTS + 4, 10**13])
def test_whoever_was_away_for_long_or_has_a_clock_far_ahead_leaves_no_gap(later):
    parts = parts_of([(3, 1), (later, 2)])
    assert parts == [later, 2]
    assert joined(parts_of([(3, 1)]), parts, plus) == parts
    near = parts_of([(3, 1), (3 + MOST_PARTS, 2)])
    assert (len(near), near[0], near[1], near[-1]) == (MOST_PARTS + 2, 3, 1, 2)


@given(EVENTS)
def test_as_many_parts_as_a_window_says_can_be_inside_and_no_more(events):
    now = max((part for part, _ in events), default=0) * 10 + 9
    assert len(list(inside(WINDOW, parts_of(events), now))) <= WINDOW.most_parts
    full = parts_of([(part, 1) for part in range(100)])
    assert len(list(inside(WINDOW, full, 999))) == WINDOW.most_parts

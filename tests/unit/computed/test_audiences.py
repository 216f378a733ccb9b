"""Audiences: who is in at any instant, who flips, and what a record writes."""

import pytest

from processor.computed.evaluate import evaluate, is_settled
from processor.computed.flip import MOST_STEPS
from processor.computed.occasion import FactsChange, Occasion
from processor.computed.situation import Facts
from tests.unit.computed.world import DAY, HOUR, MINUTE, START, Person, compiled, event, flips

EVENTS = """
[events.order]
type = "custom_event"
name = "Order"
[events.login]
type = "custom_event"
name = "Login"
"""


def person(*audiences: str, more: str = "") -> Person:
    """Return somebody in a workspace with audiences, each as NAME: the list under all."""
    found = [one.partition(": ") for one in audiences]
    tables = "".join(f"[audiences.{name}]\nall = [{rest}]\n" for name, _, rest in found)
    return Person(compiled(EVENTS + more + tables))


def members(criterion: str, **facts: object) -> bool:
    """Whether a person with *facts* fits *criterion* a day after START."""
    one = person(f"a: {criterion}")
    one.record(DAY, **facts)
    return one.audiences() == ["a"]


def test_at_least_n_within_enters_exactly_and_leaves_by_time_alone_once():
    one = person('regular: { event = "order", within = "7d", at_least = 2 }')
    assert one.record(DAY, event()) == []
    (told,) = one.record(3 * DAY, event())
    assert (told.change, told.expires_ms) == ("entered", START + 8 * DAY)
    assert one.record(5 * DAY, event()) == []
    assert one.sweep(10 * DAY - 1) == []
    assert flips(one.sweep(40 * DAY)) == [("left", "regular", 10 * DAY)]
    assert one.due is None
    assert one.sweep(90 * DAY) == []


def test_at_most_and_exactly_hold_for_people_without_any_event_and_time_lets_them_in():
    one = person(
        'few: { event = "order", within = "1d", at_most = 1 }',
        'one: { event = "order", within = "1d", exactly = 1 }',
        'none: { event = "order", exactly = 0 }',
    )
    one.record(HOUR)
    assert one.audiences() == ["few", "none"]
    one.record(2 * HOUR, event())
    assert one.audiences() == ["few", "one"]
    one.record(3 * HOUR, event(), event())
    assert one.audiences() == []
    assert flips(one.sweep(9 * DAY)) == [
        ("entered", "few", DAY + 3 * HOUR),
    ]


def test_since_and_until_are_inclusive_to_the_end_of_their_days():
    one = person('a: { event = "order", since = "2026-01-03", until = 2026-01-04, at_least = 2 }')
    one.record(9 * DAY, event(at=2 * DAY - 1), event(at=4 * DAY), event(at=2 * DAY))
    assert one.audiences() == []
    one.record(9 * DAY, event(at=4 * DAY - 1))
    assert one.audiences() == ["a"]


def test_until_a_date_time_is_exact():
    one = person('a: { event = "order", until = "2026-01-03T00:00:00Z" }')
    one.record(9 * DAY, event(at=2 * DAY + 1))
    assert one.audiences() == []
    one.record(9 * DAY, event(at=2 * DAY))
    assert one.audiences() == ["a"]


def test_between_two_ages_both_ends_are_late_by_the_same_amount():
    one = person('left: { event = "order", within = "1d", older = "2h" }')
    assert one.record(10 * HOUR + 30 * MINUTE, event()) == []
    assert flips(one.sweep(9 * DAY)) == [
        ("entered", "left", 13 * HOUR),
        ("left", "left", DAY + 11 * HOUR),
    ]


def test_criteria_of_one_core_share_a_ring_with_the_largest_number():
    one = person(
        'a: { event = "order", within = "1d", at_least = 1 }',
        'b: { event = "order", within = "30d", at_least = 3 }',
        'c: { event = "order", at_most = 4 }',
    )
    assert len(one.scope.workspaces["shop"].cores) == 1
    one.record(HOUR, *[event() for _ in range(4)])
    assert one.audiences() == ["a", "b", "c"]
    one.record(2 * HOUR, event())
    assert one.audiences() == ["a", "b"]


def test_within_one_step_of_its_resolution_frequent_events_write_nothing():
    one = person('active: { event = "login", within = "1d", resolution = "1h" }')
    (told,) = one.record(HOUR + 10 * MINUTE, event("Login"))
    assert told.expires_ms == START + DAY + 2 * HOUR
    one.record(HOUR + 50 * MINUTE, event("Login"))
    assert not one.wrote
    one.record(2 * HOUR + 10 * MINUTE, event("Login"))
    assert one.wrote
    assert flips(one.sweep(5 * DAY)) == [("left", "active", DAY + 3 * HOUR)]


def test_a_late_event_counts_by_its_own_time_and_outside_the_window_writes_nothing():
    one = person('active: { event = "order", within = "1d" }')
    one.record(5 * DAY, event(at=3 * DAY))
    one.record(5 * DAY, event(at=4 * DAY))
    assert not one.wrote
    (told,) = one.record(5 * DAY, event(at=4 * DAY + 1))
    assert told.expires_ms == START + 5 * DAY + 1


def test_a_record_after_the_due_makes_the_flip_itself_and_the_sweep_finds_nothing():
    one = person('active: { event = "order", within = "1d" }')
    one.record(HOUR, event())
    (told,) = one.record(2 * DAY, event("Other"))
    assert (told.change, told.reason, told.timestamp_ms) == ("left", "record", START + 2 * DAY)
    assert one.sweep(3 * DAY) == []


def test_bought_within_a_day_or_did_not_is_never_due():
    bought = '{ event = "order", within = "1d" }'
    one = person(f"a: {{ any = [{bought}, {{ not = {bought} }}] }}")
    one.record(HOUR, event())
    assert one.due is None
    assert one.standing.workspaces["shop"].audiences["a"].expires_ms is None


def test_due_is_the_next_flip_and_not_the_next_change_of_a_criterion():
    one = person('a: { event = "order", within = "1d", at_least = 2 }')
    one.record(HOUR, event(), event(), event(), event())
    one.record(2 * HOUR, event(), event())
    assert one.due == DAY + 2 * HOUR
    one.record(3 * HOUR, event())
    assert one.due == DAY + 2 * HOUR
    one.record(4 * HOUR, event())
    assert one.due == DAY + 3 * HOUR


def test_after_a_thousand_steps_the_search_goes_on_where_it_stopped():
    dates = [f"{{ attribute = 'd{n}', op = 'within', value = '1d' }}" for n in range(20)]
    never = "{ attribute = 'never', op = 'exists' }"
    tree = f"{{ all = [{never}, {', '.join(dates)}] }}"
    one = person(f"a: {tree}", f"b: {{ not = {tree} }}")
    attributes = {
        f"d{n}": [f"2027-01-{day:02}T{n:02}:{day:02}:00Z" for day in range(1, 32)]
        for n in range(20)
    }
    one.record(HOUR, attributes=attributes)
    first = one.due
    assert first is not None
    assert one.standing.workspaces["shop"].audiences["b"].expires_ms is None
    assert MOST_STEPS < 20 * 31 * 2
    only = person(f"b: {{ not = {tree} }}")
    only.record(HOUR, attributes=attributes)
    assert only.due == first
    assert one.sweep(first) == []
    assert one.due is None


def test_a_future_date_is_not_recent_yet_and_becomes_so_by_itself():
    one = person('renewed: { attribute = "renewed", op = "within", value = "2d" }')
    one.record(DAY, attributes={"renewed": "2026-01-04"})
    assert flips(one.sweep(9 * DAY)) == [
        ("entered", "renewed", 3 * DAY),
        ("left", "renewed", 5 * DAY),
    ]


def test_a_date_ahead_lets_people_in_before_it_and_out_on_it():
    one = person('soon: { attribute = "renews", op = "ahead", value = "2d" }')
    one.record(HOUR, attributes={"renews": "2026-01-06"})
    assert flips(one.sweep(9 * DAY)) == [
        ("entered", "soon", 3 * DAY),
        ("left", "soon", 5 * DAY),
    ]


def test_the_age_of_a_calculated_time_follows_its_window():
    more = '[calculated.first]\ntype = "first_timestamp"\nevent = "order"\nwithin = "1d"\n'
    one = person('old: { attribute = "first", op = "older", value = "20h" }', more=more)
    one.record(HOUR, event())
    one.record(10 * HOUR, event())
    assert flips(one.sweep(9 * DAY)) == [
        ("entered", "old", 21 * HOUR),
        ("left", "old", DAY + 2 * HOUR),
        ("entered", "old", DAY + 6 * HOUR),
        ("left", "old", DAY + 11 * HOUR),
    ]


def test_an_age_that_begins_anew_in_a_window_counts_even_where_its_beginning_flipped_nothing():
    more = '[calculated.first]\ntype = "first_timestamp"\nevent = "order"\nwithin = "1d"\n'
    old = '{ attribute = "first", op = "older", value = "20h" }'
    one = person(f'a: {old}, {{ attribute = "d", op = "older", value = "1h" }}', more=more)
    one.record(HOUR, event())
    one.record(10 * HOUR, event(), attributes={"d": "2026-01-02T03:00:00Z"})
    assert flips(one.sweep(9 * DAY)) == [
        ("entered", "a", DAY + 6 * HOUR),
        ("left", "a", DAY + 11 * HOUR),
    ]


@pytest.mark.parametrize("kind", ["sum", "average", "minimum"])
def test_values_that_may_rise_as_their_window_moves_let_people_in(kind):
    more = f'[calculated.c]\ntype = "{kind}"\nevent = "order"\nattribute = "v"\nwithin = "1d"\n'
    one = person('a: { attribute = "c", op = "at_least", value = 5 }', more=more)
    one.record(HOUR, event(v=-10))
    one.record(5 * HOUR, event(v=8))
    told = [("entered", "a", DAY + 2 * HOUR), ("left", "a", DAY + 6 * HOUR)]
    assert flips(one.sweep(9 * DAY)) == told


def test_a_value_that_is_gone_with_its_window_exists_no_more():
    more = '[calculated.top]\ntype = "maximum"\nevent = "order"\nattribute = "v"\nwithin = "1d"\n'
    one = person('a: { attribute = "top" }', more=more)
    one.record(HOUR, event(v=3))
    assert flips(one.sweep(9 * DAY)) == [("left", "a", DAY + 2 * HOUR)]


def test_where_one_criterion_ends_and_another_begins_both_are_seen():
    one = person(
        'a: { event = "order", within = "2d" }, { not = { event = "order", within = "1d" } }'
    )
    one.record(HOUR, event())
    assert flips(one.sweep(9 * DAY)) == [
        ("entered", "a", DAY + HOUR),
        ("left", "a", 2 * DAY + HOUR),
    ]


def test_what_was_never_observed_is_no_number_but_a_count_of_it_is_0():
    more = """
    [calculated.top]
    type = "maximum"
    event = "order"
    attribute = "v"
    [calculated.n]
    type = "count"
    event = "order"
    """
    one = person(
        'low: { attribute = "top", op = "less", value = 5 }',
        'few: { attribute = "n", op = "at_most", value = 1 }',
        'zero: { attribute = "n", op = "equals", value = 0 }',
        'never: { attribute = "n", op = "not_exists" }',
        more=more,
    )
    one.record(HOUR, attributes={"n": 7, "top": 3})
    assert one.audiences() == ["few", "never", "zero"]
    one.record(2 * HOUR, event(v=3))
    assert one.audiences() == ["few", "low"]


def test_a_criterion_on_a_calculated_attribute_follows_its_window():
    more = '[calculated.spent]\ntype = "sum"\nevent = "order"\nattribute = "v"\nwithin = "1d"\n'
    one = person(
        'big: { attribute = "spent", op = "at_least", value = 100 }',
        'none: { attribute = "spent", op = "less", value = 1 }',
        more=more,
    )
    one.record(10 * HOUR + 30 * MINUTE, event(v=60))
    (told,) = one.record(12 * HOUR + 30 * MINUTE, event(v=60))
    assert (told.audience, told.expires_ms) == ("big", START + DAY + 11 * HOUR)
    assert flips(one.sweep(3 * DAY)) == [
        ("left", "big", DAY + 11 * HOUR),
        ("entered", "none", DAY + 13 * HOUR),
    ]


def test_a_criterion_on_another_audience_asks_whether_the_person_fits_it_at_this_instant():
    one = person(
        'buyers: { event = "order", within = "2d" }',
        'lapsed: { event = "order" }, { not = { audience = "buyers" } }',
    )
    one.record(DAY, event())
    assert flips(one.sweep(9 * DAY)) == [
        ("left", "buyers", 3 * DAY),
        ("entered", "lapsed", 3 * DAY),
    ]
    assert flips(one.record(10 * DAY, event())) == [
        ("entered", "buyers", 10 * DAY),
        ("left", "lapsed", 10 * DAY),
    ]


def test_identities_devices_consent_and_first_seen_are_criteria():
    ids = {"identities": (("email", "old@y.org"), ("email", "Ed@X.org"))}
    assert members('{ identity = "email", op = "pattern", value = "*@x.org" }', **ids)
    assert not members('{ identity = "customer_id" }', **ids)
    assert members('{ identity = "customer_id" }', identities=(("customerid", "7"),))
    devices = {"devices": ({"platform": "iOS"}, {"platform": "web", "brand": "x"})}
    assert members('{ device = "platform", op = "equals", value = "IOS" }', **devices)
    assert not members('{ device = "model" }', **devices)
    assert members('{ profile = "first_seen", op = "before", value = "2026-01-02" }')
    assert not members('{ profile = "first_seen", op = "within", value = "24h" }')
    assert members('{ profile = "first_seen", op = "within", value = "25h" }')


@pytest.mark.parametrize(
    ("state", "yes", "no"),
    [
        ({}, False, False),
        ({"gdpr": {"mail": {"consented": True}}}, True, False),
        ({"gdpr": {"mail": {"consented": False}}}, False, True),
        ({"gdpr": {"mail": None}}, False, False),
        ({"gdpr": None}, False, False),
    ],
)
def test_no_answer_is_neither_consent_nor_refusal(state, yes, no):
    assert members('{ consent = "gdpr.mail" }', consent_state=state) is yes
    assert members('{ consent = "gdpr.mail", value = false }', consent_state=state) is no


def test_only_the_feeds_events_count_for_the_uid2_audience_and_time_lets_people_in_again():
    document = """
    [events.uid2]
    type = "custom_event"
    name = "UID2 Enriched"
    inputs = ["uid2_feed"]
    [audiences.needs_uid2]
    all = [{ identity = "email" }, { not = { event = "uid2", within = "7d" } }]
    identities = ["email"]
    """
    scope = compiled(document, inputs={"default": "shop", "uid2_feed": "shop"})
    one = Person(scope)
    email = {"identities": (("email", "ed@x.org"),), "current": {"email": "ed@x.org"}}
    assert one.record(HOUR) == []
    (told,) = one.record(2 * HOUR, **email)
    assert (told.change, told.carried.identities) == ("entered", (("email", "ed@x.org"),))
    assert flips(one.record(3 * HOUR, event("UID2 Enriched"), input="uid2_feed")) == [
        ("left", "needs_uid2", 3 * HOUR)
    ]
    assert one.record(4 * HOUR, event("UID2 Enriched")) == []
    assert not one.wrote
    (told,) = one.sweep(20 * DAY)
    assert (told.timestamp_ms, told.reason) == (START + 7 * DAY + 3 * HOUR, "time")
    assert told.carried.identities == (("email", "ed@x.org"),)


def test_a_record_that_changes_nothing_is_settled_and_every_other_one_is_not():
    one = person('a: { event = "order", within = "1d" }')
    scope = one.scope

    def settled(at: int, *, is_changed: bool = False, workspace: str = "shop") -> bool:
        occasion = Occasion(1, START + at, "record", workspace)
        return is_settled(scope, one.standing, occasion, is_changed=is_changed)

    assert not settled(HOUR)
    one.record(HOUR, event())
    assert settled(2 * HOUR)
    assert settled(2 * HOUR, workspace="elsewhere")
    assert not settled(2 * HOUR, is_changed=True)
    assert settled(DAY + HOUR - 1)
    assert not settled(DAY + HOUR)
    scope = compiled(EVENTS + '[audiences.b]\nall = [{ event = "order" }]\n')
    assert not settled(2 * HOUR)


def test_a_record_of_a_workspace_where_the_person_was_not_seen_is_evaluated():
    table = '[audiences.a]\nall = [{ not = { identity = "email" } }]\n'
    scope = compiled(table, table, names=("shop", "app"))
    one = Person(scope)
    one.record(HOUR)
    occasion = Occasion(1, START + 2 * HOUR, "record", "app")
    assert not is_settled(scope, one.standing, occasion, is_changed=False)
    same = Facts()
    facts = FactsChange(same, same)
    found = evaluate(scope, one.standing, occasion, {"shop": facts, "app": facts})
    assert found.is_changed
    assert [(m.change, m.workspace) for m in found.messages] == [("entered", "app")]
    assert found.standing.workspaces.keys() == {"shop", "app"}


def test_a_sweep_stops_after_fifty_instants_and_the_rest_is_due_still():
    one = person('busy: { event = "order", within = "1d", exactly = 1 }')
    one.record(300 * HOUR, *[event(at=(297 - 2 * n) * HOUR) for n in range(12)])
    first = one.sweep(400 * HOUR)
    assert len(first) == 2
    names = [f"a{n}" for n in range(60)]
    many = person(
        *[f'{name}: {{ attribute = "d{name}", op = "older", value = "1d" }}' for name in names]
    )
    many.record(HOUR, attributes={f"d{n}": START + k * MINUTE for k, n in enumerate(names)})
    assert len(many.sweep(9 * DAY)) == 50
    assert many.due == DAY + 50 * MINUTE
    assert len(many.sweep(9 * DAY)) == 10

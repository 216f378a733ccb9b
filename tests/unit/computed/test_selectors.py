"""Selectors and conditions: which events are meant."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.codecs.batch import EventType
from processor.computed.condition import OPERATORS, condition_of, matches_pattern
from processor.computed.definition import MOST_WORDS
from processor.computed.event import EVENT_TYPES, Event, event_time_ms, path_of
from processor.computed.instant import DAY_MS, instant_ms
from processor.computed.reading import Source, matches
from processor.computed.selector import why_not
from tests.unit.computed.world import HOUR, START, WORKSPACE, Person, compiled, event, purchase


def selected(selector: str, *events: Any, source: str = "default") -> list[int]:
    """Return which of *events* a selector, given as the rest of its table, selects."""
    document = f'[events.s]\n{selector}\n[calculated.n]\ntype = "count"\nevent = "s"\n'
    scope = compiled(document, inputs={"default": WORKSPACE, "feed": WORKSPACE})
    definitions = scope.workspaces[WORKSPACE]
    found = []
    for place, one in enumerate(events):
        body = msgspec.json.encode([one])
        if matches(definitions, body, Source(source, START, None, {"platform": "iOS"})):
            found.append(place)
    return found


def holds(op: str, operand: object, *values: object, now: int = 0) -> bool:
    condition = condition_of(op, operand)
    if len(values) == 1:
        assert condition.holds(values, now) is condition.holds_of(values[0], now)
    return condition.holds(values, now)


def test_event_types_are_those_that_batches_may_have():
    assert set(EVENT_TYPES) == set(EventType.__args__)


def test_type_and_name_are_exact():
    home = {"event_type": "screen_view", "data": {"screen_name": "Home"}}
    small = {"event_type": "screen_view", "data": {"screen_name": "home"}}
    selector = 'type = "screen_view"\nname = ["Home", "Start"]'
    assert selected(selector, home, small, event("Home")) == [0]
    both = 'type = ["screen_view", "custom_event"]\nname = "Home"'
    assert selected(both, home, small, event("Home")) == [0, 2]


@pytest.mark.parametrize(
    "name", ["Order", "Bestellung für später", 'a "quoted" one', "a\\b", "注文"]
)
def test_a_name_is_the_same_however_json_spells_it(name):
    document = f'[events.s]\ntype = "custom_event"\nname = {json.dumps(name)}\n'
    definitions = compiled(f'{document}[calculated.n]\ntype = "count"\nevent = "s"\n')
    named, other = {"event_name": name}, {"event_name": "Other"}
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in name)
    spellings = [
        json.dumps(named),
        json.dumps(named, ensure_ascii=False),
        f'{{"event_name": "{escaped}"}}',
    ]
    for data, count in [*((one, 1) for one in spellings), (json.dumps(other), 0)]:
        body = f'[{{"event_type": "custom_event", "data": {data}}}]'.encode()
        found = matches(definitions.workspaces[WORKSPACE], body, Source("default", START))
        assert len(found) == count, data


def test_events_are_searched_for_a_few_words_of_selectors_and_never_for_those_of_any():
    def words(*selectors: str) -> tuple[bytes, ...] | None:
        document = "".join(
            f'[events.s{n}]\n{one}\n[calculated.n{n}]\ntype = "count"\nevent = "s{n}"\n'
            for n, one in enumerate(selectors)
        )
        return compiled(document).workspaces[WORKSPACE].words

    order, paid = 'type = "custom_event"\nname = "Order"', 'type = "commerce_event"'
    assert words(order, f'{paid}\naction = "purchase"') == (b"Order", b"purchase")
    assert words(order, paid) == (b"Order", b"commerce_event")
    assert words(order, 'type = "any"') is None
    assert (
        words(f'type = "custom_event"\nname = {[f"n{n}" for n in range(MOST_WORDS + 1)]}') is None
    )


def test_any_means_every_type():
    assert selected('type = "any"', event(), {"event_type": "first_run"}, purchase()) == [0, 1, 2]


def test_one_event_can_be_meant_by_several_selectors():
    document = """
    [events.all]
    type = "any"
    [events.order]
    type = "custom_event"
    name = "Order"
    [calculated.n]
    type = "count"
    event = "all"
    [calculated.m]
    type = "count"
    event = "order"
    """
    one = Person(compiled(document))
    one.record(HOUR, event(), event("Login"), {"event_type": "first_run"})
    assert one.values(HOUR) == {"n": 3, "m": 1}


def test_action_is_that_of_products_or_promotions():
    promotion = {"event_type": "commerce_event", "data": {"promotion_action": {"action": "view"}}}
    assert selected(
        'type = "commerce_event"\naction = ["view", "refund"]', purchase(), promotion
    ) == [1]


def test_only_the_named_inputs_count():
    selector = 'type = "any"\ninputs = ["feed"]'
    assert selected(selector, event()) == []
    assert selected(selector, event(), source="feed") == [0]


def test_events_whose_data_is_missing_or_odd_match_what_asks_nothing_of_it():
    odd = [
        {"event_type": "custom_event"},
        {"event_type": "custom_event", "data": None},
        {"event_type": "custom_event", "data": {"event_name": ["Order"], "custom_attributes": []}},
    ]
    assert selected('type = "custom_event"', *odd) == [0, 1, 2]
    assert selected('type = "custom_event"\nname = "Order"', *odd) == []


def test_of_two_values_under_one_name_the_last_counts_whatever_the_first_is():
    scope = compiled('[events.s]\ntype = "any"\n[calculated.n]\ntype = "count"\nevent = "s"\n')
    body = b'[{"event_type":7,"event_type":"crash_report"},{"event_type":"first_run","data":{}}]'
    found = matches(scope.workspaces[WORKSPACE], body, Source("default", START))
    assert [one.event.type for one in found] == ["crash_report", "first_run"]


def is_wanted(criterion: str, attributes: str) -> bool:
    document = f'[events.s]\ntype = "any"\nwhere = [{{ {criterion} }}]\n'
    scope = compiled(document + '[calculated.n]\ntype = "count"\nevent = "s"\n')
    body = f'[{{"event_type":"custom_event","data":{{"custom_attributes":{attributes}}}}}]'
    return bool(matches(scope.workspaces[WORKSPACE], body.encode(), Source("default", START)))


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_beyond_a_double_is_no_value_and_spoils_nothing_beside_it(number):
    attributes = f'{{"a":{number},"b":1}}'
    assert is_wanted('attribute = "b", op = "exists"', attributes)
    assert is_wanted('attribute = "a", op = "not_exists"', attributes)
    assert not is_wanted('attribute = "a", op = "exists"', attributes)


@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_an_integer_beyond_64_bits_is_its_text_however_long(digits):
    number = "7" * digits
    attributes = f'{{"a":{number},"b":1}}'
    assert is_wanted('attribute = "b", op = "equals", value = 1', attributes)
    assert is_wanted(f'attribute = "a", op = "equals", value = "{number}"', attributes)


@pytest.mark.parametrize("time", ["1e999", "-1e999"])
def test_a_time_beyond_a_double_is_none(time):
    scope = compiled('[events.s]\ntype = "any"\n[calculated.n]\ntype = "count"\nevent = "s"\n')
    body = b'[{"event_type":"custom_event","data":{"timestamp_unixtime_ms":%b}}]' % time.encode()
    (found,) = matches(scope.workspaces[WORKSPACE], body, Source("default", START))
    assert found.event.time_ms == START


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("k", "own"),
        ("custom.k", "own"),
        ("dotted.name", "kept"),
        ("data.currency_code", "EUR"),
        ("action.transaction_id", "T1"),
        ("product.name", "Sock"),
        ("product.custom.colour", "red"),
    ],
)
def test_a_path_leads_to_its_place(path, value):
    one = {
        "event_type": "commerce_event",
        "data": {
            "currency_code": "EUR",
            "custom_attributes": {"k": "own", "dotted.name": "kept"},
            "product_action": {
                "action": "purchase",
                "transaction_id": "T1",
                "products": [
                    {"name": "Hat"},
                    {"name": "Sock", "custom_attributes": {"colour": "red"}},
                ],
            },
        },
    }
    where = f'where = [{{ attribute = "{path}", op = "equals", value = "{value}" }}]'
    assert selected(f'type = "any"\n{where}', one, event()) == [0]


def test_a_device_path_leads_to_the_device_of_the_batch():
    where = 'where = [{ attribute = "device.platform", op = "equals", value = "ios" }]'
    assert selected(f'type = "any"\n{where}', event(), {"event_type": "first_run"}) == [0, 1]
    assert selected(f'type = "any"\n{where.replace("platform", "brand")}', event()) == []


def test_products_are_those_of_the_action_and_of_impressions():
    shown = {
        "event_type": "commerce_event",
        "data": {"product_impressions": [{"products": [{"id": "a"}]}, {"products": [{"id": "b"}]}]},
    }
    where = 'where = [{ attribute = "product.id", op = "equals", value = "b" }]'
    assert selected(f'type = "any"\n{where}', shown) == [0]


def test_promotions_have_paths_of_their_own():
    shown = {
        "event_type": "commerce_event",
        "data": {"promotion_action": {"action": "view", "promotions": [{"id": "p"}]}},
    }
    where = 'where = [{ attribute = "promotion.id", op = "equals", value = "p" }]'
    assert selected(f'type = "any"\n{where}', shown, event()) == [0]


def test_conditions_on_products_are_about_one_and_the_same_product():
    document = """
    [events.red]
    type = "commerce_event"
    where = [
      { attribute = "product.category", op = "equals", value = "shoes" },
      { attribute = "product.custom.colour", op = "not_equals", value = "blue" },
    ]
    [calculated.spent]
    type = "sum"
    event = "red"
    attribute = "product.total_product_amount"
    """
    one = Person(compiled(document))
    red = {"category": "Shoes", "total_product_amount": 50, "custom_attributes": {"colour": "red"}}
    blue = {"category": "shoes", "total_product_amount": 9, "custom_attributes": {"colour": "blue"}}
    hat = {"category": "hats", "total_product_amount": 20}
    one.record(HOUR, purchase(blue, hat))
    assert one.values(HOUR) == {}
    one.record(HOUR, purchase(red, blue, hat))
    assert one.values(HOUR) == {"spent": 50}


def test_why_an_event_is_not_meant_names_the_first_thing_that_differs():
    document = """
    [events.s]
    type = "custom_event"
    name = "Order"
    inputs = ["default"]
    where = [{ attribute = "k", op = "exists" }, { attribute = "product.id", op = "exists" }]
    [calculated.n]
    type = "count"
    event = "s"
    """
    use = compiled(document).workspaces[WORKSPACE].uses["s"]

    def why(source: str, kind: str, data: dict[str, Any]) -> str | None:
        return why_not(use.selector, Event(kind, data, START), source)

    order = {"event_name": "Order", "custom_attributes": {"k": 1}}
    assert why("default", "first_run", {}) == "type"
    assert why("default", "custom_event", {"event_name": "order"}) == "name"
    assert why("feed", "custom_event", order) == "inputs"
    assert why("default", "custom_event", {"event_name": "Order"}) == "custom.k"
    assert why("default", "custom_event", order) == "product.id"
    products = {"product_action": {"products": [{"id": 1}]}}
    assert why("default", "custom_event", {**order, **products}) is None


def test_why_no_item_is_meant_names_the_condition_that_left_none():
    document = """
    [events.s]
    type = "commerce_event"
    where = [
      { attribute = "product.category", op = "equals", value = "shoes" },
      { attribute = "product.price", op = "greater", value = 10 },
      { attribute = "promotion.id", op = "equals", value = "spring" },
    ]
    [calculated.n]
    type = "count"
    event = "s"
    """
    use = compiled(document).workspaces[WORKSPACE].uses["s"]

    def why(products: list[dict[str, Any]], promotion: str = "spring") -> str | None:
        promotions = {"promotions": [{"id": promotion}]}
        data = {"product_action": {"products": products}, "promotion_action": promotions}
        return why_not(use.selector, Event("commerce_event", data, START), "default")

    cheap, hat = {"category": "shoes", "price": 5}, {"category": "hats", "price": 20}
    assert why([]) == "product.category"
    assert why([hat]) == "product.category"
    assert why([cheap, hat]) == "product.price"
    assert why([{**cheap, "price": 20}], "autumn") == "promotion.id"
    assert why([{**cheap, "price": 20}]) is None


def test_the_time_of_an_event_is_its_own_then_its_batchs_then_its_records():
    assert event_time_ms(5, 6, 9) == 5
    assert event_time_ms(None, 6, 9) == 6
    assert event_time_ms(None, None, 9) == 9
    assert event_time_ms(12, 6, 9) == 9
    assert event_time_ms(None, 12, 9) == 9
    assert event_time_ms(4.7, 6, 9) == 4
    assert event_time_ms(True, 6, 9) == 6  # noqa: FBT003 - a value that is no time


@pytest.mark.parametrize(
    ("op", "operand", "fitting", "others"),
    [
        ("exists", None, ["", "x", 0, False, []], [None]),
        ("not_exists", None, [None], ["", []]),
        ("empty", None, ["", []], [None, "x", 0]),
        ("equals", "Ab", ["ab", "AB"], ["abc", None, 1]),
        ("equals", 10, [10, 10.0, "10", " 10.0 ", "1e1"], ["ten", True, 11]),
        ("equals", True, [True, "TRUE"], [1, "1", False]),
        ("not_equals", "x", ["y", None], ["X"]),
        ("contains", "Sock", ["red SOCKS"], ["hat", None]),
        ("not_contains", "Sock", ["hat", None], ["socks"]),
        ("pattern", "bl?e*", ["Blue", "bloe shirt"], ["a blue", "ble", None]),
        ("not_pattern", "bl?e*", ["ble", None], ["blue"]),
        ("in", ["AUD", 7], ["aud", 7.0, "7"], ["EUR", None]),
        ("not_in", ["AUD", 7], ["EUR", None], ["aud", 7]),
        ("less", 5, [4.99, "-3"], [5, "x", None, True]),
        ("at_most", 5, [5], [5.01]),
        ("greater", 5, [5.01], [5]),
        ("at_least", 5, [5, "5"], [4.99]),
        ("before", "2026-01-10", ["2026-01-09", "2026-01-09T23:59:59Z"], ["2026-01-10", "soon"]),
        ("after", "2026-01-10", ["2026-01-10", "2026-02-01"], ["2026-01-09T23:59:59Z"]),
        ("on", "2026-01-10", ["2026-01-10T23:59:59.999Z", "2026-01-10"], ["2026-01-11"]),
        (
            "on",
            "2026-01-10T12:00:00Z",
            ["2026-01-10T13:00:00+01:00"],
            ["2026-01-10", "2026-01-10T12:00:00.001Z"],
        ),
    ],
)
def test_an_operator_holds_for_what_fits_and_for_nothing_else(op, operand, fitting, others):
    for value in fitting:
        assert holds(op, operand, value), value
    for value in others:
        assert not holds(op, operand, value), value


def test_a_positive_operator_wants_some_entry_of_a_list_and_its_negation_none():
    assert holds("equals", "b", ["a", "B"])
    assert not holds("not_equals", "b", ["a", "b"])
    assert holds("not_equals", "b", ["a", None])


def test_recency_is_half_open_and_the_future_is_not_recent():
    day = START + 10 * DAY_MS
    assert [
        holds("within", "2d", "2026-01-11", now=day + n)
        for n in (-1, 0, 2 * DAY_MS - 1, 2 * DAY_MS)
    ] == [
        False,
        True,
        True,
        False,
    ]
    assert [
        holds("older", "2d", "2026-01-11", now=day + n) for n in (0, 2 * DAY_MS - 1, 2 * DAY_MS)
    ] == [
        False,
        False,
        True,
    ]
    assert [
        holds("ahead", "2d", "2026-01-11", now=day - n) for n in (2 * DAY_MS + 1, 2 * DAY_MS, 1, 0)
    ] == [
        False,
        True,
        True,
        False,
    ]


@given(st.sampled_from([op for op in OPERATORS if op.startswith("not_")]), st.data())
def test_a_negated_operator_is_exactly_the_negation(op, data):
    values = data.draw(st.lists(st.none() | st.integers() | st.text() | st.lists(st.text())))
    operand = {"not_exists": None, "not_in": ["a", 1]}.get(op, "a")
    assert holds(op, operand, *values) is not holds(op.removeprefix("not_"), operand, *values)


@given(st.text("ab*?", max_size=6), st.text("ab", max_size=8))
def test_patterns_match_as_a_regular_expression_would(pattern, text):
    import re

    wanted = "".join({"*": ".*", "?": "."}.get(sign, sign) for sign in pattern)
    assert matches_pattern(pattern, text) is (re.fullmatch(wanted, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("stra?e", "Straße"),
        ("STRASSE", "Straße"),
        ("straße", "STRASSE"),
        ("?", "İ"),
        ("*?e", "Straße"),
        ("*s?", "ẞß"),
        ("??", "ßß"),
    ],
)
def test_one_character_of_a_pattern_is_one_of_the_text_however_it_is_folded(pattern, text):
    assert holds("pattern", pattern, text)


@pytest.mark.parametrize(("pattern", "text"), [("stra??e", "Straße"), ("?", "ßß"), ("s?", "ß")])
def test_what_one_character_is_folded_to_is_not_two_of_them(pattern, text):
    assert not holds("pattern", pattern, text)


@given(st.text("ß?*", max_size=3), st.text("aß", max_size=3))
def test_patterns_with_folded_characters_match_as_if_each_were_one(pattern, text):
    one = {"ß": "b"}
    said, seen = ("".join(one.get(sign, sign) for sign in part) for part in (pattern, text))
    assert holds("pattern", pattern or "*", text) is holds("pattern", said or "*", seen)


def test_a_hostile_pattern_costs_no_more_than_the_product_of_both_lengths():
    steps = 0

    class Counted(str):
        __slots__ = ()

        def __getitem__(self, place: Any) -> str:
            nonlocal steps
            steps += 1
            return super().__getitem__(place)

    assert not matches_pattern("*a" * 50 + "b", Counted("a" * 1000))
    assert steps < 101 * 1001


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2026-01-01", START),
        ("2026-01-01T01:00:00+01:00", START),
        ("2026-01-01 00:00:00.0015", START + 1),
        ("2026-01-01T00:00z", START),
        (START, START),
        (f" {START} ", START),
        (10**11, 10**11),
        (10**11 - 1, None),
        ("20260101", None),
        ("2026-13-01", None),
        ("tomorrow", None),
        (True, None),
    ],
)
def test_an_instant_is_a_date_a_date_time_or_a_large_number(value, wanted):
    assert instant_ms(value) == wanted


@pytest.mark.parametrize("text", ["", "custom.", "product.", "product.custom."])
def test_a_path_that_names_no_field_is_refused(text):
    with pytest.raises(ValueError, match="is no path"):
        path_of(text)

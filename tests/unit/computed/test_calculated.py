"""The twelve types of calculated attributes, as one reads them off a person's batches."""

from typing import Any

import pytest

from tests.unit.computed.world import DAY, HOUR, MINUTE, START, Person, compiled, event, purchase

TABLES = """
[events.order]
type = "custom_event"
name = "Order"
[events.buy]
type = "commerce_event"
action = "purchase"
"""


def person(*attributes: str) -> Person:
    """Return somebody whose attributes are NAME: rest of the table, as inline TOML."""
    inline = [one.partition(": ") for one in attributes]
    tables = "".join(f"[calculated]\n{name} = {{ {rest} }}\n" for name, _, rest in inline[:1])
    tables += "".join(f"{name} = {{ {rest} }}\n" for name, _, rest in inline[1:])
    return Person(compiled(TABLES + tables))


def on(kind: str, path: str = "v", rest: str = "") -> str:
    selector = "buy" if path.startswith("product.") else "order"
    return f'{kind}: type = "{kind}", event = "{selector}", attribute = "{path}"{rest}'


def after(attribute: str, *values: Any) -> Any:
    """Return the value of one attribute after an event for each of *values*."""
    one = person(attribute)
    for at, value in enumerate(values, 1):
        one.record(at * HOUR, event(v=value))
    return one.values(len(values) * HOUR).get(attribute.partition(":")[0])


def test_before_the_first_event_nothing_is_shown():
    one = person(*[on(kind) for kind in ("sum", "unique_count", "unique_list")])
    one.record(HOUR, event("Other", v=3))
    assert one.values(HOUR) == {}


def test_numbers_are_exact_in_decimals_and_read_from_texts():
    assert after(on("sum"), 0.1, 0.2) == 0.3
    assert after(on("sum"), 0.3, "34.32", -4.62) == 30
    assert type(after(on("sum"), 0.5, "0.5")) is int


@pytest.mark.parametrize(
    "value", ["free", True, None, "", "1,5", "0x1", "nan", "inf", 10**15, [], {}]
)
def test_what_is_no_number_adds_nothing_not_even_the_attribute(value):
    assert after(on("sum"), value) is None
    assert after(on("maximum"), value) is None


def test_numbers_are_rounded_half_to_even_at_nine_places():
    assert after(on("sum"), "0.0000000005") == 0
    assert after(on("sum"), "0.0000000015") == 2e-9
    assert after(on("average"), 10, 2.5, 7.5) == 6.666666667
    assert after(on("average"), 0, "0.000000001") == 0
    assert after(on("average"), "0.000000001", "0.000000002") == 2e-9


def test_sums_beyond_sixty_four_bits_of_billionths_stay_exact():
    most = 999_999_999_999_999
    assert after(on("sum"), *[most] * 9) == 9 * most
    assert after(on("sum"), *[most] * 10) == float(10 * most)
    assert type(after(on("sum"), *[most] * 10)) is float  # 2^53 and more are no exact doubles
    assert after(on("minimum"), -most, 3) == -most


def test_a_text_of_less_than_ten_to_the_fifteen_is_a_number_however_many_places_it_has():
    assert after(on("sum"), "999999999999999." + "9" * 20) == 10**15
    assert after(on("sum"), "1000000000000000." + "0" * 20) is None


def test_minimum_maximum_and_average_look_at_every_value():
    values = (10, 2.5, 7.5, 8)
    assert [after(on(kind), *values) for kind in ("minimum", "maximum", "average")] == [2.5, 10, 7]


def test_of_a_tie_the_most_frequent_is_the_first_by_code_points():
    assert after(on("most_frequent"), "romance", "comedy") == "comedy"
    assert after(on("most_frequent"), "romance", "comedy", "romance") == "romance"


def test_one_and_one_point_zero_and_its_text_are_one_value_and_case_counts():
    values = [1, 1.0, "1", "a", "A", True, "true"]
    assert after(on("unique_list"), *values) == ["1", "A", "a", "true"]
    assert after(on("unique_count"), 1, 1.0, "1", "a", "A") == 3


def test_a_list_stands_for_its_entries_and_null_is_missing():
    assert after(on("unique_list"), ["b", None, "a", ""]) == ["a", "b"]
    assert after(on("first_value"), ["b", "a"]) == "b"
    assert after(on("last_value"), ["b", "a"]) == "a"
    assert after(on("sum"), [1, "2", "x"]) == 3


def test_a_full_set_takes_up_no_more_and_writes_nothing():
    one = person(on("unique_list", rest=", max_values = 2"))
    one.record(HOUR, event(v="a"), event(v="b"), event(v="c"))
    assert one.values(HOUR) == {"unique_list": ["a", "b"]}
    one.record(2 * HOUR, event(v="c"))
    assert not one.wrote
    one.record(3 * HOUR, event(v="b"))
    assert not one.wrote


def test_in_a_window_a_text_whose_last_event_has_left_frees_its_place():
    one = person(on("unique_list", rest=', max_values = 1, within = "1d"'))
    one.record(HOUR, event(v="a"))
    one.record(2 * HOUR, event(v="b"))
    assert one.values(2 * HOUR) == {"unique_list": ["a"]}
    one.record(3 * DAY, event(v="b"))
    assert one.values(3 * DAY) == {"unique_list": ["b"]}


def test_most_frequent_follows_the_first_texts_only():
    one = person(on("most_frequent", rest=", max_values = 1"))
    one.record(HOUR, event(v="a"), event(v="b"), event(v="b"))
    assert one.values(HOUR) == {"most_frequent": "a"}


def test_a_thousand_texts_are_counted_and_no_more():
    one = person(on("unique_count"))
    one.record(HOUR, *[event(v=f"value {n}") for n in range(1200)])
    assert one.values(HOUR) == {"unique_count": 1000}
    assert len(one.standing.workspaces["shop"].state) < 8200


def test_first_and_last_go_by_the_time_of_the_event():
    one = person(on("first_value"), on("last_value"))
    one.record(9 * HOUR, event(v="b"))
    one.record(11 * HOUR, event(v="a", at=2 * HOUR))
    assert one.values(11 * HOUR) == {"first_value": "a", "last_value": "b"}
    one.record(12 * HOUR, event(v="x", at=5 * HOUR))
    assert not one.wrote


def test_of_two_events_at_one_time_first_keeps_the_earlier_arrival_and_last_the_later():
    one = person(on("first_value"), on("last_value"))
    one.record(HOUR, event(v="a"), event(v="b"))
    one.record(HOUR, event(v="c"))
    assert one.values(HOUR) == {"first_value": "a", "last_value": "c"}


def test_first_and_last_value_keep_the_json_type_of_what_they_took():
    one = person(on("first_value"), on("last_value"))
    one.record(HOUR, event(v=5), event(v=1))
    one.record(HOUR, event(v=True))
    assert one.wrote
    assert one.values(HOUR) == {"first_value": 5, "last_value": True}
    assert one.values(HOUR)["last_value"] is True


def test_an_integer_beyond_sixty_four_bits_is_kept_as_its_text():
    assert after(on("last_value"), 2**70) == str(2**70)


def test_timestamps_are_iso_8601_in_utc_with_milliseconds():
    one = person(
        'f: type = "first_timestamp", event = "order"',
        'l: type = "last_timestamp", event = "order"',
    )
    one.record(HOUR, event())
    one.record(2 * HOUR + 7, event())
    assert one.values(2 * HOUR) == {
        "f": "2026-01-01T01:00:00.000Z",
        "l": "2026-01-01T02:00:00.007Z",
    }


def test_no_event_is_later_than_its_record_nor_before_1970():
    one = person('l: type = "last_timestamp", event = "order"')
    one.record(HOUR, event(at=20 * DAY))
    assert one.values(HOUR) == {"l": "2026-01-01T01:00:00.000Z"}
    other = person('l: type = "first_timestamp", event = "order"')
    other.record(HOUR, event(at=-START - 5))
    assert other.values(HOUR) == {"l": "1970-01-01T00:00:00.000Z"}


def test_quantity_weighs_the_average_price_and_the_most_frequent_text_of_products():
    one = person(
        on("average", "product.price"),
        'brand: type = "most_frequent", event = "buy", attribute = "product.brand"',
        'place: type = "average", event = "buy", attribute = "product.position"',
        on("sum", "product.price"),
        'model: type = "most_frequent", event = "buy", attribute = "product.variant"',
    )
    one.record(
        HOUR,
        purchase(
            {"brand": "B", "price": 10, "quantity": 3, "position": 1, "variant": 5},
            {"brand": "A", "price": 20, "quantity": 1, "position": 2, "variant": 4},
            {"brand": "A", "price": 2, "variant": 4},
        ),
    )
    assert one.values(HOUR) == {
        "average": 10.4,
        "brand": "B",
        "place": 1.5,
        "sum": 32,
        "model": "4",
    }


@pytest.mark.parametrize("window", ["", 'within = "1d"'])
def test_no_quantity_is_too_much_to_be_remembered(window):
    table = 'type = "most_frequent"\nevent = "s"\nattribute = "product.name"\n'
    document = f'[events.s]\ntype = "any"\n[calculated.n]\n{table}{window}\n'
    one = Person(compiled(document))
    much = {"name": "much", "quantity": 999_999_999_999_999}
    for at in range(4):
        one.record(HOUR + at, purchase({"name": "little"}, *[much] * 6000))
    assert one.values(HOUR + 4) == {"n": "much"}


@pytest.mark.parametrize("quantity", [None, "many", 0, -2])
def test_a_product_without_a_quantity_of_its_own_weighs_one(quantity):
    one = person(on("average", "product.price"))
    one.record(HOUR, purchase({"price": 2, "quantity": quantity}, {"price": 5, "quantity": 2}))
    assert one.values(HOUR) == {"average": 4}


def test_values_that_are_too_long_are_not_taken_and_counted():
    one = person(on("unique_list"), on("last_value"), on("first_value"))
    one.record(HOUR, event(v="x" * 513))
    assert one.values(HOUR).keys() == {"last_value", "first_value"}
    assert one.bounded == 1
    one.record(2 * HOUR, event(v="x" * 4097))
    assert one.bounded == 4
    assert len(one.values(2 * HOUR)["last_value"]) == 513


def test_since_is_inclusive_and_a_date_is_its_midnight():
    one = person(
        'n: type = "count", event = "order", since = "2026-01-10"',
        'm: type = "count", event = "order", since = 2026-01-10T12:00:00Z',
        'd: type = "count", event = "order", since = 2026-01-10',
    )
    one.record(10 * DAY, event(at=9 * DAY - 1), event(at=9 * DAY))
    assert one.values(10 * DAY) == {"n": 1, "d": 1}
    one.record(11 * DAY, event(at=9 * DAY + 12 * HOUR))
    assert one.values(11 * DAY) == {"n": 2, "m": 1, "d": 2}


def test_an_event_leaves_its_window_at_the_end_of_its_part_and_never_early():
    one = person('n: type = "count", event = "order", within = "1d"')
    one.record(10 * HOUR + 30 * MINUTE, event())
    assert one.values(DAY + 11 * HOUR - 1) == {"n": 1}
    assert one.values(DAY + 11 * HOUR) == {"n": 0}


def test_last_value_leaves_its_window_at_its_exact_instant():
    one = person(on("last_value", rest=', within = "1d"'))
    one.record(10 * HOUR + 30 * MINUTE, event(v=1))
    assert one.values(DAY + 10 * HOUR + 30 * MINUTE - 1) == {"last_value": 1}
    assert one.values(DAY + 10 * HOUR + 30 * MINUTE) == {}


def test_when_a_window_has_run_empty_sums_are_zero_and_other_values_gone():
    kinds = ("sum", "average", "unique_list", "unique_count", "last_value", "most_frequent")
    one = person(*[on(kind, rest=', within = "1d"') for kind in kinds])
    one.record(HOUR, event(v=4))
    assert one.values(3 * DAY) == {"sum": 0, "unique_count": 0}


def test_an_event_that_comes_after_it_has_left_changes_nothing_not_even_observedness():
    one = person('n: type = "count", event = "order", within = "1d"')
    one.record(5 * DAY, event(at=2 * DAY))
    assert one.values(5 * DAY) == {}
    one.record(5 * DAY, event(at=2 * DAY))
    assert not one.wrote


def test_lazily_time_alone_writes_nothing_and_promptly_it_writes_once():
    one = person(
        'a: type = "count", event = "order", within = "1d"',
        'b: type = "count", event = "order", within = "2d", expire = "promptly"',
    )
    one.record(HOUR, event(), event())
    assert one.due == 2 * DAY + 2 * HOUR
    assert one.standing.workspaces["shop"].fresh_until_ms == START + DAY + 2 * HOUR
    one.sweep(2 * DAY + 2 * HOUR - 1)
    assert not one.wrote
    one.sweep(2 * DAY + 2 * HOUR)
    assert one.wrote
    assert one.due is None


def test_a_part_that_leaves_without_changing_the_value_makes_nothing_due():
    one = person(on("maximum", rest=', within = "1d", expire = "promptly"'))
    one.record(HOUR, event(v=1))
    one.record(5 * HOUR, event(v=9))
    assert one.due == DAY + 6 * HOUR
    one.record(9 * HOUR, event(v=9))
    assert one.due == DAY + 10 * HOUR

"""What definitions are refused for: one line each, with the path of the key."""

import tomllib
from typing import Any

import pytest

from processor.identity.types import canonical_type
from processor.settings import SettingsError
from processor.settings.computed import DefinitionReader
from processor.settings.conversion import convert
from processor.settings.sections import WorkspaceSettings

EVENTS = """
[events.order]
type = "custom_event"
name = "Order"
"""
PATH = "workspaces.shop"


def read(document: str, max_bytes: int = 16_384) -> Any:
    written = convert(tomllib.loads(document), WorkspaceSettings, PATH)
    reader = DefinitionReader({"default": "shop", "other": "app"}, max_bytes)
    return reader.workspace("shop", written, canonical_type)


def refusal(document: str, max_bytes: int = 16_384) -> str:
    with pytest.raises(SettingsError) as caught:
        read(document, max_bytes)
    (text,) = caught.value.mistakes
    return text


def selector(rest: str) -> str:
    return f"[events.x]\n{rest}\n"


def calculated(rest: str) -> str:
    return f"{EVENTS}[calculated.x]\n{rest}\n"


def count(rest: str) -> str:
    return calculated(f'type = "count"\nevent = "order"\n{rest}')


def audience(*criteria: str, rest: str = "") -> str:
    return f"{EVENTS}[audiences.x]\n{rest}\nall = [{', '.join(criteria)}]\n"


def order(rest: str) -> str:
    return audience(f'{{ event = "order", {rest} }}')


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (selector('type = "bought"'), "events.x.type"),
        (selector('type = ["custom_event", "bought"]'), "events.x.type"),
        (selector("type = []"), "events.x.type"),
        (selector('name = "Order"'), "events.x"),
        (selector('type = "any"\nname = "Order"'), "events.x.name"),
        (selector('type = "first_run"\nname = "Order"'), "events.x.name"),
        (selector('type = "custom_event"\nname = []'), "events.x.name"),
        (selector('type = "any"\naction = "purchase"'), "events.x.action"),
        (selector('type = "any"\ninputs = ["defualt"]'), "events.x.inputs"),
        (selector('type = "any"\ninputs = ["other"]'), "events.x.inputs"),
        (selector('type = "any"\ninputs = []'), "events.x.inputs"),
        (selector('type = "any"\nfilter = "x"'), "events.x.filter"),
        (selector('type = "any"\nwhere = ["x"]'), "events.x.where[0]"),
        (selector('type = "any"\nwhere = [{ attribute = "k" }]'), "events.x.where[0]"),
        (
            selector('type = "any"\nwhere = [{ attribute = "k", op = "like", value = 1 }]'),
            "events.x.where[0].op",
        ),
        (
            selector('type = "any"\nwhere = [{ attribute = "k", op = "within", value = "1d" }]'),
            "events.x.where[0].op",
        ),
        (
            selector('type = "any"\nwhere = [{ attribute = "product.", op = "exists" }]'),
            "events.x.where[0].attribute",
        ),
        (
            selector('type = "any"\nwhere = [{ attribute = "k", op = "less", value = "5" }]'),
            "events.x.where[0].value",
        ),
        (
            selector('type = "any"\nwhere = [{ attribute = "k", op = "exists", value = 5 }]'),
            "events.x.where[0].value",
        ),
        (
            selector('type = "any"\nwhere = [{ attribute = "k", op = "in", value = "a" }]'),
            "events.x.where[0].value",
        ),
        (
            selector('type = "any"\nwhere = [{ attribute = "k", op = "on", value = 5 }]'),
            "events.x.where[0].value",
        ),
        (
            selector('type = "any"\nwhere = [{ attribute = "k", op = "equals" }]'),
            "events.x.where[0].value",
        ),
        (
            selector('type = "any"\nwhere = [{ attribute = "k", op = "contains", value = 5 }]'),
            "events.x.where[0].value",
        ),
        (selector('type = "any"\n').replace("events.x", 'events."a/b"'), "events"),
        (selector('type = "any"\n').replace("events.x", f"events.{'x' * 257}"), "events"),
        ("".join(f'[events.e{n}]\ntype = "any"\n' for n in range(201)), "events"),
    ],
)
def test_a_selector_that_cannot_be_is_refused_with_its_path(document, path):
    assert refusal(document).startswith(f"{PATH}.{path}: ")


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (calculated('type = "median"\nevent = "order"'), "x.type"),
        (calculated('event = "order"'), "x"),
        (count("colour = 1"), "x.colour"),
        (calculated('type = "count"\nevent = "nothing"'), "x.event"),
        (count('attribute = "v"'), "x.attribute"),
        (calculated('type = "sum"\nevent = "order"'), "x.attribute"),
        (calculated('type = "sum"\nevent = "order"\nattribute = ""'), "x.attribute"),
        (count('within = "1d"\nsince = "2026-01-01"'), "x.since"),
        (count("since = 5"), "x.since"),
        (count('since = "soon"'), "x.since"),
        (count('within = "9m"'), "x.within"),
        (count('within = "1.5d"'), "x.within"),
        (count('within = "0d"'), "x.within"),
        (count('within = "3661d"'), "x.within"),
        (count("within = 5"), "x.within"),
        (count('resolution = "1h"'), "x.resolution"),
        (count('within = "1d"\nresolution = "3m"'), "x.resolution"),
        (count('within = "1d"\nresolution = "day"'), "x.resolution"),
        (count("max_values = 5"), "x.max_values"),
        (
            calculated('type = "unique_list"\nevent = "order"\nattribute = "v"\nmax_values = 101'),
            "x.max_values",
        ),
        (
            calculated('type = "unique_list"\nevent = "order"\nattribute = "v"\nmax_values = 0'),
            "x.max_values",
        ),
        (count('expire = "now"'), "x.expire"),
        (count("version = 0"), "x.version"),
        (count("version = 9007199254740992"), "x.version"),
        (count('status = "retired"'), "x.status"),
        (count('status = "draft"\nattribute = "v"'), "x.attribute"),
        (
            calculated(
                'type = "most_frequent"\nevent = "order"\nattribute = "v"\nwithin = "400d"'
                '\nresolution = "1d"'
            ),
            "x",
        ),
    ],
)
def test_a_calculated_attribute_that_cannot_be_is_refused_with_its_path(document, path):
    assert refusal(document).startswith(f"{PATH}.calculated.{path}: ")


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (f"{EVENTS}[audiences.x]\nversion = 1\n", "x"),
        (audience('{ event = "order" }', rest='any = [{ event = "order" }]'), "x"),
        (audience(), "x.all"),
        (audience("5"), "x.all[0]"),
        (audience("{}"), "x.all[0]"),
        (audience('{ event = "order", attribute = "x" }'), "x.all[0]"),
        (audience('{ any = [{ event = "order" }], event = "order" }'), "x.all[0]"),
        (audience('{ any = [{ event = "order" }], op = "exists" }'), "x.all[0].op"),
        (audience('{ not = [{ event = "order" }] }'), "x.all[0].not"),
        (audience('{ event = "order" }', '{ any = [{ event = "no" }] }'), "x.all[1].any[0].event"),
        (order('op = "exists"'), "x.all[0].op"),
        (order("at_least = 101"), "x.all[0].at_least"),
        (order("at_least = -1"), "x.all[0].at_least"),
        (order("at_least = 1, at_most = 2"), "x.all[0].at_most"),
        (order('within = "1d", since = "2026-01-01"'), "x.all[0].since"),
        (order('within = "1d", until = "2026-01-01"'), "x.all[0].until"),
        (order('since = "2026-01-02", until = "2026-01-01"'), "x.all[0].until"),
        (order('since = "2026-01-02T00:00Z", until = "2026-01-02T00:00Z"'), "x.all[0].until"),
        (order('older = "1h"'), "x.all[0].older"),
        (order('within = "1d", older = "1d"'), "x.all[0].older"),
        (order('within = "a day"'), "x.all[0].within"),
        (order('resolution = "1h"'), "x.all[0].resolution"),
        (order('within = "1d", resolution = "7h"'), "x.all[0].resolution"),
        (order('within = "1d", older = "1h", resolution = "7h"'), "x.all[0].resolution"),
        (order('within = "30d", older = "1h", resolution = "1h"'), "x.all[0].resolution"),
        (audience('{ attribute = "x", op = "like" }'), "x.all[0].op"),
        (audience('{ attribute = "x", op = "within", value = 5 }'), "x.all[0].value"),
        (audience('{ identity = "shoe_size" }'), "x.all[0].identity"),
        (audience('{ consent = "mail" }'), "x.all[0].consent"),
        (audience('{ consent = "gdpr." }'), "x.all[0].consent"),
        (audience('{ consent = "ccpa.mail" }'), "x.all[0].consent"),
        (audience('{ profile = "last_seen", op = "within", value = "1d" }'), "x.all[0].profile"),
        (audience('{ profile = "first_seen", op = "exists" }'), "x.all[0].op"),
        (audience('{ audience = "y" }'), "x.all[0].audience"),
        (audience('{ audience = "x" }'), "x.all[0].audience"),
        (
            audience('{ audience = "y" }')
            + '[audiences.y]\nstatus = "draft"\nall = [{ identity = "email" }]\n',
            "x.all[0].audience",
        ),
        (audience('{ event = "order" }', rest='identities = ["shoe_size"]'), "x.identities"),
        (audience('{ event = "order" }', rest='status = "off"'), "x.status"),
        (audience('{ event = "order" }', rest="version = 0"), "x.version"),
        (audience('{ event = "order" }', rest="version = 18446744073709551616"), "x.version"),
        (audience(*['{ event = "order" }'] * 51), "x"),
        (
            audience(
                *[
                    f'{{ event = "order", since = "20{n}-01-01", at_least = 100 }}'
                    for n in range(10, 45)
                ]
            ),
            "x",
        ),
        (
            audience("{ not = " * 6 + '{ event = "order" }' + " }" * 6),
            "x.all[0].not.not.not.not.not.not",
        ),
    ],
)
def test_an_audience_that_cannot_be_is_refused_with_its_path(document, path):
    assert refusal(document).startswith(f"{PATH}.audiences.{path}: ")


def test_too_many_definitions_are_refused():
    many = "".join(f'[calculated.c{n}]\ntype = "count"\nevent = "order"\n' for n in range(101))
    assert refusal(EVENTS + many).startswith(f"{PATH}.calculated: there are 101")
    many = "".join(f'[audiences.a{n}]\nall = [{{ event = "order" }}]\n' for n in range(201))
    assert refusal(EVENTS + many).startswith(f"{PATH}.audiences: there are 201")


def test_a_value_that_equals_cannot_use_is_told_all_that_it_can():
    for value in ('["a"]', "2026-01-31", "inf"):
        document = selector(
            f'type = "any"\nwhere = [{{ attribute = "k", op = "equals", value = {value} }}]'
        )
        assert refusal(document) == (
            f"{PATH}.events.x.where[0].value: must be a text, a number of less than 10^15,"
            " or true or false"
        )


def test_a_refusal_offers_what_was_probably_meant():
    assert "did you mean order?" in refusal(calculated('type = "count"\nevent = "odrer"'))
    assert "did you mean contains?" in refusal(
        audience('{ attribute = "x", op = "contain", value = "y" }')
    )
    assert "did you mean custom_event?" in refusal(selector('type = "custom_evnt"'))


def test_names_may_have_letters_of_any_script_blanks_dots_and_dollars():
    found = read(f'{EVENTS}[calculated."$Größe 1.a-b_c"]\ntype = "count"\nevent = "order"\n')
    assert found.calculated.keys() == {"$Größe 1.a-b_c"}


def test_five_levels_of_nesting_and_fifty_criteria_are_allowed():
    read(audience("{ not = " * 5 + '{ event = "order" }' + " }" * 5))
    read(audience(*['{ event = "order" }'] * 50))


def test_a_ring_may_be_finer_than_the_parts_of_a_window():
    read(order('within = "30d", resolution = "1h"'))


def test_dates_may_be_written_as_toml_has_them():
    a = read(count("since = 2026-01-10T00:00:00Z")).calculated["x"]
    b = read(count("since = 2026-01-10")).calculated["x"]
    c = read(count('since = "2026-01-10T01:00:00+01:00"')).calculated["x"]
    assert a.since_ms == b.since_ms == c.since_ms
    assert a.mark == b.mark == c.mark


def test_durations_of_one_length_mean_the_same():
    assert read(count('within = "7d"')).calculated["x"].mark == (
        read(count('within = "168h"')).calculated["x"].mark
    )


@pytest.mark.parametrize(
    ("within", "minutes"),
    [("10m", 1), ("24m", 1), ("1h", 2), ("1d", 60), ("7d", 360), ("30d", 1440), ("90d", 2880)],
)
def test_a_window_has_twenty_four_parts_or_more_of_a_customary_width(within, minutes):
    window = read(count(f'within = "{within}"')).calculated["x"].window
    assert window.width_ms == minutes * 60_000


def test_audiences_that_name_each_other_are_both_refused():
    document = audience('{ audience = "y" }') + '[audiences.y]\nall = [{ audience = "x" }]\n'
    with pytest.raises(SettingsError) as caught:
        read(document)
    assert [mistake.partition(": ")[0] for mistake in caught.value.mistakes] == [
        f"{PATH}.audiences.{name}.all[0].audience" for name in "xy"
    ]
